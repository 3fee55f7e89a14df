"""The names of bound modules: dotted, shared and unknown ones, and modules that go with the nearest name above them."""

from collections.abc import Callable

import greenlane as gl
import pytest
import torch
from torch import Tensor, nn

from python.probes import Pair, Probe


class Part(nn.Module):
    """A module with an engine and a probe in it."""

    def __init__(self, engine: gl.Engine) -> None:
        super().__init__()
        self.engine = engine
        self.probe = Probe()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.probe(self.engine(x))
        return y


class Robot(nn.Module):
    """A module of three parts, two of which have similar names."""

    def __init__(self, new_engine: Callable[[], gl.Engine]) -> None:
        super().__init__()
        self.head = Part(new_engine())
        self.head2 = Part(new_engine())
        self.arm = nn.ModuleDict({"left": Part(new_engine())})

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.arm["left"](self.head2(self.head(x)))
        return y


@pytest.fixture
def robot(new_engine: Callable[[], gl.Engine]) -> Robot:
    return Robot(new_engine)


def bound(module: nn.Module) -> dict[str, str]:
    """Returns the lane of everything that has a binding of its own; calls probes and engines to prove it."""
    lanes = {}
    for name, each in module.named_modules():
        if gl.is_external_stream_set(module, name):
            assert gl.get_external_stream(module, name) == 0  # the CPU has no streams
            binding = each._native.binding() if isinstance(each, gl.Engine) else each.forward.binding
            lanes[name] = binding.lane().name()
    return lanes


def test_one_binding_covers_the_module_and_its_engines(robot: Robot, a: gl.Lane, b: gl.Lane) -> None:
    expected = robot(torch.ones(4, 8))
    engines = ["head.engine", "head2.engine", "arm.left.engine"]
    for lane in (a, b):
        gl.set_external_stream(robot, lane)
        assert bound(robot) == dict.fromkeys(["", *engines], lane.name)
        assert torch.equal(robot(torch.ones(4, 8)), expected)
        assert robot.head.probe.threads[-1] == lane.name
    gl.clear_external_stream(robot)
    assert bound(robot) == {}


def test_engines_follow_the_nearest_named_parent(robot: Robot, a: gl.Lane, b: gl.Lane) -> None:
    with gl.set_external_stream(robot, {"": a, "head": b}):
        assert bound(robot) == {
            "": "a",
            "head": "b",
            "head.engine": "b",
            "head2.engine": "a",
            "arm.left.engine": "a",
        }
    assert bound(robot) == {}
    with gl.set_external_stream(robot, {"head": a, "arm": b, "head.engine": b}) as binding:
        assert bound(robot) == {"head": "a", "head.engine": "b", "arm": "b", "arm.left.engine": "b"}
        assert binding.names == ("head", "arm", "head.engine", "arm.left.engine")
    assert bound(robot) == {}
    with gl.set_external_stream(robot, {"arm.left.engine": a}):
        assert bound(robot) == {"arm.left.engine": "a"}


def test_bound_modules_follow_the_nearest_named_parent(robot: Robot, a: gl.Lane, b: gl.Lane) -> None:
    gl.set_external_stream(robot, {"head.probe": a, "head2.probe": a})
    with gl.set_external_stream(robot, {"head": b}):
        assert bound(robot) == {"head": "b", "head.engine": "b", "head.probe": "b", "head2.probe": "a"}
    assert bound(robot) == {"head.probe": "a", "head2.probe": "a"}
    with gl.set_external_stream(robot, {"": b, "head2.probe": a}):
        assert bound(robot)["head.probe"] == "b"
        assert bound(robot)["head2.probe"] == "a"
    assert bound(robot) == {"head.probe": "a", "head2.probe": "a"}


def test_all_unknown_names_are_listed_at_once(a: gl.Lane) -> None:
    pair = Pair()
    with pytest.raises(ValueError, match="nothing was bound: ") as error:
        gl.set_external_stream(pair, {"first": a, "frist": a, "second": a, "third.x": a, ".": a})
    there = "(there are: '', 'first', 'second')"
    for name in ("frist", "third.x", "."):
        assert f"there is no submodule {name!r} {there}" in str(error.value)
    assert bound(pair) == {}


def test_all_kinds_of_errors_are_listed_together(a: gl.Lane) -> None:
    model = nn.ModuleDict({"fine": Probe(), "meta": nn.Linear(1, 1, device="meta")})
    with pytest.raises(ValueError, match="nothing was bound") as error:
        gl.set_external_stream(model, {"fine": a, "nowhere": a, "meta": a})
    assert "there is no submodule 'nowhere'" in str(error.value)
    assert "'meta' cannot be bound: it is on meta" in str(error.value)
    assert bound(model) == {}


def test_only_similar_names_of_a_large_model_are_listed(a: gl.Lane) -> None:
    model = nn.ModuleDict({"encoder": nn.ModuleList([nn.Linear(1, 1) for _ in range(40)]), "head": nn.Linear(1, 1)})
    with pytest.raises(ValueError, match=r"no submodule 'encodr\.17' \(near it: .*'encoder\.17'") as error:
        gl.set_external_stream(model, {"encodr.17": a})
    assert "'head'" not in str(error.value)
    assert str(error.value).count("'encoder.") <= 5
    with pytest.raises(ValueError, match=r"\(near it: '', 'encoder', .*'…'\)"):
        gl.is_external_stream_set(model, "zzzzzz")


def test_an_empty_list_of_names_is_refused() -> None:
    with pytest.raises(ValueError, match="no names were given"):
        gl.set_external_stream(Pair(), {})


@pytest.fixture
def shared(new_engine: Callable[[], gl.Engine]) -> nn.Module:
    """A probe and an engine, each in two places."""
    probe, engine = Probe(), new_engine()
    return nn.ModuleDict({name: nn.ModuleDict({"probe": probe, "engine": engine}) for name in ("left", "right")})


@pytest.mark.parametrize("what", ["probe", "engine"])
def test_a_shared_module_is_bound_once(shared: nn.Module, a: gl.Lane, what: str) -> None:
    names = [f"left.{what}", f"right.{what}"]
    with gl.set_external_stream(shared, dict.fromkeys(names, a)) as binding:
        assert binding.names == (names[0],)
        assert all(gl.is_external_stream_set(shared, name) for name in names)
    assert not any(gl.is_external_stream_set(shared, name) for name in names)
    with gl.set_external_stream(shared, {names[1]: a}) as binding:
        assert binding.names == (names[1],)
        assert gl.is_external_stream_set(shared, names[0])


@pytest.mark.parametrize("what", ["probe", "engine"])
def test_a_shared_module_cannot_be_on_two_streams(shared: nn.Module, a: gl.Lane, b: gl.Lane, what: str) -> None:
    for former in ({}, {"left.probe": "a", "left.engine": "a"}):
        with pytest.raises(ValueError, match=f"'left.{what}' and 'right.{what}' are one module and cannot be on two"):
            gl.set_external_stream(shared, {f"left.{what}": a, f"right.{what}": b})
        assert bound(shared) == former
        gl.set_external_stream(shared, {"left.probe": a, "left.engine": a})
    with pytest.raises(ValueError, match=r"'left\.engine' and 'right.engine' are one module"):
        gl.set_external_stream(shared, {"left": a, "right": b})


@pytest.mark.parametrize("what", ["probe", "engine"])
def test_an_explicit_name_takes_precedence_over_a_parent(shared: nn.Module, a: gl.Lane, b: gl.Lane, what: str) -> None:
    for _ in range(2):  # the second time the probe has a binding, too
        gl.set_external_stream(shared, {"": a, f"right.{what}": b})
        assert bound(shared) == {"": "a", "left.engine": "a"} | {f"left.{what}": "b"}


def test_bindings_are_cleared_by_name(robot: Robot, a: gl.Lane) -> None:
    gl.set_external_stream(robot, {"": a, "head.probe": a})
    gl.clear_external_stream(robot, ["", "head.engine"])
    assert bound(robot) == dict.fromkeys(["head.probe", "head2.engine", "arm.left.engine"], "a")
    gl.clear_external_stream(robot, ["head.probe", "head", "head.probe"])  # not an error if it is not bound
    assert list(bound(robot)) == ["head2.engine", "arm.left.engine"]
    gl.clear_external_stream(robot.arm)
    assert list(bound(robot)) == ["head2.engine"]
    gl.clear_external_stream(robot, [])
    assert list(bound(robot)) == ["head2.engine"]


def test_an_unknown_name_clears_nothing(robot: Robot, a: gl.Lane) -> None:
    gl.set_external_stream(robot, a)
    before = bound(robot)
    with pytest.raises(ValueError, match=r"there is no submodule 'foot' \(there are: '', 'head', 'head.engine', "):
        gl.clear_external_stream(robot, ["head.engine", "foot"])
    assert bound(robot) == before
    for ask in (gl.is_external_stream_set, gl.get_external_stream):
        with pytest.raises(ValueError, match="there is no submodule 'foot'"):
            ask(robot, "foot")


@pytest.mark.filterwarnings("ignore:.*Dynamo")
def test_a_compiled_module_binds_its_engines(new_engine: Callable[[], gl.Engine], a: gl.Lane) -> None:
    part = Part(new_engine())
    program = torch.compile(part, backend="eager")
    assert isinstance(program, nn.Module)
    gl.set_external_stream(program, a)
    assert bound(program) == {"": "a", "_orig_mod.engine": "a"}
    torch.testing.assert_close(program(torch.ones(4, 8)), torch.full((4, 8), 6.0))
    torch.compiler.reset()
    assert set(part.probe.threads) == {"a"}
