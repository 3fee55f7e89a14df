"""Green contexts of PyTorch as lanes, and lanes as partitions of PyTorch, on GPUs of bookkeeping."""

import pytest
import torch
from compat.stand_in import in_a_process

# A green context as PyTorch's, but for the driver: its streams live as long as it does.
CONTEXT = """
import gc
import greenlane as gl
import torch
from torch import nn
from torch.cuda import green_contexts

class Context(green_contexts.GreenContext):
    def __init__(self):
        self.streams = []
    def Stream(self):
        self.streams.append(torch.cuda.Stream("cuda:1"))
        return torch.cuda.ExternalStream(self.streams[-1].cuda_stream, device="cuda:1")
    def __del__(self):
        print("context gone")

context = Context()
"""


def test_a_green_context_becomes_a_lane_that_keeps_it_alive() -> None:
    lines = in_a_process(
        CONTEXT
        + """
lane = gl.adopt(context, "vision")
print(lane.name, lane.device, lane.stream == context.streams[0].cuda_stream, len(context.streams))
del context
gc.collect()
print("lane is open")
lane.close()
del lane
gc.collect()
""",
        on_gpus=True,
    )
    assert lines == ["vision cuda:1 True 1", "lane is open", "context gone"]


def test_a_module_is_bound_to_one_stream_of_a_green_context() -> None:
    lines = in_a_process(
        CONTEXT
        + """
model = nn.Sequential(nn.ReLU(), nn.ReLU())
binding = gl.set_external_stream(model, context)
handle = gl.get_external_stream(model)
print(len(context.streams), handle == context.streams[0].cuda_stream)
del context
gc.collect()
print("bound")
binding.restore()
del binding
gc.collect()
""",
        on_gpus=True,
    )
    assert lines[:2] == ["1 True", "bound"]


def test_a_stream_that_does_not_say_its_device_needs_one() -> None:
    lines = in_a_process(
        """
import greenlane as gl
import torch

stream = torch.cuda.Stream("cuda:1")
print(gl.adopt(stream.cuda_stream, device="cuda:1").device)
for wrong in (lambda: gl.adopt(stream.cuda_stream), lambda: gl.adopt(gl.lane("cuda:0")), lambda: gl.adopt("a")):
    try:
        wrong()
    except (TypeError, ValueError) as error:
        print(type(error).__name__, error)
""",
        on_gpus=True,
    )
    assert lines[0] == "cuda:1"
    assert lines[1].startswith("ValueError ")
    assert "pass it, as in adopt(stream, device='cuda:0')" in lines[1]
    assert lines[2].startswith("TypeError Lane(")
    assert lines[3].startswith("TypeError 'a' is no stream")


@pytest.mark.skipif(
    not hasattr(torch.cuda.green_contexts, "SMPartition"), reason="this PyTorch has no SMPartition (2.15 and newer)"
)
def test_a_lane_gives_pytorch_its_sms() -> None:
    lines = in_a_process(
        """
from types import SimpleNamespace
import greenlane as gl
from cuda.bindings import driver

success = driver.CUresult.CUDA_SUCCESS
asked = []
driver.cuStreamGetGreenCtx = lambda stream: (success, asked.append(stream) or 7)
driver.cuGreenCtxGetDevResource = lambda context, kind: (success, SimpleNamespace(sm=SimpleNamespace(smCount=16)))
lane = gl.partition("cuda:1", {"lane": 16})["lane"]
part = lane.sm_partition
print(part.sm_count, part.device_id, asked == [lane.stream])

driver.cuStreamGetGreenCtx = lambda stream: (success, 0)
try:
    gl.lane("cuda:1").sm_partition
except RuntimeError as error:
    print(error)
""",
        on_gpus=True,
    )
    assert lines == [
        "16 1 True",
        "the lane's stream is in no green context: take a lane that greenlane.partition made",
    ]
