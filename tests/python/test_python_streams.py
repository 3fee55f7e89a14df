"""Streams of every kind, as far as they can be tested without a GPU."""

import gc
from collections.abc import Iterator
from pathlib import Path

import greenlane as gl
import pytest
from greenlane import _streams


class ForeignStream:
    """A stream as CuPy or cuda.core passes it."""

    def __init__(self, handle: int, version: int = 0) -> None:
        self.answer = (version, handle)

    def __cuda_stream__(self) -> tuple[int, int]:
        return self.answer


@pytest.fixture
def engine(models: Path) -> gl.Engine:
    return gl.load(models / "affine.pt2")


@pytest.fixture(autouse=True)
def _passthrough_is_left_alone() -> Iterator[None]:
    yield
    gl.set_engine_stream_passthrough(False)


def test_a_new_engine_is_unbound(engine: gl.Engine) -> None:
    assert not engine.is_external_stream_set()
    assert engine.get_external_stream() == 0
    engine.clear_external_stream()


@pytest.mark.parametrize(
    ("handle", "cause"),
    [(0, "it is null"), (1, "legacy default stream"), (2, "per-thread default stream")],
)
@pytest.mark.parametrize("kind", [int, ForeignStream])
def test_reserved_handles_are_refused_by_value(engine: gl.Engine, kind: type, handle: int, cause: str) -> None:
    with pytest.raises(RuntimeError, match=cause) as error:
        engine.set_external_stream(kind(handle))
    assert f"stream {hex(handle)}" in str(error.value)
    assert not engine.is_external_stream_set()


def test_the_cpu_has_no_streams(engine: gl.Engine) -> None:
    with pytest.raises(RuntimeError, match="the CPU has no streams"):
        engine.set_external_stream(0x1234)


def test_a_refused_stream_is_released(engine: gl.Engine) -> None:
    with pytest.raises(RuntimeError):
        engine.set_external_stream(ForeignStream(0x1234))
    assert not _streams._held


@pytest.mark.parametrize("nonsense", ["stream", None, 1.5, True, object()])
def test_another_type_than_a_stream_is_refused(engine: gl.Engine, nonsense: object) -> None:
    with pytest.raises(TypeError, match="is no stream"):
        engine.set_external_stream(nonsense)  # type: ignore[arg-type]


@pytest.mark.parametrize("answer", [None, (0,), 5, (0, 1, 2)])
def test_a_malformed_answer_of_the_protocol_is_refused(engine: gl.Engine, answer: object) -> None:
    stream = ForeignStream(0x1234)
    stream.answer = answer  # type: ignore[assignment]
    with pytest.raises(TypeError, match=r"must return \(version, handle\), and returned"):
        engine.set_external_stream(stream)


@pytest.mark.parametrize(("answer", "what"), [((0, None), "handle"), (("0", 5), "version"), ((0, True), "handle")])
def test_a_malformed_part_of_the_protocol_is_refused(engine: gl.Engine, answer: object, what: str) -> None:
    stream = ForeignStream(0x1234)
    stream.answer = answer  # type: ignore[assignment]
    with pytest.raises(TypeError, match=f"the {what} of __cuda_stream__ is .*: give a whole number"):
        engine.set_external_stream(stream)


def test_another_version_of_the_protocol_is_refused(engine: gl.Engine) -> None:
    with pytest.raises(TypeError, match="version 3"):
        engine.set_external_stream(ForeignStream(0x1234, version=3))


def test_a_lane_can_be_bound_as_a_stream(engine: gl.Engine) -> None:
    lane = gl.partition("cpu", {"stream": 1})["stream"]
    engine.set_external_stream(lane)
    assert engine.is_external_stream_set()
    assert engine.lane is not None
    assert engine.lane.name == "stream"
    engine.clear_external_stream()
    assert engine.lane is None
    del lane
    gc.collect()


def test_passthrough_is_a_setting_of_the_process() -> None:
    assert not gl.get_engine_stream_passthrough()
    gl.set_engine_stream_passthrough(True)
    assert gl.get_engine_stream_passthrough()
