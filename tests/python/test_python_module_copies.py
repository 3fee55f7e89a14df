"""Copies of bound modules and engines, and what is saved of them: they carry no binding."""

import copy
import io
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import greenlane as gl
import pytest
import torch
from greenlane import _modules
from torch import Tensor, nn

from python.probes import CALLER, Probe, Traceable, where, where_op

X = torch.ones(4, 8)


def copied(value: Any) -> Any:
    return copy.deepcopy(value)


def pickled(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


def saved(value: Any) -> Any:
    file = io.BytesIO()
    torch.save(value, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


WAYS = [copied, pickled, saved]
Way = Callable[[Any], Any]


@pytest.fixture
def lane() -> gl.Lane:
    return gl.lane("cpu", "a")


@pytest.fixture
def sequence() -> nn.Sequential:
    return nn.Sequential(nn.Linear(8, 8), nn.Sequential(nn.ReLU(), nn.Linear(8, 2)))


@pytest.fixture
def engine(models: Path) -> gl.Engine:
    return gl.load(models / "affine.pt2", name="affine")


def bindings_of(module: nn.Module) -> dict[str, bool]:
    return {name: gl.is_external_stream_set(module, name) for name, _ in module.named_modules()}


@pytest.mark.parametrize("way", WAYS)
def test_a_copy_of_a_bound_module_is_unbound(lane: gl.Lane, sequence: nn.Sequential, way: Way) -> None:
    gl.set_external_stream(sequence, {"": lane, "1": lane, "1.1": lane})
    other = way(sequence)
    assert not any(bindings_of(other).values())
    assert bindings_of(sequence) == {"": True, "0": False, "1": True, "1.0": False, "1.1": True}
    assert torch.equal(other(X), sequence(X))
    with torch.no_grad():
        other[1][1].weight.zero_()
    assert not torch.equal(other(X), sequence(X))  # the copy calls its own children


@pytest.mark.parametrize("way", WAYS)
def test_a_copy_of_a_module_can_be_bound(lane: gl.Lane, way: Way) -> None:
    probe = Probe()
    gl.set_external_stream(probe, lane)
    other = way(way(probe))
    assert (where(probe), where(other)) == ("a", CALLER)
    before = dict(vars(other))
    with gl.set_external_stream(other, gl.lane("cpu", "b")):
        assert (where(probe), where(other)) == ("a", "b")
    assert vars(other) == before
    assert way(other).threads == other.threads


@pytest.mark.parametrize("way", WAYS)
def test_a_copy_keeps_its_own_forward(lane: gl.Lane, way: Way) -> None:
    module = nn.Sequential(nn.ReLU())
    module.forward = torch.sum  # type: ignore[method-assign]
    gl.set_external_stream(module, lane)
    other = way(module)
    assert other(X) == X.sum()
    assert vars(other)["forward"] is torch.sum


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("inside", [False, True])
def test_a_copy_of_a_bound_graph_module_is_unbound(lane: gl.Lane, way: Way, inside: bool) -> None:
    graph = torch.fx.symbolic_trace(Traceable())
    module = nn.Sequential(graph) if inside else graph
    gl.set_external_stream(module, {"0": lane} if inside else lane)
    other = way(module)
    assert (where_op(module), where_op(other)) == ("a", CALLER)
    assert not any(bindings_of(other).values())
    assert "forward" not in vars(other[0] if inside else other)


@pytest.mark.filterwarnings("ignore:.*torch.jit.*deprecated")
@pytest.mark.parametrize("make", [torch.jit.script, lambda module: torch.compile(module, backend="eager")])
def test_a_copy_of_a_bound_program_is_unbound(lane: gl.Lane, make: Callable[[nn.Module], nn.Module]) -> None:
    program = make(Traceable())
    gl.set_external_stream(program, lane)
    other = copied(program)
    assert (where_op(program), where_op(other)) == ("a", CALLER)
    assert not any(bindings_of(other).values())


class Head(nn.Module):
    """A module with an engine among other parts."""

    def __init__(self, engine: gl.Engine) -> None:
        super().__init__()
        self.engine = engine
        self.linear = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.linear(self.engine(x))
        return y


@pytest.mark.parametrize("way", WAYS)
def test_a_copy_of_a_bound_engine_is_unbound(lane: gl.Lane, engine: gl.Engine, way: Way) -> None:
    engine.bind(lane)
    other = way(engine)
    assert isinstance(other, gl.Engine)
    assert (repr(other), repr(engine)) == (
        "Engine('affine', device='cpu', lane=None)",
        "Engine('affine', device='cpu', lane='a')",
    )
    assert torch.equal(other(X), engine(X))
    other.bind(gl.lane("cpu", "b"))
    assert engine.lane is not None
    assert engine.lane.name == "a"


@pytest.mark.parametrize("way", WAYS)
def test_a_copy_of_a_module_has_an_unbound_engine(lane: gl.Lane, engine: gl.Engine, way: Way) -> None:
    head = Head(engine)
    gl.set_external_stream(head, lane)
    other = way(head)
    assert bindings_of(other) == {"": False, "engine": False, "linear": False}
    assert bindings_of(head) == {"": True, "engine": True, "linear": False}
    assert torch.equal(other(X), head(X))


def test_a_copy_of_a_module_shares_a_shared_engine(engine: gl.Engine) -> None:
    pair = pickled(nn.ModuleList([engine, engine]))
    assert pair[0] is pair[1]


def test_an_engine_without_its_file_cannot_be_copied(models: Path, tmp_path: Path) -> None:
    file = tmp_path / "moved.pt2"
    file.write_bytes((models / "affine.pt2").read_bytes())
    engine = gl.load(file)
    file.unlink()
    with pytest.raises(RuntimeError, match="there is no such file"):
        copied(engine)


@pytest.fixture
def reader(tmp_path: Path) -> Callable[[bytes], subprocess.CompletedProcess[str]]:
    """A function that loads saved data in a process where greenlane cannot be imported."""
    code = """
import sys, torch
sys.modules["greenlane"] = None
module = torch.load(sys.argv[1], weights_only=False)
print(module(torch.ones(4, 8)).sum().item(), [name for name in sys.modules if "greenlane" in name])
"""

    def read(data: bytes) -> subprocess.CompletedProcess[str]:
        file = tmp_path / "saved.pt"
        file.write_bytes(data)
        command = [sys.executable, "-c", code, str(file)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path)

    return read


def test_a_saved_bound_module_needs_no_greenlane(
    lane: gl.Lane, sequence: nn.Sequential, reader: Callable[[bytes], subprocess.CompletedProcess[str]]
) -> None:
    sequence.append(torch.fx.symbolic_trace(nn.Sequential(nn.Linear(2, 2))))
    gl.set_external_stream(sequence, {"": lane, "0": lane, "1.1": lane, "2": lane})
    file = io.BytesIO()
    torch.save(sequence, file)
    assert b"greenlane" not in file.getvalue()
    assert b"greenlane" not in pickle.dumps(sequence)
    done = reader(file.getvalue())
    assert (done.returncode, done.stdout) == (0, f"{sequence(X).sum().item()} ['greenlane']\n"), done.stderr


def test_a_binding_does_not_change_the_state_dict(lane: gl.Lane, sequence: nn.Sequential) -> None:
    def state() -> list[tuple[str, int]]:
        return [(name, tensor.data_ptr()) for name, tensor in sequence.state_dict().items()]

    before = state()
    gl.set_external_stream(sequence, {"": lane, "1.1": lane})
    assert state() == before
    zeros = {name: torch.zeros_like(tensor) for name, tensor in sequence.state_dict().items()}
    assert str(sequence.load_state_dict(zeros)) == "<All keys matched successfully>"
    assert not sequence(X).any()
    assert _modules.bound_forward(sequence) is not None


def shallow(value: Any) -> Any:
    return copy.copy(value)


def replica(value: Any) -> Any:
    return value._replicate_for_data_parallel()


class Scale(nn.Module):
    """A module whose result shows which object computes."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = 2.0

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


class WithoutSuper(Scale):
    """A module that puts the state into its copies by itself."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


class OwnCopy(Scale):
    """A module that makes its shallow copies by itself."""

    def __copy__(self) -> "OwnCopy":
        other = type(self).__new__(type(self))
        other.__dict__.update(self.__dict__)
        return other


@pytest.mark.parametrize("way", [shallow, replica])
def test_a_shallow_copy_is_unbound_and_independent(lane: gl.Lane, way: Way) -> None:
    module = Scale()
    gl.set_external_stream(module, lane)
    other = way(module)
    other.factor = 5.0
    assert (float(module(torch.ones(()))), float(other(torch.ones(())))) == (2.0, 5.0)
    assert "forward" not in vars(other)
    assert not gl.is_external_stream_set(other)
    gl.clear_external_stream(other)
    assert gl.is_external_stream_set(module)
    with gl.set_external_stream(other, gl.lane("cpu", "b")):
        assert float(other(torch.ones(()))) == 5.0
    assert gl.is_external_stream_set(module)


@pytest.mark.parametrize("way", [shallow, replica])
def test_a_shallow_copy_keeps_its_own_forward(lane: gl.Lane, way: Way) -> None:
    module = nn.Sequential(nn.ReLU())
    module.forward = torch.sum  # type: ignore[method-assign]
    gl.set_external_stream(module, lane)
    assert vars(way(module))["forward"] is torch.sum


def test_replicas_of_bound_submodules_are_unbound(lane: gl.Lane) -> None:
    module = nn.Sequential(Scale(), Scale())
    gl.set_external_stream(module, {"": lane, "1": lane})
    first, second = (replica(each) for each in module)
    assert not gl.is_external_stream_set(first)
    assert not gl.is_external_stream_set(second)
    assert shallow(module)[1] is module[1]  # a shallow copy has the same submodules
    assert bindings_of(shallow(module)) == {"": False, "0": False, "1": True}


@pytest.mark.parametrize("kind", [WithoutSuper, OwnCopy])
def test_a_custom_shallow_copy_leaves_the_original_bound(lane: gl.Lane, kind: type[Scale]) -> None:
    module = kind()
    gl.set_external_stream(module, lane)
    other = shallow(module)
    assert not gl.is_external_stream_set(other)
    gl.clear_external_stream(other)
    assert gl.is_external_stream_set(module)
    other.factor = 5.0
    with gl.set_external_stream(other, gl.lane("cpu", "b")):
        assert float(other(torch.ones(()))) == 5.0
    assert float(other(torch.ones(()))) == 5.0
    assert "forward" not in vars(other)


def test_methods_of_pytorch_are_replaced_once(lane: gl.Lane) -> None:
    methods = _modules._COPYING
    gl.set_external_stream(Scale(), lane)
    once = [getattr(nn.Module, name) for name in methods]
    gl.set_external_stream(Scale(), lane)
    assert [getattr(nn.Module, name) for name in methods] == once
    assert _modules._dropping_bindings(nn.Module.train).__name__ == "train"
    assert _modules._dropping_bindings(nn.Module.train).__doc__ == nn.Module.train.__doc__


def test_a_shallow_copy_of_an_engine_is_unbound(lane: gl.Lane, engine: gl.Engine) -> None:
    engine.bind(lane)
    other = shallow(engine)
    assert other.lane is None
    other.unbind()
    assert engine.lane is not None
    assert torch.equal(other(X), engine(X))
