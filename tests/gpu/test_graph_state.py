"""Graphs, tuning and gates change nothing but speed: 1000 calls, each equal to the call without graphs."""

import contextlib
import copy
from pathlib import Path
from typing import Any

import greenlane as gl
import pytest
import torch
from graph_checks import CALLS, report
from state_models import MODELS, Cache, Drop, InPlace, inputs_of
from torch import Tensor, nn


@pytest.fixture
def lanes() -> dict[str, gl.Lane]:
    """Two partitions."""
    return gl.partition("cuda:0", {"small": 16, "large": 48})


def tensors_of(result: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Returns the result as a tuple."""
    return (result,) if isinstance(result, Tensor) else result


def check_calls(
    kind: type[nn.Module], engine: nn.Module, wanted: nn.Module, lanes: dict[str, gl.Lane], rebind: Any
) -> None:
    """Calls both engines, with a rebind in the middle, and compares the results and the inputs afterwards."""
    with torch.no_grad():
        for call in range(1000):
            if call == 500:
                rebind(lanes["large"])
            given, other = inputs_of(kind, call), inputs_of(kind, call)
            torch.manual_seed(call)
            results = tensors_of(engine(*given))
            torch.manual_seed(call)
            expected = tensors_of(wanted(*other))
            for got, want in zip((*results, *given), (*expected, *other), strict=True):
                torch.testing.assert_close(got, want)


@pytest.mark.parametrize("gates", ["off", "auto"])
@pytest.mark.parametrize("kind", MODELS)
def test_graphs_do_not_change_a_packages_results(
    kind: type[nn.Module], gates: str, models: Path, lanes: dict[str, gl.Lane]
) -> None:
    path = models / f"{kind.__name__.lower()}.pt2"
    engine = gl.load(path, lane=lanes["small"], graphs="resident", gates=gates)
    check_calls(kind, engine, gl.load(path), lanes, engine.bind)
    assert bool(report(engine).graphs) == (kind is not Drop)


@pytest.mark.parametrize("kind", MODELS)
def test_graphs_do_not_change_a_modules_results(kind: type[nn.Module], lanes: dict[str, gl.Lane]) -> None:
    module = kind().cuda().train()
    wanted = copy.deepcopy(module)
    gl.set_external_stream(module, lanes["small"], graphs="resident")
    check_calls(kind, module, wanted, lanes, lambda lane: gl.set_external_stream(module, lane, graphs="resident"))
    assert bool(report(module).graphs) == (kind is not Drop)
    for name, buffer in module.named_buffers():
        torch.testing.assert_close(buffer, wanted.get_buffer(name))
    gl.clear_external_stream(module)


@pytest.mark.parametrize("outputs", ["copies", "views"])
def test_an_aliased_output_is_the_callers_tensor(outputs: Any, models: Path, lanes: dict[str, gl.Lane]) -> None:
    """The outputs share the input's memory exactly as without a graph."""
    engine = gl.load(models / "inplace.pt2", lane=lanes["small"], graphs="resident", outputs=outputs)
    plain = gl.load(models / "inplace.pt2")
    for turn in range(CALLS):
        given, other = inputs_of(InPlace), inputs_of(InPlace)
        shares = [e(*i)[0].data_ptr() == i[0].data_ptr() for e, i in ((engine, given), (plain, other))]
        assert shares[0] == shares[1], turn


def test_inputs_with_shared_memory_run_without_a_graph(
    models: Path, lanes: dict[str, gl.Lane], capfd: pytest.CaptureFixture[str]
) -> None:
    engine = gl.load(models / "inplace.pt2", lane=lanes["small"], graphs="resident")
    plain = gl.load(models / "inplace.pt2")
    for _ in range(CALLS):
        got, want = (torch.arange(20.0, device="cuda") for _ in range(2))
        sums = [e(m[:16], m[8:12])[1] for e, m in ((engine, got), (plain, want))]
        torch.testing.assert_close(got, want)
        torch.testing.assert_close(sums[0], sums[1])
    assert capfd.readouterr().err.count("memory in common") == 1


def test_a_captured_pipeline_counts_from_its_first_launch(models: Path, lanes: dict[str, gl.Lane]) -> None:
    """The call that capture() makes does not change buffers, inputs or random numbers."""
    engine = gl.load(models / "cache.pt2", lane=lanes["small"], graphs="resident")
    module = Cache().cuda()
    in_place = gl.load(models / "inplace.pt2", lane=lanes["large"], graphs="resident")
    x, y = inputs_of(InPlace)

    def work(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return engine(a), module(a), in_place(a, b)[1]

    torch.manual_seed(1)
    numbers = torch.rand(4, device="cuda")
    torch.manual_seed(1)
    with torch.no_grad():
        graph = gl.capture(work, x, y)
    torch.testing.assert_close(torch.rand(4, device="cuda"), numbers)
    torch.testing.assert_close(x, inputs_of(InPlace)[0])
    plain, reference = gl.load(models / "cache.pt2"), Cache().cuda()
    for _ in range(CALLS):
        before = x.clone()
        first, second, _ = graph(x, y)
        torch.testing.assert_close(first, plain(before))
        with torch.no_grad():
            torch.testing.assert_close(second, reference(before))
        torch.testing.assert_close(x, before + 1)


class OnGpu(nn.Module):
    """A module with a parameter, so that greenlane sees its device."""

    def __init__(self) -> None:
        super().__init__()
        self.anchor = nn.Parameter(torch.zeros(1, device="cuda"))


class Hidden(OnGpu):
    """A module that keeps a tensor in a list, which is no buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.kept = [torch.zeros(4, device="cuda")]

    def forward(self, x: Tensor) -> Tensor:
        """Returns a sum over calls."""
        self.kept[0].add_(x)
        return self.kept[0] * 1


class Replaces(OnGpu):
    """A module that replaces the tensor of its state."""

    def __init__(self) -> None:
        super().__init__()
        self.state = {"sum": torch.zeros(4, device="cuda")}

    def forward(self, x: Tensor) -> Tensor:
        """Returns a sum over calls."""
        self.state["sum"] = self.state["sum"] + x
        return self.state["sum"]


class Counts(OnGpu):
    """A module that uses a number that changes from call to call."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        """Returns the number of the call, in a tensor like x."""
        self.calls += 1
        return x * 0 + self.calls


class MakesATable(OnGpu):
    """A module that makes a table at its first call, and adds to it at every call."""

    def __init__(self) -> None:
        super().__init__()
        self.table: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Returns a sum over calls."""
        if self.table is None:
            self.table = torch.zeros_like(x)
        self.table.add_(x)
        return self.table * 1


@pytest.mark.parametrize(
    ("kind", "is_captured"), [(Hidden, True), (Replaces, False), (Counts, False), (MakesATable, True)]
)
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_hidden_state_changes_once_per_call(
    kind: type[nn.Module], is_captured: bool, mode: type, lanes: dict[str, gl.Lane]
) -> None:
    module = kind()
    gl.set_external_stream(module, lanes["small"], graphs="resident")
    x = torch.ones(4, device="cuda")
    with mode(), contextlib.nullcontext() if is_captured else pytest.warns(match="a call"):
        for call in range(1, 20):
            assert float(module(x)[0]) == call
    assert bool(report(module).graphs) == is_captured
    gl.clear_external_stream(module)


def test_a_replaced_parameter_is_used(lanes: dict[str, gl.Lane]) -> None:
    module = nn.Linear(4, 4, bias=False).cuda()
    gl.set_external_stream(module, lanes["small"], graphs="resident")
    x = torch.eye(4, device="cuda")
    with torch.no_grad():
        for _ in range(CALLS):
            module(x)
        module.weight = nn.Parameter(torch.full((4, 4), 3.0, device="cuda"))
        for _ in range(CALLS):
            assert float(module(x)[0, 0]) == 3
    gl.clear_external_stream(module)


def test_data_dependent_output_sizes_run_eagerly(
    models: Path, lanes: dict[str, gl.Lane], capfd: pytest.CaptureFixture[str]
) -> None:
    engine = gl.load(models / "nonzero.pt2", lane=lanes["small"], graphs="resident")
    for values in ([0, 1, 2, 0], [1, 1, 1, 1], [0, 0, 0, 0]) * 2:
        x = torch.tensor(values, device="cuda")
        torch.testing.assert_close(engine(x), torch.nonzero(x))
    assert report(engine).obstacle
    lines = [line for line in capfd.readouterr().err.splitlines() if line.strip()]
    assert len(lines) == 1, lines
