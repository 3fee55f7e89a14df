"""greenlane.install_torch_tensorrt_aliases(): code written for pytorch/TensorRT#4232 runs unchanged.

Each case is a process of its own, because the other tests run without torch_tensorrt.
"""

import pytest

from compat import gpu_runtimes
from compat.stand_in import FAKE_CUDA, in_a_process

# A package in name only: its modules, and the class of modules with an engine.
PACKAGE = """
import types
for name in ("torch_tensorrt", "torch_tensorrt.runtime", "torch_tensorrt.dynamo", "torch_tensorrt.dynamo.runtime",
             "torch_tensorrt.dynamo.runtime._TorchTensorRTModule"):
    sys.modules[name] = types.ModuleType(name)
import torch_tensorrt
torch_tensorrt.runtime = sys.modules["torch_tensorrt.runtime"]

class TorchTensorRTModule(Accelerated):
    def get_engine(self):
        if self.engine is None:
            raise RuntimeError("Engine has not been setup yet.")
        return self.engine

sys.modules["torch_tensorrt.dynamo.runtime._TorchTensorRTModule"].TorchTensorRTModule = TorchTensorRTModule
"""
# User code of #4232, which names nothing of greenlane.
USER = """
model = torch.nn.Sequential(TorchTensorRTModule(new_engine("one")), TorchTensorRTModule(new_engine("two")))
one, two = model[0].engine, model[1].engine
with torch_tensorrt.runtime.set_external_stream(model, mine):
    print(named(ran(one)), named(ran(two)))
with torch_tensorrt.runtime.set_external_stream(model, {"0": torch.cuda.ExternalStream(first), "1": mine}):
    print(named(stream_of(model[0](X))), named(stream_of(model[1](X))))
print(named(ran(one)), named(ran(two)))

one.set_external_stream(first)
print(named(ran(one)), one.get_external_stream() == first, one.is_external_stream_set())
one.clear_external_stream()
print(named(ran(one)), one.get_external_stream(), one.is_external_stream_set())

print(model[1].set_external_stream(second), named(ran(two)), model[1].get_external_stream() == second)
model[1].clear_external_stream()
print(named(ran(two)), model[1].is_external_stream_set())

for module in (torch_tensorrt.runtime, torch.ops.tensorrt):
    module.set_engine_stream_passthrough(True)
    print(module.get_engine_stream_passthrough(), torch_tensorrt.runtime.get_engine_stream_passthrough())
    with torch.cuda.stream(mine):
        print(named(ran(one)))
    module.set_engine_stream_passthrough(False)
print(torch_tensorrt.runtime.get_engine_stream_passthrough())
"""


@pytest.mark.skipif(not FAKE_CUDA.exists(), reason=f"{FAKE_CUDA} is not built")
@pytest.mark.parametrize("runtime", gpu_runtimes.RUNTIMES)
def test_code_for_4232_runs_unchanged(runtime: str) -> None:
    code = f"{gpu_runtimes.setup(runtime)}\n{PACKAGE}\ngl.install_torch_tensorrt_aliases()\n{USER}"
    assert in_a_process(code, on_gpus=True) == [
        "mine mine",
        "first mine",
        "another another",
        "first True True",
        "another 0 False",
        "None second True",
        "another False",
        *["True True", "mine"] * 2,
        "False",
    ]


BEGIN = "import sys\nimport torch\nimport greenlane as gl\n"
ON_THE_CPU = f"{BEGIN}class Accelerated(torch.nn.Module): pass\n{PACKAGE}"


def test_existing_names_are_kept() -> None:
    assert in_a_process(f"""{ON_THE_CPU}
torch_tensorrt.runtime.set_external_stream = "upstream's own"
installed = gl.install_torch_tensorrt_aliases()
print(torch_tensorrt.runtime.set_external_stream, "torch_tensorrt.runtime.set_external_stream" in installed)
print(*sorted(name for name in installed if "Module" not in name), sep="\\n")
print(sum("TorchTensorRTModule.TorchTensorRTModule." in name for name in installed))
print(gl.install_torch_tensorrt_aliases())
""") == [
        "upstream's own False",
        "torch.ops.tensorrt.get_engine_stream_passthrough",
        "torch.ops.tensorrt.set_engine_stream_passthrough",
        "torch_tensorrt.runtime.clear_external_stream",
        "torch_tensorrt.runtime.get_engine_stream_passthrough",
        "torch_tensorrt.runtime.get_external_stream",
        "torch_tensorrt.runtime.is_external_stream_set",
        "torch_tensorrt.runtime.set_engine_stream_passthrough",
        "4",
        "()",
    ]


def test_a_module_without_its_engine_is_refused() -> None:
    assert in_a_process(f"""{ON_THE_CPU}
gl.install_torch_tensorrt_aliases()
module = TorchTensorRTModule()
module.engine = None
try:
    module.set_external_stream(5)
except RuntimeError as error:
    print(error)
""") == ["Engine has not been setup yet."]


def test_missing_torch_tensorrt_is_reported_with_a_remedy() -> None:
    assert in_a_process(f"""{BEGIN}
try:
    gl.install_torch_tensorrt_aliases()
except ImportError as error:
    print(error)
""") == [
        "the names of Torch-TensorRT cannot be installed, because torch_tensorrt.runtime cannot be imported "
        "(No module named 'torch_tensorrt'): install Torch-TensorRT 2.13 or newer, or call greenlane's own functions"
    ]
