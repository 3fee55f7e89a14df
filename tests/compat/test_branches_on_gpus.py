"""Branches of gl.concurrently, on GPUs that keep books and compute nothing."""

import pytest

from compat.stand_in import FAKE_CUDA, in_a_process

pytestmark = pytest.mark.skipif(not FAKE_CUDA.exists(), reason=f"{FAKE_CUDA} is not built")

SETUP = """
import torch, greenlane as gl
from compat.driver_calls import Capture
from compat.stand_in import eventually

torch.cuda.set_device(0)
mine = torch.cuda.Stream(0)

def stream():
    return torch.cuda.current_stream().cuda_stream

def lanes():
    return gl.hardware_queues("cuda:0").streams

def branches():
    with torch.cuda.stream(mine):
        return set(gl.concurrently(stream, stream, stream))

before = lanes()
"""


def test_each_branch_has_a_stream_of_its_own_until_the_end() -> None:
    program = """
found = branches()
print(len(found | {mine.cuda_stream}), lanes() - before, stream() == torch.cuda.default_stream().cuda_stream)
"""
    assert in_a_process(SETUP + program, on_gpus=True) == ["4 0 True"]


def test_a_callers_graph_keeps_the_lanes_of_its_branches_and_no_longer() -> None:
    program = """
captures = [Capture(mine) for _ in range(2)]
streams = []
for capture in captures:
    with capture:
        streams.append(branches())
        during = lanes() - before
    print(len(streams[-1]), during, lanes() - before)
print(streams[0] & streams[1] or "disjoint")
for left, capture in ((3, captures[0]), (0, captures[1])):
    capture.destroy()
    print(eventually(lambda: lanes() - before == left))
"""
    assert in_a_process(SETUP + program, on_gpus=True) == ["3 3 3", "3 6 6", "disjoint", "True", "True"]


def test_an_error_of_a_branch_comes_out_as_it_is_and_ends_the_rest() -> None:
    program = """
called = []

def broken(error):
    called.append(error)
    raise error("its own")

for error in (ValueError, KeyboardInterrupt):
    try:
        gl.concurrently(stream, lambda: broken(error), lambda: called.append("never"))
    except BaseException as raised:
        print(repr(raised), lanes() - before, stream() == torch.cuda.default_stream().cuda_stream)
print(len(called))
"""
    assert in_a_process(SETUP + program, on_gpus=True) == [
        "ValueError('its own') 0 True",
        "KeyboardInterrupt('its own') 0 True",
        "2",
    ]
