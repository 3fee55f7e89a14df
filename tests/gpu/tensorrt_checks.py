"""Helpers of the tests of Torch-TensorRT engines (test_tensorrt_*.py)."""

import os

import greenlane as gl
import pytest
import torch
from tensorrt_runtime import VARIABLE, Accelerated, Engine, run
from torch import Tensor
from where import sms_of

MARKS = [
    pytest.mark.skipif(
        VARIABLE not in os.environ, reason=f"{VARIABLE} does not name a folder with Torch-TensorRT's runtime"
    ),
    pytest.mark.usefixtures("tensorrt"),
]
"""The marks of each of these test modules."""

SLOW = 2_000_000  # clock cycles: about a millisecond
SIZE = 1 << 20


def whole() -> int:
    """Returns the number of the device's SMs."""
    return gl.devices()[0].units


def bind(engine: Engine, stream: gl.StreamLike) -> None:
    """Binds an engine as a compiled module's."""
    gl.set_external_stream(Accelerated(engine), {"engine": stream})


def units(engine: Engine, *inputs: Tensor) -> int:
    """Returns the number of SMs that a call runs on now; fails if the engine's other output is wrong."""
    outputs = run(engine, *inputs)
    if inputs:
        torch.testing.assert_close(outputs[1], inputs[0].to(outputs[1].device) * 2)
    return len(sms_of(outputs[0]))


def units_on(stream: torch.cuda.Stream, engine: Engine, *inputs: Tensor) -> int:
    """Returns the same for a call from `stream`."""
    with torch.cuda.stream(stream):
        return units(engine, *inputs)


def callers(lanes: dict[str, gl.Lane]) -> list[torch.cuda.Stream]:
    """Returns streams of every kind."""
    return [torch.cuda.default_stream(), torch.cuda.Stream(), *(lane.torch_stream for lane in lanes.values())]


def constant(value: float) -> Tensor:
    """Returns an input."""
    return torch.full((SIZE,), value, device="cuda")


def extremes(y: Tensor) -> Tensor:
    """Returns the least and the greatest element, which show any wrong element."""
    return torch.stack([y.min(), y.max()])
