"""Engines of Torch-TensorRT's runtime in Python: Python objects, behind an operator of the same name.

Each case is a process of its own, because in the other tests the operator is the stand-in's.
"""

import pytest

from compat.stand_in import in_a_process

RUNTIME = """
import gc, sys, threading, types
import torch
from torch._library.opaque_object import register_opaque_type
from torch._opaque_base import OpaqueBase

class TRTEngine(OpaqueBase):
    def __init__(self, name="engine"):
        self.name = name
        self.target_device_id = 0
        self._target_device = torch.device("cpu")
        self.thread = None

    def execute(self, tensors):
        self.thread = threading.get_native_id()
        if tensors and tensors[0].numel() == 0:
            raise RuntimeError("nothing to do")
        return [tensor * 2 for tensor in tensors]

def load_runtime():
    module = types.ModuleType("torch_tensorrt.dynamo.runtime._TRTEngine")
    module.TRTEngine = TRTEngine
    sys.modules[module.__name__] = module
    register_opaque_type(TRTEngine, typ="reference")

    @torch.library.custom_op("tensorrt::execute_engine", mutates_args=())
    def execute_engine(input_tensors: list[torch.Tensor], engine: TRTEngine) -> list[torch.Tensor]:
        return engine.execute(input_tensors)

class Accelerated(torch.nn.Module):
    def __init__(self, engine):
        super().__init__()
        self.engine = engine

    def forward(self, x):
        return torch.ops.tensorrt.execute_engine([x], self.engine)[0]

def worker_of(lane):
    seen = []
    class Look(torch.nn.Module):
        def forward(self):
            seen.append(threading.get_native_id())
    look = Look()
    with gl.set_external_stream(look, lane):
        look()
    return seen[0]
"""

FIRST = "load_runtime(); import greenlane as gl"
LAST = "import greenlane as gl; load_runtime()"


@pytest.mark.parametrize("order", [FIRST, LAST])
def test_python_runtime_engines_are_bound_and_freed(order: str) -> None:
    assert in_a_process(f"""{RUNTIME}
{order}
here, x = threading.get_native_id(), torch.ones(2)
lane = gl.lane("cpu", "lane")
model = Accelerated(TRTEngine("first"))
def ran():
    assert model(x).tolist() == [2.0, 2.0]
    return model.engine.thread
print(ran() == here)
with gl.set_external_stream(model, {{"engine": lane}}) as binding:
    print(binding.names, ran() == worker_of(lane), gl.is_external_stream_set(model, "engine"))
print(ran() == here, gl.is_external_stream_set(model, "engine"))
with gl.set_external_stream(model, {{"first": lane}}):
    print(ran() == worker_of(lane))
    try:
        model(torch.ones(0))
    except RuntimeError as error:
        print(error)
    print(ran() == worker_of(lane))
""") == ["True", "('engine',) True True", "True False", "True", "nothing to do", "True"]


def test_a_new_engine_never_inherits_a_binding() -> None:
    """Addresses are used again, and an engine's binding is forgotten before that."""
    assert in_a_process(f"""{RUNTIME}
{FIRST}
lane = gl.lane("cpu", "lane")
addresses, inherited = set(), 0
for i in range(500):
    model = Accelerated(TRTEngine())
    addresses.add(id(model.engine))
    inherited += gl.is_external_stream_set(model, "engine")
    gl.set_external_stream(model, {{"engine": lane}})
    del model
    gc.collect() if i % 50 == 0 else None
print(len(addresses) < 500, inherited)
""") == ["True 0"]


@pytest.mark.parametrize("order", [FIRST, LAST])
def test_a_bare_engine_keeps_its_lane(order: str) -> None:
    assert in_a_process(f"""{RUNTIME}
{order}
engine, x = TRTEngine("first"), torch.ones(2)
def ran():
    torch.ops.tensorrt.execute_engine([x], engine)
    return engine.thread
here = threading.get_native_id()
lane = gl.lane("cpu", "lane")
with gl.set_external_stream(engine, lane) as binding:
    print(binding.names, ran() == worker_of(lane), gl.is_external_stream_set(engine), gl.get_external_stream(engine))
    gl.clear_external_stream(engine)
    print(ran() == here, gl.is_external_stream_set(engine, "first"))
gl.set_external_stream(engine, {{"first": gl.lane("cpu", "kept")}})
gc.collect()
print(ran() != here, ran() != worker_of(lane), gl.is_external_stream_set(engine))
try:
    gl.set_external_stream(engine, {{"first": 0}})
except RuntimeError as error:
    print(str(error)[:75])
""") == [
        "('',) True True 0",
        "True False",
        "True True True",
        "nothing was bound: the stream for 'first' is refused: stream 0x0 cannot be ",
    ]


GRAPHS = """
class States:  # as stock's
    def __init__(self):
        self.old_cudagraphs = False
        self.context_changed = False

    def set_runtime_states(self, new_cudagraphs, shape_changed):
        record = new_cudagraphs and (not self.old_cudagraphs or shape_changed or self.context_changed)
        self.old_cudagraphs, self.context_changed = new_cudagraphs, False
        return record

class GraphEngine(TRTEngine):
    # Its graph says where it was recorded, and all streams look alike.
    def __init__(self, name="engine"):
        super().__init__(name)
        self.runtime_states = States()
        self.recorded_in = None

    def execute(self, tensors):
        if self.runtime_states.set_runtime_states(True, False):
            self.recorded_in = threading.get_native_id()
        self.thread = self.recorded_in
        return [tensor * 2 for tensor in tensors]

a, b = gl.lane("cpu", "a"), gl.lane("cpu", "b")
names = {worker_of(a): "a", worker_of(b): "b", threading.get_native_id(): "caller"}
model = Accelerated(GraphEngine())
x = torch.ones(2)
def show(root=model):
    seen = []
    for _ in range(3):
        root(x)
        seen.append(names[model.engine.thread])
    print(*seen)
"""


def test_no_graph_outlives_a_change_of_the_binding() -> None:
    assert in_a_process(f"""{RUNTIME}
{FIRST}
{GRAPHS}
show()
for lane in (a, b, a):
    gl.set_external_stream(model, {{"engine": lane}})
    show()
gl.clear_external_stream(model)
show()
with gl.set_external_stream(model, {{"": b}}):
    gl.clear_external_stream(model, ["engine"])
    show()
show()
gl.set_external_stream(model, {{"engine": a}})
show()
import copy
other = copy.copy(model.engine.runtime_states)
print(type(other).__name__)
""") == [
        "caller caller caller",
        *[" ".join([name] * 3) for name in ("a", "b", "a", "caller", "b", "caller", "a")],
        "States",
    ]


def test_an_engine_with_its_own_graphs_is_freed() -> None:
    """The observer of the engine's states does not keep the engine."""
    assert in_a_process(f"""{RUNTIME}
{FIRST}
{GRAPHS}
import weakref
gl.set_external_stream(model, {{"engine": a}})
show()
gone = weakref.ref(model.engine)
del model
show.__defaults__ = (None,)
gc.collect()
print(gone() is None)
""") == ["a a a", "True"]


def test_graphs_of_tensorrt_rtx_are_refused() -> None:
    """Such graphs are captured inside the engine's calls, where nothing can drop them."""
    assert in_a_process(f"""{RUNTIME}
{FIRST}
lane = gl.lane("cpu", "lane")
features = types.ModuleType("torch_tensorrt._features")
features.ENABLED_FEATURES = types.SimpleNamespace(tensorrt_rtx=True)
sys.modules[features.__name__] = features
model = Accelerated(TRTEngine("first"))
def bind():
    try:
        gl.set_external_stream(model, {{"engine": lane}})
        print("bound")
    except ValueError as error:
        print(error)
model.engine.runtime_settings = types.SimpleNamespace(cuda_graph_strategy="whole_graph_capture")
bind()
model.engine.runtime_settings = types.SimpleNamespace(cuda_graph_strategy="disabled")
bind()
import warnings
{GRAPHS}
lane = a
model.engine.runtime_settings = types.SimpleNamespace(cuda_graph_strategy="disabled")
bind()
show()
model.engine.runtime_settings = types.SimpleNamespace(cuda_graph_strategy="whole_graph_capture")
gl.clear_external_stream(model)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    show()
print(len(caught), str(caught[0].message)[:50])
""") == [
        "nothing was bound: 'engine' cannot be bound: TensorRT-RTX captures CUDA graphs of its own in it "
        "(cuda_graph_strategy), which run where they were captured, and which nothing can drop: set "
        "cuda_graph_strategy to 'disabled', and capture the model with gl.capture",
        "bound",
        "bound",
        "a a a",
        "caller caller caller",
        "1 the Torch-TensorRT engine 'engine' was bound other",
    ]
