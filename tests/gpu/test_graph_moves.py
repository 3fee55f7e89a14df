"""A rebind moves captured graphs: same results, on the new SMs only, without a new capture."""

import resource
from pathlib import Path

import greenlane as gl
import pytest
import torch
from graph_checks import CALLS, Where, bind, number, report, sms
from mixed_model import Mixed, pictures
from torch import nn
from where import sms_of


@pytest.fixture
def lanes() -> dict[str, gl.Lane]:
    """Three partitions."""
    return gl.partition("cuda:0", {"small": 16, "middle": 48, "large": gl.REST})


@pytest.fixture(params=["package", "module"])
def mixed(request: pytest.FixtureRequest, models: Path) -> nn.Module:
    """A model with kernels of several libraries, as a package with Triton's kernels or as it is. It is not bound."""
    torch.manual_seed(0)
    if request.param == "package":
        return gl.load(models / "mixed.pt2", graphs="resident")
    return Mixed().cuda().half().eval()


def test_a_package_moves_with_its_triton_kernel(models: Path, lanes: dict[str, gl.Lane]) -> None:
    engine = gl.load(models / "where.pt2", lane=lanes["small"], graphs="resident")
    small = sms(engine)
    engine.bind(lanes["middle"])
    assert report(engine).move_obstacle == ""
    assert [(graph.units, graph.moved) for graph in report(engine).graphs] == [(48, True)]
    middle = sms_of(engine(number()))  # the first replay there
    assert middle
    assert not middle & small
    middle |= sms(engine)
    assert len(middle) == 48
    assert report(engine).graphs[0].replays >= 2 * CALLS


def test_a_kernel_of_a_module_without_code_is_captured_anew(lanes: dict[str, gl.Lane]) -> None:
    """Triton loads the module's kernel by cuModuleLoad, and greenlane does not know its code."""
    engine = Where().cuda()
    bind(engine, lanes["small"])
    small = sms(engine)
    bind(engine, lanes["middle"])
    assert "belongs to a module" in report(engine).move_obstacle
    assert report(engine).graphs == ()
    middle = sms(engine)
    assert len(middle) == 48
    assert not middle & small
    assert [graph.moved for graph in report(engine).graphs] == [False]


def test_moved_graphs_give_the_results_of_the_former_units(mixed: nn.Module, lanes: dict[str, gl.Lane]) -> None:
    bind(mixed, lanes["middle"])
    with torch.inference_mode():
        for _ in range(3):
            mixed(pictures(0).cuda())
        wanted = [mixed(pictures(seed).cuda()).clone() for seed in range(4)]
        for name in ("small", "large", "middle"):
            bind(mixed, lanes[name])
            assert report(mixed).move_obstacle == ""
            for seed, want in enumerate(wanted):
                assert torch.equal(mixed(pictures(seed).cuda()), want), name
            assert [(graph.units, graph.moved) for graph in report(mixed).graphs] == [(lanes[name].units, True)]


def test_no_kernel_of_a_moved_graph_is_a_stray(mixed: nn.Module, lanes: dict[str, gl.Lane]) -> None:
    picture = pictures(0).cuda()
    bind(mixed, lanes["middle"])
    with torch.inference_mode():
        for _ in range(3):
            mixed(picture)
        bind(mixed, lanes["small"])
        assert [graph.moved for graph in report(mixed).graphs] == [True]
        with gl.audit() as audit:
            for _ in range(3):
                mixed(picture)
            torch.cuda.synchronize()
    assert audit.clean, audit
    (engine,) = audit.engines
    assert engine.units == 16
    assert engine.kernels > 10


def test_a_graph_moves_to_the_whole_device_and_back(models: Path, lanes: dict[str, gl.Lane]) -> None:
    engine = gl.load(models / "where.pt2", lane=gl.lane("cuda:0"), graphs="resident")
    assert len(sms(engine)) == 132
    engine.bind(lanes["small"])
    assert len(sms(engine)) == 16
    engine.bind(gl.lane("cuda:0"))
    assert len(sms(engine)) == 132
    assert [graph.moved for graph in report(engine).graphs] == [True]


def test_slices_move_with_their_graph(models: Path, lanes: dict[str, gl.Lane]) -> None:
    engine = gl.load(models / "mixed.pt2", lane=lanes["middle"], graphs="resident", gates="20us")
    wanted = [engine(pictures(0).cuda()).clone() for _ in range(3)][-1]
    slices = report(engine).graphs[0].slices
    assert slices > 1
    engine.bind(lanes["small"])
    assert torch.equal(engine(pictures(0).cuda()), wanted)
    (graph,) = report(engine).graphs
    assert (graph.units, graph.slices, graph.moved) == (16, slices, True)


def test_retune_captures_a_moved_graph_anew(models: Path, lanes: dict[str, gl.Lane]) -> None:
    engine = gl.load(models / "where.pt2", lane=lanes["small"], graphs="resident")
    sms(engine)
    engine.bind(lanes["middle"])
    engine.retune()
    assert len(sms(engine)) == 48
    assert [graph.moved for graph in report(engine).graphs] == [False]


def test_many_moves_use_no_more_memory(models: Path, lanes: dict[str, gl.Lane]) -> None:
    engine = gl.load(models / "mixed.pt2", lane=lanes["middle"], graphs="resident")
    picture = pictures(0).cuda()
    wanted = [engine(picture).clone() for _ in range(3)][-1]

    def move(times: int) -> None:
        for _ in range(times):
            for name in ("small", "large", "middle"):
                engine.bind(lanes[name])
                engine(picture)
        torch.cuda.synchronize()

    move(50)
    free = torch.cuda.mem_get_info()[0]
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    move(1000)
    assert free - torch.cuda.mem_get_info()[0] < 8 << 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - resident < 30 << 10
    assert torch.equal(engine(picture), wanted)
    assert [graph.moved for graph in report(engine).graphs] == [True]
