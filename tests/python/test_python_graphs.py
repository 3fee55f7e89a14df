"""Graphs, as far as they can be tested without a GPU. tests/gpu/test_graphs.py tests the rest."""

import copy
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import greenlane as gl
import pytest
import torch
from greenlane import _modules
from greenlane._graphs import report_of
from torch import nn


@pytest.fixture
def lane() -> gl.Lane:
    return gl.partition("cpu", {"one": 1})["one"]


@pytest.fixture
def compiled() -> Iterator[nn.Module]:
    """A module with CUDA graphs that Inductor captures."""
    yield cast(nn.Module, torch.compile(nn.Linear(2, 2), mode="reduce-overhead"))
    torch._dynamo.reset()


def test_unknown_options_are_refused(models: Path, lane: gl.Lane) -> None:
    with pytest.raises(ValueError, match="graphs='on' is invalid: use 'off' or 'resident'"):
        gl.load(models / "affine.pt2", graphs="on")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="outputs='mine' is invalid: use 'copies' or 'views'"):
        gl.set_external_stream(nn.Linear(2, 2), lane, outputs="mine")  # type: ignore[arg-type]


def test_a_report_names_the_long_kernel_and_what_did_not_move() -> None:
    def info(kernel: tuple[str, float, int] | None) -> Any:
        known = {"units": 132, "kernel_units": None, "replays": 9, "slices": 4, "moved": True, "long_kernel": kernel}
        return SimpleNamespace(**{name: lambda value=value: value for name, value in known.items()})

    graphs = [info(("matmul", 1090.0, 1)), info(None)]
    native = SimpleNamespace(
        graphs=lambda: graphs, bytes=lambda: 7, obstacle=lambda: "", move_obstacle=lambda: "it has a cooperative kernel"
    )
    report = report_of(native)
    assert report is not None
    assert report.move_obstacle == "it has a cooperative kernel"
    assert [each.moved for each in report.graphs] == [True, True]
    assert [each.long_kernel for each in report.graphs] == [gl.LongKernel("matmul", 1090.0, 1), None]
    assert report.graphs[0].slices == 4


def test_graphs_change_nothing_for_a_cpu_package(models: Path, lane: gl.Lane) -> None:
    engine = gl.load(models / "affine.pt2", lane=lane, graphs="resident", outputs="views", tune_kernels=False)
    for _ in range(3):
        torch.testing.assert_close(engine(torch.ones(4, 8)), torch.full((4, 8), 3.0))
    assert engine.graphs is None
    assert gl.graph_report(engine) is None


OPTIONS = ("name", "model", "num_runners", "resident", "views", "tune", "stateful", "urgent_ms", "gates")


def options_of(engine: gl.Engine) -> list[Any]:
    options = engine._native.options()
    return [getattr(options, name) for name in OPTIONS]


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda engine: pickle.loads(pickle.dumps(engine))])
def test_a_copy_of_an_engine_keeps_how_it_was_loaded(models: Path, copied: Callable[[gl.Engine], gl.Engine]) -> None:
    engine = gl.load(
        models / "affine.pt2",
        name="policy",
        graphs="resident",
        outputs="views",
        tune_kernels=False,
        stateful=True,
        urgent=5,
        gates="50us",
    )
    first = copied(engine)
    assert options_of(first) == options_of(engine) == ["policy", "model", 1, True, True, False, True, 5.0, "50us"]
    engine.set_urgent(None)
    engine.set_gates("auto")
    assert options_of(copied(engine))[-2:] == [None, "auto"]
    assert options_of(copied(first))[-2:] == [5.0, "50us"]
    torch.testing.assert_close(first(torch.ones(4, 8)), torch.full((4, 8), 3.0))


def test_a_plain_engines_copy_is_plain(models: Path) -> None:
    plain = options_of(copy.copy(gl.load(models / "affine.pt2")))
    assert plain == ["", "model", 1, False, False, True, False, None, "off"]


def test_options_are_checked_before_the_package_is_loaded(tmp_path: Path) -> None:
    """The package does not exist, which is no error before the options are right."""
    missing = tmp_path / "missing.pt2"
    for options in ({"gates": "on"}, {"urgent": 0.0}, {"urgent": float("nan")}):
        with pytest.raises(ValueError, match=r"use 'auto', 'off' or a time|give a positive number, or None"):
            gl.load(missing, **options)
    with pytest.raises(RuntimeError, match=r"missing\.pt2"):
        gl.load(missing, gates="50us", urgent=1)


def test_several_runners_are_refused(models: Path) -> None:
    with pytest.raises(RuntimeError, match="num_runners = 2 for CUDA graphs"):
        gl.load(models / "affine.pt2", graphs="resident", num_runners=2)


def test_a_module_on_the_cpu_has_no_graphs(lane: gl.Lane) -> None:
    model = nn.Linear(2, 2)
    with pytest.raises(ValueError, match="graphs='resident' is for modules on a GPU"):
        gl.set_external_stream(model, lane, graphs="resident")
    assert not gl.is_external_stream_set(model)
    assert gl.graph_report(model) is None


def test_invalid_urgency_and_gates_bind_nothing(lane: gl.Lane) -> None:
    model = nn.Linear(2, 2)
    for options in ({"gates": "on"}, {"gates": "-5us"}, {"urgent": 0.0}, {"urgent": float("nan")}, {"urgent": 1e9}):
        with pytest.raises(ValueError, match=r"use 'auto', 'off' or a time|give a positive number, or None"):
            gl.bind(model, lane, **options)
    for wrong in ({"gates": None}, {"urgent": "5"}):
        with pytest.raises(TypeError):
            gl.set_external_stream(model, lane, **wrong)
    assert not gl.is_external_stream_set(model)


def test_urgency_and_gates_change_nothing_for_a_cpu_module(lane: gl.Lane) -> None:
    model, x = nn.Linear(2, 2), torch.ones(1, 2)
    wanted = model(x)
    with gl.bind(model, lane, urgent=5.0, gates="50us"):
        assert torch.equal(model(x), wanted)


def test_a_binding_sets_a_packages_urgency_and_gates_and_leaves_them_otherwise(models: Path, lane: gl.Lane) -> None:
    engine = gl.load(models / "affine.pt2", graphs="resident")
    gl.bind(engine, lane, urgent=5, gates="50us")
    assert options_of(engine)[-2:] == [5.0, "50us"]
    gl.bind(engine, lane)
    assert options_of(engine)[-2:] == [5.0, "50us"]
    with gl.bind(engine, lane, urgent=7, gates="auto"):
        assert options_of(engine)[-2:] == [7.0, "auto"]
    assert options_of(engine)[-2:] == [5.0, "50us"]
    plain = gl.load(models / "affine.pt2")
    with gl.bind(plain, lane, urgent=7):
        pass
    assert options_of(plain)[-2:] == [None, "off"]


def test_graphs_of_inductor_are_detected(compiled: nn.Module) -> None:
    assert "CUDA graphs of its own" in _modules.graphs_obstacle(compiled)
    by_option = torch.compile(nn.Linear(2, 2), options={"triton.cudagraphs": True})
    assert "CUDA graphs of its own" in _modules.graphs_obstacle(cast(nn.Module, by_option))
    for module in (nn.Linear(2, 2), torch.compile(nn.Linear(2, 2)), torch.compile(nn.Linear(2, 2), backend="eager")):
        assert _modules.graphs_obstacle(cast(nn.Module, module)) == ""


def test_the_global_setting_of_inductor_is_detected() -> None:
    """The setting may change after a module is bound. It is read when the module compiles, at its first call."""
    import torch._inductor.config as inductor

    compiled = cast(nn.Module, torch.compile(nn.Linear(2, 2)))
    with inductor.patch({"triton.cudagraphs": True}):
        assert "CUDA graphs of its own" in _modules.graphs_obstacle(compiled)
    assert _modules.graphs_obstacle(compiled) == ""


def test_graphs_of_inductor_are_accepted_on_the_cpu(compiled: nn.Module, lane: gl.Lane) -> None:
    with gl.set_external_stream(compiled, lane):
        assert gl.is_external_stream_set(compiled)


def test_a_pipeline_needs_tensors_on_a_gpu() -> None:
    for inputs in ((), (torch.ones(1),), (1,)):
        with pytest.raises(
            ValueError,
            match=r"only tensors on a GPU; on a CPU call the engines .*greenlane.concurrently .*greenlane.Pipeline",
        ):
            gl.capture(lambda *given: given, *inputs)


def test_branches_on_the_cpu_run_in_order() -> None:
    assert gl.concurrently() == []
    assert gl.concurrently(lambda: 1, lambda: "two") == [1, "two"]
    with pytest.raises(TypeError, match="3 is no branch: pass functions"):
        gl.concurrently(lambda: 1, 3)  # type: ignore[arg-type]
    with pytest.raises(ZeroDivisionError):
        gl.concurrently(lambda: 1 // 0)


def test_gates_and_deadlines_are_checked(models: Path) -> None:
    """On a CPU they change nothing."""
    engine = gl.load(models / "affine.pt2", urgent=5.0, gates="50us")
    torch.testing.assert_close(engine(torch.ones(4, 8)), torch.full((4, 8), 3.0))
    for gates in ("auto", "off", "1.5ms"):
        engine.set_gates(gates)
    for gates in ("on", "50", "0us", "-1us", "us", "2000ms", "nanus", "infms", ""):
        with pytest.raises(ValueError, match="use 'auto', 'off' or a time such as '50us'"):
            engine.set_gates(gates)
    for deadline in (0.0, -1.0, 86_400_001.0):
        with pytest.raises(ValueError, match="give a positive number, or None"):
            engine.set_urgent(deadline)
    assert gl.gate_report("cpu").passes == 0
