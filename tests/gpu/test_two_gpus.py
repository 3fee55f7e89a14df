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


class Stamps(nn.Module):
    """Adds 1 to a tensor whose elements are all alike; a torn one gives NaN."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Buffer(torch.eye(512))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns the sum."""
        work = self.weight @ self.weight
        whole = torch.where((x == x[0]).all(), 0.0, float("nan"))
        return x + (work[0, 0] + whole)


class Adds(nn.Module):
    """Adds its input to its last result."""

    def forward(self, x: torch.Tensor, last: torch.Tensor) -> torch.Tensor:
        """Returns the sum, small enough to stay exact."""
        return torch.remainder(x + last, 1024)


@pytest.mark.parametrize("second", ["cuda:1", "cuda:0"])
def test_an_edge_between_two_gpus_carries_every_item(tmp_path: Path, second: str) -> None:
    """An edge on one GPU gives the same."""
    count = 10_000
    x = torch.zeros(10_000)
    torch.save([x], tmp_path / "one.pt")
    torch.save([x, x], tmp_path / "two.pt")
    file = tmp_path / "net.toml"

    def queue(producer: str) -> str:
        return f"{{ output = '{producer}', queue = 16, overflow = 'block' }}"

    file.write_text(
        "device = 'cuda:0'\n[source.camera]\nrate_hz = 1000\n"
        f"[engine.near]\nmodule = 'near'\ninputs = 'one.pt'\nfrom = [{queue('camera')}]\non = 'camera'\n"
        f"[engine.far]\nmodule = 'far'\ninputs = 'one.pt'\nfrom = [{queue('near')}]\non = 'near'\n"
        "[engine.sum]\nmodule = 'sum'\ninputs = 'two.pt'\n"
        f"from = [{queue('far')}, {{ output = 'sum', initial = 'zeros' }}]\non = 'far'\n"
        "[lane.near]\nunits = 32\n"
        f"[lane.far]\nunits = 32\ndevice = '{second}'\n[lane.sum]\nunits = 32\ndevice = '{second}'\n"
    )
    modules = {"near": Stamps().cuda(0), "far": Stamps().to(second), "sum": Adds().to(second)}
    with gl.Pipeline(file, modules=modules) as pipeline:
        pipeline.start()
        source, sink = pipeline.source("camera"), pipeline.sink("sum")
        for i in range(count):
            source.publish(torch.full_like(x, float(i % 512)))
        while (result := sink.wait(60)).sequence < count:
            pass
        assert result.outputs.device == torch.device(second)
        low, high = result.outputs.aminmax()
        assert low.item() == high.item() == sum(i % 512 + 2 for i in range(count)) % 1024
        assert [item.sequence for item in result.items] == [count]
        stats = pipeline.stats()
        assert {name: engine.device for name, engine in stats.engines.items()} == {
            "near": "cuda:0",
            "far": second,
            "sum": second,
        }
        assert set(stats.devices) == {"cuda:0", second}
        assert stats.engines["far"].edges["near"].taken == count
        assert torch.cuda.current_device() == 0


def test_a_source_takes_items_of_every_device(tmp_path: Path) -> None:
    second = "cuda:1"
    torch.save([torch.zeros(100)], tmp_path / "one.pt")
    file = tmp_path / "net.toml"
    file.write_text(
        f"device = '{second}'\n[source.camera]\n[engine.far]\nmodule = 'far'\ninputs = 'one.pt'\n"
        "from = [{ output = 'camera', queue = 64 }]\non = 'camera'\n[lane.far]\nunits = 32\n"
    )
    with gl.Pipeline(file, modules={"far": Stamps().to(second)}) as pipeline:
        pipeline.start()
        source, sink = pipeline.source("camera"), pipeline.sink("far")
        for i in range(30):
            device = ("cuda:0", second, "cpu")[i % 3]
            source.publish(torch.full((100,), float(i), device=device))
            result = sink.wait(60)
            assert result.sequence == i + 1
            assert result.outputs.unique().tolist() == [i + 1]
        assert torch.cuda.current_device() == 0


def test_loading_on_the_second_gpu_leaves_the_current_device(models: Path) -> None:
    """PyTorch sets up the first GPU late, so some work comes first."""
    torch.zeros(1, device="cuda:0")
    gl.load(models / "affine.pt2", device="cuda:1")
    assert torch.cuda.current_device() == 0
