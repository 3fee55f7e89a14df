"""What the tests of Torch-TensorRT engines (test_tensorrt_*.py) share."""

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
"""Of every module of them."""

SLOW = 2_000_000  # clock cycles: about a millisecond
SIZE = 1 << 20


def whole() -> int:
    """The SMs of the device."""
    return gl.devices()[0].units


def bind(engine: Engine, stream: gl.StreamLike) -> None:
    """As a compiled module's."""
    gl.set_external_stream(Accelerated(engine), {"engine": stream})


def units(engine: Engine, *inputs: Tensor) -> int:
    """How many SMs it runs on when it is called now; fails where its other output is wrong."""
    outputs = run(engine, *inputs)
    if inputs:
        torch.testing.assert_close(outputs[1], inputs[0].to(outputs[1].device) * 2)
    return len(sms_of(outputs[0]))


def units_on(stream: torch.cuda.Stream, engine: Engine, *inputs: Tensor) -> int:
    """The same, called from a stream."""
    with torch.cuda.stream(stream):
        return units(engine, *inputs)


def callers(lanes: dict[str, gl.Lane]) -> list[torch.cuda.Stream]:
    """Streams of every kind."""
    return [torch.cuda.default_stream(), torch.cuda.Stream(), *(lane.torch_stream for lane in lanes.values())]


def constant(value: float) -> Tensor:
    """An input."""
    return torch.full((SIZE,), value, device="cuda")


def extremes(y: Tensor) -> Tensor:
    """What is wrong anywhere shows in them."""
    return torch.stack([y.min(), y.max()])
