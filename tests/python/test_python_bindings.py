"""set_external_stream() on engines and modules: it binds all or nothing, and restores the former bindings."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import greenlane as gl
import pytest
import torch
from greenlane import _streams
from greenlane._nesting import Nesting
from torch import nn

from python.probes import CALLER, Pair, Probe, where


class ForeignStream:
    """A stream as CuPy or cuda.core passes it."""

    def __cuda_stream__(self) -> tuple[int, int]:
        return (0, 0x1234)


@pytest.fixture
def closed() -> gl.Lane:
    lane = gl.lane("cpu", "gone")
    lane.close()
    return lane


@pytest.fixture(params=["module", "engine"])
def one(request: pytest.FixtureRequest, new_engine: Callable[[], gl.Engine]) -> nn.Module:
    return new_engine() if request.param == "engine" else Probe()


def lane_of(module: nn.Module) -> str:
    """Returns the lane that the module is bound to, proved by a call if possible."""
    if isinstance(module, gl.Engine):
        lane = module.lane
        assert module.is_external_stream_set() == (lane is not None)
        return CALLER if lane is None else lane.name
    assert gl.is_external_stream_set(module) == ("forward" in vars(module))
    return where(module)


def lanes_of(module: nn.Module) -> dict[str, str]:
    """Returns the lanes of everything in the module that has a binding."""
    bound = {name: each for name, each in module.named_modules() if gl.is_external_stream_set(module, name)}
    return {name: lane_of(each) for name, each in bound.items() if isinstance(each, gl.Engine | Probe)}


def test_a_context_restores_the_former_lane(one: nn.Module, a: gl.Lane, b: gl.Lane) -> None:
    assert lane_of(one) == CALLER
    gl.set_external_stream(one, a)
    assert lane_of(one) == "a"
    with gl.set_external_stream(one, {"": b}) as binding:
        assert lane_of(one) == "b"
        assert (binding.names, repr(binding)) == (("",), "Binding('')")
    assert lane_of(one) == "a"
    gl.clear_external_stream(one)
    assert lane_of(one) == CALLER
    with gl.set_external_stream(one, b):
        assert lane_of(one) == "b"
    assert lane_of(one) == CALLER


def test_contexts_can_be_nested(one: nn.Module, a: gl.Lane, b: gl.Lane) -> None:
    with gl.set_external_stream(one, a):
        with gl.set_external_stream(one, b):
            with gl.set_external_stream(one, a):
                assert lane_of(one) == "a"
            assert lane_of(one) == "b"
        assert lane_of(one) == "a"
    assert lane_of(one) == CALLER


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt])
def test_a_context_restores_the_lane_after_an_error(
    one: nn.Module, a: gl.Lane, b: gl.Lane, kind: type[BaseException]
) -> None:
    gl.set_external_stream(one, a)
    with pytest.raises(kind), gl.set_external_stream(one, b):
        raise kind
    assert lane_of(one) == "a"


def test_a_context_restores_a_closed_lane(one: nn.Module, a: gl.Lane, b: gl.Lane) -> None:
    gl.set_external_stream(one, a)
    with gl.set_external_stream(one, b):
        a.close()
    assert lane_of(one) == "a"
    with pytest.raises(RuntimeError, match="the lane was closed"):
        gl.set_external_stream(one, a)


def test_later_changes_do_not_prevent_the_restoration(one: nn.Module, a: gl.Lane, b: gl.Lane) -> None:
    with gl.set_external_stream(one, a):
        with gl.set_external_stream(one, b):
            gl.clear_external_stream(one)
        assert lane_of(one) == "a"
        with gl.set_external_stream(one, b):
            gl.clear_external_stream(one)
            gl.set_external_stream(one, b)
        assert lane_of(one) == "a"
        gl.clear_external_stream(one)
        gl.set_external_stream(one, b)
    assert lane_of(one) == CALLER


def test_a_second_restore_does_nothing(one: nn.Module, a: gl.Lane, b: gl.Lane) -> None:
    binding = gl.set_external_stream(one, a)
    binding.restore()
    assert lane_of(one) == CALLER
    gl.set_external_stream(one, b)
    binding.restore()
    assert lane_of(one) == "b"


def test_several_modules_are_bound_and_restored_together(a: gl.Lane, b: gl.Lane) -> None:
    pair, x = Pair(), torch.ones(1)
    gl.set_external_stream(pair, {"second": a})
    with gl.set_external_stream(pair, {"first": a, "second": b}) as binding:
        assert binding.names == ("first", "second")
        assert pair(x) == ("a", CALLER, "b")
    assert pair(x) == (CALLER, CALLER, "a")


@pytest.fixture
def eight(new_engine: Callable[[], gl.Engine]) -> nn.ModuleList:
    """Engines and modules in turn."""
    return nn.ModuleList([Probe() if i % 2 else new_engine() for i in range(8)])


def test_one_refusal_leaves_all_bindings_unchanged(
    eight: nn.ModuleList, a: gl.Lane, b: gl.Lane, closed: gl.Lane
) -> None:
    for number in (0, 1, 4, 5, 7):
        gl.set_external_stream(eight, {str(number): a})
    before, attributes = [lane_of(each) for each in eight], [list(vars(each)) for each in eight]
    assert before == ["a", "a", CALLER, CALLER, "a", "a", CALLER, "a"]
    a.close()  # former bindings are not judged anew
    for fifth in ("4", "5"):
        with pytest.raises(RuntimeError, match="cannot be bound to lane 'gone': the lane was closed"):
            gl.set_external_stream(eight, {str(i): closed if str(i) == fifth else b for i in range(8)})
        assert [lane_of(each) for each in eight] == before
        assert [list(vars(each)) for each in eight] == attributes
    with gl.set_external_stream(eight, {str(i): b for i in range(8)}):
        assert [lane_of(each) for each in eight] == ["b"] * 8
    assert [lane_of(each) for each in eight] == before
    gl.clear_external_stream(eight)
    assert not lanes_of(eight)


@pytest.mark.parametrize(
    ("stream", "error", "message"),
    [
        (object(), TypeError, "is no stream"),
        ("stream", TypeError, "is no stream"),
        (True, TypeError, "is no stream"),
        (0, RuntimeError, "it is null"),
        (0x1234, RuntimeError, "the CPU has no streams"),
        (ForeignStream(), RuntimeError, "the CPU has no streams"),
    ],
)
def test_an_invalid_stream_leaves_all_bindings_unchanged(
    eight: nn.ModuleList, a: gl.Lane, b: gl.Lane, stream: Any, error: type[Exception], message: str
) -> None:
    gl.set_external_stream(eight, {"0": a, "1": a})
    for name in ("6", "7"):
        with pytest.raises(error, match=message):
            gl.set_external_stream(eight, {"0": b, "1": b, "2": b, "3": b, name: stream})
        assert lanes_of(eight) == {"0": "a", "1": "a"}
    assert not _streams._held


@pytest.mark.parametrize(
    ("module", "stream", "error", "message"),
    [
        (
            nn.ReLU(),
            0x1234,
            ValueError,
            "it has no parameters that would tell its device, and neither does this stream",
        ),
        (nn.ReLU(), ForeignStream(), ValueError, "it has no parameters"),
        (nn.ReLU(), object(), TypeError, "is no stream"),
        (nn.Linear(1, 1, device="meta"), None, ValueError, "it is on meta: move it to a GPU or the CPU first"),
    ],
)
def test_an_unbindable_module_leaves_all_bindings_unchanged(
    eight: nn.ModuleList, a: gl.Lane, module: nn.Module, stream: Any, error: type[Exception], message: str
) -> None:
    eight.append(module)
    with pytest.raises(error, match=message) as caught:
        gl.set_external_stream(eight, {"0": a, "1": a, "8": stream or a, "2": a})
    assert error is TypeError or str(caught.value).startswith("nothing was bound: '8' cannot be bound: ")
    assert not lanes_of(eight)
    assert "forward" not in vars(module)
    assert not _streams._held


@pytest.mark.parametrize("name", [1, None, b"0", ("0",)])
def test_a_submodule_name_must_be_a_string(name: Any) -> None:
    module = torch.nn.Sequential(torch.nn.ReLU())
    lane = gl.lane("cpu", "a")
    calls: list[Callable[[], object]] = [
        lambda: gl.set_external_stream(module, {name: lane}),
        lambda: gl.clear_external_stream(module, [name]),
        lambda: gl.get_external_stream(module, name),
        lambda: gl.is_external_stream_set(module, name),
        lambda: gl.graph_report(module, name),
    ]
    for call in calls:
        with pytest.raises(TypeError, match="names of submodules are strings") as error:
            call()
        assert repr(name) in str(error.value)


def test_a_string_instead_of_a_list_is_refused() -> None:
    module = torch.nn.Sequential(torch.nn.ReLU())
    for name in ("", "0"):
        with pytest.raises(TypeError, match=f"names is '{name}': give a list of names"):
            gl.clear_external_stream(module, name)


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_binding_object_cannot_be_copied(way: Callable[[object], object]) -> None:
    binding = gl.set_external_stream(torch.nn.ReLU(), gl.lane("cpu", "a"))
    with pytest.raises(TypeError, match=r"^Binding\(''\) cannot be copied or saved: "):
        way(binding)
    with pytest.raises(TypeError, match="a PipelineGraph cannot be copied or saved: capture the function again"):
        way(gl.PipelineGraph(None, None, Nesting(None, [])))
