"""Graphs that a program captures by itself, as torch.cuda.CUDAGraph: they keep the lanes of their engines."""

import gc
import time
from pathlib import Path

import greenlane as gl
import pytest
import torch
from torch import Tensor, nn
from where import sms_of, where

UNITS = 24


class Where(nn.Module):
    """A module that reports where it runs."""

    def forward(self, x: Tensor) -> Tensor:
        """Returns the SM of each block, plus the first element of x."""
        out: Tensor = where(x)
        return out


def captured(engine: nn.Module, x: Tensor) -> tuple[torch.cuda.CUDAGraph, Tensor]:
    """Returns a graph of one call, and the output that replays write to."""
    engine(x)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.no_grad(), torch.cuda.graph(graph):
        y = engine(x)
    return graph, y


def replayed(graph: torch.cuda.CUDAGraph, y: Tensor) -> set[int]:
    """Returns the SMs that the graph's kernel runs on now."""
    y.zero_()
    graph.replay()
    return sms_of(y)


def free_units() -> int:
    """Returns the number of units that nobody holds. It must be at least a group."""
    gc.collect()
    lane = gl.partition("cuda:0", {"free": gl.REST})["free"]
    return lane.units


def eventually_free(units: int) -> bool:
    """Returns whether that many units become free. The driver reports the end of a graph a little later."""
    for _ in range(200):
        if free_units() == units:
            return True
        time.sleep(0.02)
    return False


@pytest.fixture
def x() -> Tensor:
    return torch.zeros(1, dtype=torch.int32, device="cuda")


def new_engine(kind: str, models: Path, lane: gl.Lane) -> nn.Module:
    """Returns an engine that is bound to the lane."""
    if kind == "package":
        engine: nn.Module = gl.load(models / "where.pt2", lane=lane, graphs="resident")
        return engine
    module = Where()
    gl.set_external_stream(module, lane, graphs="resident" if kind == "resident module" else "off")
    return module


def unbind(engine: nn.Module) -> None:
    """Clears the engine's binding."""
    if isinstance(engine, gl.Engine):
        engine.unbind()
    else:
        gl.clear_external_stream(engine)


@pytest.mark.parametrize("kind", ["package", "module", "resident module"])
def test_a_graph_keeps_its_lane(models: Path, x: Tensor, kind: str) -> None:
    before = free_units()
    engine = new_engine(kind, models, gl.partition("cuda:0", {"small": UNITS})["small"])
    graph, y = captured(engine, x)
    used = replayed(graph, y)
    assert len(used) == UNITS
    unbind(engine)
    del engine
    # Nobody else has the graph's units: an engine on all other units runs beside it.
    other = new_engine("module", models, gl.partition("cuda:0", {"other": gl.REST})["other"])
    for _ in range(3):
        elsewhere = sms_of(other(x))
        assert replayed(graph, y) == used
        assert not used & elsewhere
        assert len(elsewhere) == before - UNITS
    unbind(other)
    del other
    assert not eventually_free_at_once(before)
    graph.reset()
    del graph, y
    assert eventually_free(before), "the lane of a destroyed graph was not released"


def eventually_free_at_once(units: int) -> bool:
    """Returns whether that many units are free a moment later."""
    time.sleep(0.2)
    return free_units() == units


def test_a_graph_keeps_both_of_its_lanes(models: Path, x: Tensor) -> None:
    before = free_units()
    lanes = gl.partition("cuda:0", {"small": 16, "large": 40})
    small, large = (new_engine("module", models, lanes[name]) for name in ("small", "large"))
    small(x)
    large(x)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        one, two = small(x), large(x)
    for engine in (small, large):
        unbind(engine)
    del lanes, small, large, engine
    assert not eventually_free_at_once(before)
    assert free_units() == before - 16 - 40
    used, others = replayed(graph, one), replayed(graph, two)
    assert (len(used), len(others)) == (16, 40)
    assert not used & others
    del graph, one, two
    assert eventually_free(before)


def test_rebinding_a_captured_engine_gives_one_warning(
    models: Path, x: Tensor, capfd: pytest.CaptureFixture[str]
) -> None:
    lanes = gl.partition("cuda:0", {"small": UNITS, "large": 40})
    engine = new_engine("module", models, lanes["small"])
    graph, y = captured(engine, x)
    assert "graph" not in capfd.readouterr().err
    gl.set_external_stream(engine, lanes["large"])
    said = capfd.readouterr().err
    assert said.count("keeps that lane") == 1
    assert "capture the graph again" in said
    # The warning is true: the graph stays where it was, and the engine moves.
    assert (len(replayed(graph, y)), len(sms_of(engine(x)))) == (UNITS, 40)
    gl.clear_external_stream(engine)
    assert "graph" not in capfd.readouterr().err
    graph, y = captured(engine, x)
    gl.set_external_stream(engine, lanes["large"])
    assert "graph" not in capfd.readouterr().err, "the rebind gave a warning although no graph has the engine on a lane"


def test_many_graphs_return_all_units(models: Path, x: Tensor) -> None:
    """Each graph is captured, replayed, and dropped while it may still run."""
    before = free_units()
    for _ in range(50):
        engine = new_engine("module", models, gl.partition("cuda:0", {"small": UNITS})["small"])
        graph, y = captured(engine, x)
        used = len(replayed(graph, y))
        assert used == UNITS
        graph.replay()
        unbind(engine)
        del graph, y, engine
        assert eventually_free(before)


def test_a_pipeline_graph_cannot_be_captured_in_another(models: Path, x: Tensor) -> None:
    """The graph of gl.capture owns its memory."""
    lanes = gl.partition("cuda:0", {"small": UNITS})
    engine = new_engine("package", models, lanes["small"])
    ours = gl.capture(engine, x)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with pytest.raises(RuntimeError, match="while another graph is being captured"), torch.cuda.graph(graph):
        ours(x)
    assert len(sms_of(ours(x))) == UNITS
