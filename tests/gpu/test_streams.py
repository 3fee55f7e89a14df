"""Engines bound to streams of every kind, with the SMs as proof."""

import gc
from collections.abc import Iterator
from pathlib import Path

import greenlane as gl
import pytest
import torch
from where import sms_of


class ForeignStream:
    """A stream as another library passes it. The class counts its live objects."""

    alive = 0

    def __init__(self, handle: int) -> None:
        self.handle = handle
        ForeignStream.alive += 1

    def __del__(self) -> None:
        ForeignStream.alive -= 1

    def __cuda_stream__(self) -> tuple[int, int]:
        return (0, self.handle)


@pytest.fixture
def lane() -> gl.Lane:
    """A lane of 24 SMs, whose stream stands in for a stream that the caller made."""
    return gl.partition("cuda:0", {"lane": 24})["lane"]


@pytest.fixture(autouse=True)
def _passthrough_is_left_alone() -> Iterator[None]:
    yield
    gl.set_engine_stream_passthrough(False)


def units_used(engine: gl.Engine) -> int:
    """Returns the number of SMs that a call from the default stream runs on."""
    x = torch.zeros(1, dtype=torch.int32, device="cuda")
    return len(sms_of(engine(x)))


@pytest.mark.parametrize("kind", ["lane", "torch", "int", "foreign"])
def test_every_kind_of_stream_can_be_bound(models: Path, lane: gl.Lane, kind: str) -> None:
    """The kernels then run in the stream's partition, and on all SMs again after the binding is cleared."""
    streams: dict[str, gl.StreamLike] = {
        "lane": lane,
        "torch": lane.torch_stream,
        "int": lane.stream,
        "foreign": ForeignStream(lane.stream),
    }
    engine = gl.load(models / "where.pt2")
    engine.set_external_stream(streams[kind])
    assert engine.is_external_stream_set()
    assert engine.get_external_stream() == lane.stream
    assert units_used(engine) == 24
    engine.clear_external_stream()
    assert units_used(engine) == gl.devices()[0].units


def test_a_plain_stream_uses_all_sms(models: Path) -> None:
    """The stream belongs to no partition."""
    engine = gl.load(models / "where.pt2")
    engine.set_external_stream(torch.cuda.Stream())
    assert units_used(engine) == gl.devices()[0].units


@pytest.mark.parametrize(("handle", "cause"), [(0, "null"), (1, "legacy"), (2, "per-thread")])
def test_reserved_handles_are_refused(models: Path, lane: gl.Lane, handle: int, cause: str) -> None:
    """CUDA's own checks let these handles pass. The former binding stays."""
    engine = gl.load(models / "where.pt2", lane=lane)
    with pytest.raises(RuntimeError, match=cause):
        engine.set_external_stream(handle)
    assert engine.get_external_stream() == lane.stream


def test_a_stream_in_a_capture_is_refused(models: Path) -> None:
    """If the engine were bound to it, its work would go into a graph that is not its own."""
    engine = gl.load(models / "where.pt2")
    stream = torch.cuda.Stream()
    x = torch.zeros(8, device="cuda")
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        x.add_(1)
        with pytest.raises(RuntimeError, match="being captured"):
            engine.set_external_stream(stream)
    assert not engine.is_external_stream_set()


def test_a_stream_of_a_closed_lane_is_refused(models: Path, lane: gl.Lane) -> None:
    """The raw handle is refused, too."""
    engine = gl.load(models / "where.pt2")
    handle = lane.stream
    lane.close()
    with pytest.raises(RuntimeError, match="was closed"):
        engine.set_external_stream(handle)


def test_a_binding_keeps_a_foreign_stream_alive(models: Path, lane: gl.Lane) -> None:
    """Clearing the binding also frees a stream on which the engine was never called."""
    engine = gl.load(models / "where.pt2")
    before = ForeignStream.alive
    engine.set_external_stream(ForeignStream(lane.stream))
    gc.collect()
    assert ForeignStream.alive == before + 1
    engine.clear_external_stream()
    gc.collect()
    assert ForeignStream.alive == before


def test_passthrough_uses_the_callers_stream(models: Path, lane: gl.Lane) -> None:
    """The engine runs on the caller's stream, and in its partition."""
    gl.set_engine_stream_passthrough(True)
    engine = gl.load(models / "where.pt2")
    x = torch.zeros(1, dtype=torch.int32, device="cuda")
    with torch.cuda.stream(lane.torch_stream):
        assert len(sms_of(engine(x))) == 24


def test_a_binding_takes_precedence_over_passthrough(models: Path, lane: gl.Lane) -> None:
    """The caller's stream does not matter."""
    gl.set_engine_stream_passthrough(True)
    engine = gl.load(models / "where.pt2", lane=lane)
    with torch.cuda.stream(torch.cuda.Stream()):
        assert units_used(engine) == 24


def test_generic_streams_and_numpy_integers_are_accepted(models: Path, lane: gl.Lane) -> None:
    """PyTorch's generic streams have no handle, and NumPy's integers are not Python's."""
    numpy = pytest.importorskip("numpy")
    engine = gl.load(models / "where.pt2")
    generic = torch.Stream(device="cuda:0")
    with torch.cuda.stream(torch.cuda.Stream()):
        engine.set_external_stream(numpy.int64(lane.stream))
        assert units_used(engine) == 24
        engine.set_external_stream(generic)
        assert units_used(engine) == gl.devices()[0].units
    with generic:
        assert engine.get_external_stream() == torch.cuda.current_stream().cuda_stream
