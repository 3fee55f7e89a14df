"""Two GPUs in one process: all work happens on the engine's device, whatever the current device is."""

from pathlib import Path

import greenlane as gl
import pytest
import torch
from torch import nn
from where import sms_of

pytestmark = pytest.mark.skipif(torch.cuda.device_count() < 2, reason="this machine has fewer than two GPUs")


@pytest.fixture
def x() -> torch.Tensor:
    """An input of the test package on the second GPU; the first GPU is the current device."""
    assert torch.cuda.current_device() == 0
    made = torch.zeros(1, dtype=torch.int32, device="cuda:1")
    torch.cuda.synchronize(1)
    return made


def test_an_engine_runs_on_the_second_gpu(models: Path, x: torch.Tensor) -> None:
    """The first GPU is the current device throughout."""
    engine = gl.load(models / "where.pt2", device="cuda:1")
    lane = gl.partition("cuda:1", {"lane": 24})["lane"]
    whole = next(device.units for device in gl.devices() if device.id == "cuda:1")
    assert engine(x).device == torch.device("cuda:1")
    assert len(sms_of(engine(x))) == whole
    engine.bind(lane)
    assert len(sms_of(engine(x))) == 24
    engine.unbind()
    gl.set_engine_stream_passthrough(True)
    previous = torch.cuda.current_stream(1)
    torch.cuda.set_stream(lane.torch_stream)
    torch.cuda.set_device(0)
    try:
        assert len(sms_of(engine(x))) == 24
    finally:
        torch.cuda.set_stream(previous)
        torch.cuda.set_device(0)
        gl.set_engine_stream_passthrough(False)
    assert torch.cuda.current_device() == 0


def test_a_stream_of_the_first_gpu_is_refused(models: Path) -> None:
    """Streams of every kind are refused."""
    engine = gl.load(models / "where.pt2", device="cuda:1")
    lane = gl.partition("cuda:0", {"lane": 16})["lane"]
    for stream in (lane, lane.torch_stream, lane.stream, torch.cuda.Stream(0)):
        with pytest.raises(RuntimeError) as error:
            engine.set_external_stream(stream)
        assert "cuda:0" in str(error.value)
        assert "cuda:1" in str(error.value)
    assert not engine.is_external_stream_set()


def test_a_module_is_bound_on_the_second_gpu() -> None:
    """The module's device is that of its parameters."""
    module = nn.Linear(64, 64).to("cuda:1")
    x = torch.randn(8, 64, device="cuda:1")
    expected = module(x)
    lane = gl.partition("cuda:1", {"lane": 16})["lane"]
    with gl.set_external_stream(module, lane):
        torch.testing.assert_close(module(x), expected)
        assert torch.cuda.current_device() == 0
    with pytest.raises(RuntimeError, match="cuda:0"):
        gl.set_external_stream(module, torch.cuda.Stream(0))


def test_a_model_uses_lanes_of_both_gpus(models: Path, x: torch.Tensor) -> None:
    """Engines on a lane of each GPU are bound in one call, and both partitions hold."""

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = gl.load(models / "where.pt2", device="cuda:0")
            self.second = gl.load(models / "where.pt2", device="cuda:1")

        def forward(self, a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return self.first(a), self.second(b)

    model = Model()
    lanes = [gl.partition(f"cuda:{i}", {"lane": units})["lane"] for i, units in enumerate((16, 48))]
    gl.set_external_stream(model, {"first": lanes[0], "second": lanes[1]})
    first, second = model(x.to("cuda:0"), x)
    assert (len(sms_of(first)), len(sms_of(second))) == (16, 48)
    with pytest.raises(ValueError, match="cuda:0 and cuda:1"):
        gl.set_external_stream(model, lanes[0])
