"""Engines on a GPU of bookkeeping that choose their stream as stock Torch-TensorRT does, in both of its runtimes.

Each test is a process of its own, because a process either has the GPU from its beginning or never. `SETUP` is the
first part of its code.
"""

CPP = """
from compat import stand_in
stand_in.load()

def new_engine(name="engine", device=0):
    return stand_in.new_engine(name, device=str(device))

def stream_of(outputs):
    return int(outputs[-1])
"""

# Chooses streams like TRTEngine._resolve_streams in dynamo/runtime/_TRTEngine.py of Torch-TensorRT.
PYTHON = """
import types
from torch._library.opaque_object import register_opaque_type
from torch._opaque_base import OpaqueBase

class TRTEngine(OpaqueBase):
    def __init__(self, name="engine", device=0):
        self.name = name
        self.target_device_id = device
        self._target_device = torch.device("cuda", device)
        self._default_stream = torch.cuda.default_stream(self._target_device)
        self._owned_pool_stream = None

    def execute(self, tensors):
        stream = torch.cuda.current_stream(self._target_device)
        if stream == self._default_stream:
            if self._owned_pool_stream is None:
                self._owned_pool_stream = torch.cuda.Stream(self._target_device)
            stream = self._owned_pool_stream
        return [tensor * 2 for tensor in tensors] + [torch.tensor([stream.cuda_stream])]

module = types.ModuleType("torch_tensorrt.dynamo.runtime._TRTEngine")
module.TRTEngine = TRTEngine
sys.modules[module.__name__] = module
register_opaque_type(TRTEngine, typ="reference")

@torch.library.custom_op("tensorrt::execute_engine", mutates_args=())
def execute_engine(input_tensors: list[torch.Tensor], engine: TRTEngine) -> list[torch.Tensor]:
    return engine.execute(input_tensors)

new_engine = TRTEngine

def stream_of(outputs):
    return int(outputs[-1])
"""

SETUP = """
import sys
import numpy
import torch
import greenlane as gl
{runtime}
X = torch.ones(3)

class Accelerated(torch.nn.Module):
    def __init__(self, engine):
        super().__init__()
        self.engine = engine

    def forward(self, x):
        return torch.ops.tensorrt.execute_engine([x], self.engine)

def ran(engine):
    # The handle of the stream that an engine runs on when it is called now.
    doubled, *_ = outputs = torch.ops.tensorrt.execute_engine([X], engine)
    assert torch.equal(doubled, X * 2)
    return stream_of(outputs)

def attempt(call):
    try:
        return call()
    except Exception as error:
        return type(error).__name__ + ": " + str(error).splitlines()[0]

lanes = gl.partition("cuda:0", {{"first": 24, "second": 40}})
first, second = lanes["first"].stream, lanes["second"].stream
mine = torch.cuda.Stream()
streams = {{first: "first", second: "second", mine.cuda_stream: "mine", 0: "the default stream"}}

def named(handle):
    return streams.get(handle, "another")
"""

RUNTIMES = {"C++": CPP, "Python": PYTHON}


def setup(runtime: str) -> str:
    """Returns the first part of a process's code."""
    return SETUP.format(runtime=RUNTIMES[runtime])
