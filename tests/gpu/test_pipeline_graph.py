"""Several engines on several lanes as one graph."""

from pathlib import Path
from typing import Literal

import greenlane as gl
import pytest
import torch
from torch import Tensor
from where import sms_of

SIZES: dict[str, int | Literal["rest"]] = {"small": 16, "middle": 48, "large": gl.REST}


def test_every_part_stays_in_its_lane(models: Path) -> None:
    lanes = gl.partition("cuda:0", SIZES)
    engines = {name: gl.load(models / "where.pt2", lane=lane, graphs="resident") for name, lane in lanes.items()}
    x = torch.zeros(1, dtype=torch.int32, device="cuda")

    def pipeline(given: Tensor) -> dict[str, Tensor]:
        small, middle = gl.concurrently(lambda: engines["small"](given), lambda: engines["middle"](given))
        large = engines["large"](given + (small[:1] + middle[:1]) * 0)
        return {"small": small, "middle": middle, "large": large}

    graph = gl.capture(pipeline, x)
    for stream in (torch.cuda.default_stream(), torch.cuda.Stream(), lanes["small"].torch_stream):
        with torch.cuda.stream(stream):
            for value in (0, 1000, 2000):
                results = graph(x + value)
                used = {name: {sm - value for sm in sms_of(y)} for name, y in results.items()}
                assert {name: len(sms) for name, sms in used.items()} == {n: lane.units for n, lane in lanes.items()}
                assert not used["small"] & used["middle"]
                assert not used["middle"] & used["large"]
    assert graph.bytes > 0


def test_a_pipeline_graph_keeps_its_units(models: Path) -> None:
    lanes = gl.partition("cuda:0", {"all": gl.REST})
    engine = gl.load(models / "where.pt2", lane=lanes["all"], graphs="resident")
    x = torch.zeros(1, dtype=torch.int32, device="cuda")
    graph = gl.capture(engine, x)
    engine.unbind()
    del lanes["all"]
    with pytest.raises(RuntimeError, match="cannot give"):
        gl.partition("cuda:0", {"other": 8})
    graph(x)
    torch.cuda.synchronize()
    del graph
    assert gl.partition("cuda:0", {"other": 8})["other"].units == 8


def test_launches_on_different_streams_are_ordered(models: Path) -> None:
    """The launches share the graph's memory."""
    lanes = gl.partition("cuda:0", {"small": 16})
    engine = gl.load(models / "chain.pt2", lane=lanes["small"], graphs="resident")
    graph = gl.capture(engine, torch.ones(2048, 2048, dtype=torch.float16, device="cuda"))
    streams = [torch.cuda.Stream() for _ in range(4)]
    results = []
    for turn in range(24):
        with torch.cuda.stream(streams[turn % 4]):
            value = 1.0 if turn % 2 else 0.5
            x = torch.full((2048, 2048), value, dtype=torch.float16, device="cuda")
            results.append((value, graph(x)))
    torch.cuda.synchronize()
    for value, y in results:
        assert float(y.float().min()) == pytest.approx(value**8, rel=1e-2)
        assert float(y.float().max()) == pytest.approx(value**8, rel=1e-2)


def test_invalid_inputs_are_refused(models: Path) -> None:
    lanes = gl.partition("cuda:0", {"small": 16})
    engine = gl.load(models / "affine.pt2", lane=lanes["small"], graphs="resident")
    x = torch.arange(256, dtype=torch.float32, device="cuda")
    graph = gl.capture(engine, x)
    torch.testing.assert_close(graph(x), 2 * x + 1)
    with pytest.raises(RuntimeError, match="another shape or dtype"):
        graph(x[:8])
    with pytest.raises(TypeError, match="nested otherwise"):
        graph(x, x)


def test_an_uncapturable_function_is_refused(models: Path) -> None:
    lanes = gl.partition("cuda:0", {"small": 16})
    engine = gl.load(models / "affine.pt2", lane=lanes["small"], graphs="resident")
    x = torch.arange(256, dtype=torch.float32, device="cuda")
    with pytest.raises(RuntimeError):
        gl.capture(lambda given: engine(given) * float(given.sum()), x)
    for _ in range(4):
        torch.testing.assert_close(engine(x), 2 * x + 1)


def test_a_package_without_graphs_is_refused(models: Path) -> None:
    lanes = gl.partition("cuda:0", {"small": 16})
    engine = gl.load(models / "affine.pt2", lane=lanes["small"])
    x = torch.arange(256, dtype=torch.float32, device="cuda")
    with pytest.raises(RuntimeError, match="load it with graphs = resident"):
        gl.capture(engine, x)
    torch.testing.assert_close(engine(x), 2 * x + 1)


def test_concurrent_branches_join() -> None:
    x = torch.zeros(1 << 20, device="cuda")
    for turn in range(20):
        torch.cuda._sleep(1_000_000)
        x.fill_(turn)
        one, other = gl.concurrently(lambda: x + 1, lambda: (torch.cuda._sleep(1_000_000), x * 2)[1])
        assert float(one.min()) == turn + 1
        assert float(other.max()) == 2 * turn
