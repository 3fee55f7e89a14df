"""MutableTorchTensorRTModule, from its published source: it stays bound, or is refused with the remedy.

Each case is a process of its own, because the other tests run without torch_tensorrt.
"""

import pytest

from compat import mutable_source
from compat.stand_in import in_a_process

pytestmark = pytest.mark.skipif(
    not mutable_source.SOURCE.exists(), reason=f"Torch-TensorRT is not at {mutable_source.SOURCE} (tools/setup.sh)"
)

SETUP = """
import warnings
warnings.simplefilter("ignore")
import torch
from compat import mutable_source, stand_in
from compat.stand_in import lanes_of
stand_in.load()
import greenlane as gl
runtime = mutable_source.load()
a, b = gl.lane("cpu", "a"), gl.lane("cpu", "b")

class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = torch.nn.Linear(4, 4)

    def forward(self, x):
        return self.inner(x)

network = Network().eval()
model = runtime.MutableTorchTensorRTModule(network, device="cpu")

def attempt(call):
    try:
        print(call())
    except Exception as error:
        print(type(error).__name__, error)
"""
CALLER = "the caller's thread"


def test_a_mutable_module_stays_bound_after_refitting() -> None:
    assert in_a_process(f"""{SETUP}
with gl.set_external_stream(model, a) as binding:
    print(binding.names, lanes_of(model), len(mutable_source.compiled))  # compiled in this call
    first = model.gm
    model.load_state_dict(network.state_dict())
    print(lanes_of(model), model.gm._run_on_acc_0.engine.serialize_metadata_only()[1])  # refitted
    model.compile()
    print(lanes_of(model), model.gm is not first, len(mutable_source.compiled))
    gl.set_external_stream(model, b)
    model.set_expected_dynamic_shape_range(({{}},), {{}})
    print(lanes_of(model), len(mutable_source.compiled), gl.is_external_stream_set(model))
print(lanes_of(model), gl.is_external_stream_set(model))
print("_forward" in vars(model), "forward" in vars(model))
""") == [
        "('',) ('a', 'a') 1",
        "('a', 'a') refitted",
        "('a', 'a') True 2",
        "('b', 'b') 3 True",
        f"{(CALLER, CALLER)} False",
        "False False",
    ]


def test_a_direct_call_of_forward_is_bound() -> None:
    assert in_a_process(f"""{SETUP}
gl.set_external_stream(model, a)
print(lanes_of(model.forward), lanes_of(model._forward))
gl.clear_external_stream(model)
print(lanes_of(model.forward), lanes_of(model._forward))
""") == ["('a', 'a') ('a', 'a')", f"{(CALLER, CALLER)} {(CALLER, CALLER)}"]


def test_bound_engines_inside_follow_the_mutable_module() -> None:
    assert in_a_process(f"""{SETUP}
lanes_of(model)
gl.set_external_stream(model.gm, {{"_run_on_acc_0": b}})
print(lanes_of(model))
gl.set_external_stream(model, a)
print(lanes_of(model))
gl.clear_external_stream(model)
print(lanes_of(model))
""") == [str(("b", CALLER)), "('a', 'a')", str((CALLER, CALLER))]


def test_binding_a_part_is_refused_with_a_remedy() -> None:
    lines = in_a_process(f"""{SETUP}
for when in range(2):
    for name in ("inner", "gm._run_on_acc_0", "gm._run_on_acc_0.engine"):
        attempt(lambda: gl.set_external_stream(model, {{name: a}}))
    attempt(lambda: gl.set_external_stream(torch.nn.Sequential(model), {{"0.inner": a}}))
    print(lanes_of(model))
attempt(lambda: gl.set_external_stream(model, a, graphs="resident"))
""")
    for when in range(2):
        *parts, nested, where = lines[when * 5 : when * 5 + 5]
        for part in (*parts, nested):
            assert part.startswith("ValueError nothing was bound: ")
            assert "which Torch-TensorRT recompiles when the model changes" in part
            assert part.endswith("would be lost; call greenlane.bind with the whole module")
        assert "it is inside '0'" in nested
        assert where == str((CALLER, CALLER))
    assert "graphs='resident' is for modules on a GPU that Torch-TensorRT does not recompile" in lines[-1]


def test_a_mutable_module_may_be_a_submodule() -> None:
    assert in_a_process(f"""{SETUP}
outer = torch.nn.Sequential(model)
with gl.set_external_stream(outer, {{"0": a}}) as binding:
    print(binding.names, lanes_of(outer))
with gl.set_external_stream(outer, b) as binding:
    print(lanes_of(outer))
    model.compile()
    print(lanes_of(outer))
print(lanes_of(outer))
""") == ["('0',) ('a', 'a')", "('b', 'b')", "('b', 'b')", str((CALLER, CALLER))]


def test_the_settings_decide_the_device() -> None:
    """The parameters are the original model's, which the module may move."""
    assert in_a_process(f"""{SETUP}
model.trt_device = torch.device("meta")
attempt(lambda: gl.set_external_stream(model, a))
""") == ["ValueError nothing was bound: '' cannot be bound: it is on meta: move it to a GPU or the CPU first"]


def test_a_saved_module_needs_no_greenlane() -> None:
    assert in_a_process(f"""{SETUP}
import io, pickle
gl.set_external_stream(model, a)
state = {{name: value for name, value in vars(model).items() if name == "_forward"}}
print(len(state), b"greenlane" in pickle.dumps(type(state["_forward"]).__reduce__(state["_forward"])[0]))
""") == ["1 False"]
