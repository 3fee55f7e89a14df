"""Audits on a GPU: they find and name strays, call work in its lane clean, and leave the profiler usable."""

import gc
import threading
from collections.abc import Iterator
from pathlib import Path

import greenlane as gl
import pytest
import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity

BOTH = [ProfilerActivity.CPU, ProfilerActivity.CUDA]


@pytest.fixture
def lanes() -> Iterator[dict[str, gl.Lane]]:
    """Three partitions."""
    gc.collect()
    made = gl.partition("cuda:0", {"small": 16, "middle": 48, "large": gl.REST})
    yield made
    del made
    gc.collect()


@pytest.fixture
def small() -> Tensor:
    """An input of `affine` that is ready on the device."""
    made = torch.arange(256, dtype=torch.float32, device="cuda")
    torch.cuda.synchronize()
    return made


@pytest.fixture
def large() -> Tensor:
    """An input of `chain` that is ready on the device."""
    made = torch.ones(2048, 2048, dtype=torch.float16, device="cuda")
    torch.cuda.synchronize()
    return made


class Plain(nn.Module):
    """A module that stays where it is called."""

    def forward(self, x: Tensor) -> Tensor:
        """Launches two kernels."""
        return torch.relu(x * 2)


class Aside(nn.Module):
    """A module that runs one of its two kernels on another stream."""

    def __init__(self) -> None:
        super().__init__()
        self.side = torch.cuda.Stream()

    def forward(self, x: Tensor) -> Tensor:
        """Launches the second kernel aside."""
        y = x * 2
        here = torch.cuda.current_stream()
        self.side.wait_stream(here)
        with torch.cuda.stream(self.side):
            z = torch.relu(y)
        here.wait_stream(self.side)
        z.record_stream(here)
        y.record_stream(self.side)
        return z


class OnDefault(nn.Module):
    """A module that runs its kernel on the default stream."""

    def forward(self, x: Tensor) -> Tensor:
        """Waits for the kernel."""
        torch.cuda.current_stream().synchronize()
        with torch.cuda.stream(torch.cuda.default_stream()):
            y = torch.relu(x)
        torch.cuda.default_stream().synchronize()
        return y


class Replays(nn.Module):
    """A module that replays a graph captured on a plain stream."""

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        self.x = x
        torch.relu(x)
        torch.cuda.synchronize()
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.y = torch.relu(x)

    def forward(self, x: Tensor) -> Tensor:
        """Replays on the current stream."""
        self.x.copy_(x)
        self.graph.replay()
        return self.y.clone()


def causes(strays: tuple[gl.AuditedKernel, ...]) -> set[str | None]:
    """Returns the causes, each once."""
    return {stray.cause for stray in strays}


def test_a_pipeline_on_lanes_has_no_strays(
    models: Path, lanes: dict[str, gl.Lane], small: Tensor, large: Tensor
) -> None:
    """The pipeline has packages with resident graphs, called from the default stream, and modules."""
    number = torch.zeros(1, dtype=torch.int32, device="cuda")
    calls = [
        (gl.load(models / "affine.pt2", lane=lanes["small"], graphs="resident"), small),
        (gl.load(models / "chain.pt2", lane=lanes["large"], graphs="resident"), large),
        (gl.load(models / "where.pt2", lane=lanes["middle"], graphs="resident"), number),
        (gl.load(models / "affine.pt2", name="eager", lane=lanes["middle"]), small),
    ]
    module = Plain()
    gl.set_external_stream(module, lanes["middle"])
    for engine, x in (*calls, (module, small)):
        for _ in range(5):
            engine(x)
    torch.cuda.synchronize()
    with gl.audit() as audit:
        for engine, x in (*calls, (module, small)):
            for _ in range(10):
                engine(x)
    assert audit.clean, audit
    audit.check()
    assert len(audit.engines) == 5
    assert all(engine.calls == 10 for engine in audit.engines)
    assert all(engine.kernels >= 10 and engine.gpu_us > 0 and engine.judged for engine in audit.engines)
    assert audit.engines[0].lane == "small"
    assert audit.engines[0].units == 16
    assert audit.engines[0].copies >= 10, "the copies of graph inputs and outputs were not counted"
    assert "no strays" in str(audit)
    gl.clear_external_stream(module)


def test_gates_and_slices_cause_no_strays(
    models: Path, lanes: dict[str, gl.Lane], small: Tensor, large: Tensor
) -> None:
    best_effort = gl.load(models / "chain.pt2", lane=lanes["large"], graphs="resident", gates="50us")
    urgent = gl.load(models / "affine.pt2", lane=lanes["large"], graphs="resident", urgent=5.0)
    for _ in range(5):
        best_effort(large)
        urgent(small)
    report = best_effort.graphs
    assert report is not None
    assert report.graphs[0].slices > 1
    torch.cuda.synchronize()
    with gl.audit() as audit:
        thread = threading.Thread(target=lambda: [best_effort(large) for _ in range(20)])
        thread.start()
        for _ in range(20):
            urgent(small)
        thread.join()
    assert audit.clean, audit
    assert {engine.name: engine.calls for engine in audit.engines} == {"chain": 20, "affine": 20}


def test_an_unbound_engine_is_a_stray(models: Path, lanes: dict[str, gl.Lane], small: Tensor) -> None:
    bound = gl.load(models / "affine.pt2", name="bound", lane=lanes["small"])
    loose = gl.load(models / "affine.pt2", name="loose")
    for engine in (bound, loose):
        engine(small)
    with gl.audit() as audit:
        for engine in (bound, loose):
            engine(small)
    by_name = {engine.name: engine for engine in audit.engines}
    assert by_name["bound"].strays == ()
    assert by_name["loose"].lane is None
    assert causes(by_name["loose"].strays) == {"the engine is not bound"}
    assert "132" in by_name["loose"].strays[0].where or "SMs" in by_name["loose"].strays[0].where
    with pytest.raises(gl.StrayError, match="the engine is not bound"):
        audit.check()


@pytest.mark.parametrize(
    ("make", "cause"),
    [
        (lambda _x: Aside(), "a stream of PyTorch's pool"),
        (lambda _x: OnDefault(), "the default stream"),
        (lambda x: Replays(x.clone()), "a graph that was captured outside of the partition"),
    ],
    ids=["side", "default", "graph"],
)
def test_a_kernel_outside_the_lane_has_a_cause(
    make: object, cause: str, lanes: dict[str, gl.Lane], small: Tensor
) -> None:
    assert callable(make)
    module: nn.Module = make(small)
    other = Plain()
    gl.set_external_stream(module, lanes["middle"])
    gl.set_external_stream(other, lanes["small"])
    for engine in (module, other):
        engine(small)
    torch.cuda.synchronize()
    with gl.audit() as audit:
        for _ in range(4):
            module(small)
            other(small)
    first, second = audit.engines
    assert second.strays == (), audit
    assert causes(first.strays) == {cause}, audit
    assert sum(stray.count for stray in first.strays) == 4, audit
    assert any("relu" in stray.kernel or "elementwise" in stray.kernel for stray in first.strays)
    assert first.strays[0].where.startswith("all of cuda:0")
    for engine in (module, other):
        gl.clear_external_stream(engine)


def test_a_kernel_on_another_lane_is_a_stray(lanes: dict[str, gl.Lane], small: Tensor) -> None:
    class Guest(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            torch.cuda.current_stream().synchronize()
            with lanes["large"]:
                y = torch.relu(x)
            torch.cuda.synchronize()
            return y

    module = Guest()
    gl.set_external_stream(module, lanes["small"])
    module(small)
    with gl.audit() as audit:
        module(small)
    (stray,) = audit.strays
    assert stray.cause == "another lane's stream"
    assert "'large'" in stray.where
    gl.clear_external_stream(module)


def test_work_of_no_engine_is_listed_separately(lanes: dict[str, gl.Lane], small: Tensor) -> None:
    with gl.audit() as audit:
        torch.relu(small)
        with lanes["middle"]:
            torch.tanh(small)
    assert audit.engines == ()
    inside = [kernel for kernel in audit.others if kernel.cause is None]
    assert [kernel.where.startswith("partition 'middle'") for kernel in inside] == [True], audit
    assert causes(audit.strays) == {"no engine's work"}


def test_a_lane_on_the_whole_device_has_no_strays(models: Path, lanes: dict[str, gl.Lane], small: Tensor) -> None:
    assert lanes["small"].units == 16
    engine = gl.load(models / "affine.pt2", lane=gl.lane("cuda:0"))
    adopted = Plain()
    gl.set_external_stream(adopted, torch.cuda.Stream())
    for each in (engine, adopted):
        each(small)
    with gl.audit() as audit:
        for each in (engine, adopted):
            each(small)
    assert audit.clean, audit
    gl.clear_external_stream(adopted)
