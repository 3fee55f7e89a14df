"""gl.bind() and Engine.bind(): the words for lanes. tests/python/test_python_bindings.py tests the act itself."""

import inspect
from collections.abc import Callable
from typing import Any

import greenlane as gl
import pytest
from torch import nn

from python.probes import CALLER, Pair, Probe, where


def lane_of(engine: gl.Engine) -> str:
    return CALLER if engine.lane is None else engine.lane.name


def test_a_lane_takes_a_module_for_good_or_for_a_while(a: gl.Lane, b: gl.Lane) -> None:
    module = Probe()
    gl.bind(module, a)
    with gl.bind(module, b) as binding:
        assert (where(module), binding.names) == ("b", ("",))
    assert where(module) == "a"
    gl.clear_external_stream(module)
    assert where(module) == CALLER


def test_a_lane_takes_an_engine(a: gl.Lane, b: gl.Lane, new_engine: Callable[[], gl.Engine]) -> None:
    engine = new_engine()
    engine.bind(a)
    with gl.bind(engine, b):
        assert lane_of(engine) == "b"
    assert lane_of(engine) == "a"


def test_a_mapping_takes_what_is_inside_all_or_nothing(a: gl.Lane, b: gl.Lane) -> None:
    model = Pair()
    names = [name for name, _ in model.named_children()]
    with gl.bind(model, {names[0]: a, names[1]: b}) as binding:
        assert binding.names == tuple(names)
        assert [where(each) for each in model.children()] == ["a", "b"]
    with pytest.raises(ValueError, match="nothing was bound: there is no submodule 'nobody'"):
        gl.bind(model, {names[0]: a, "nobody": b})
    assert not any(gl.is_external_stream_set(model, name) for name in names)


@pytest.mark.parametrize("stream", [0x1234, None, "a"])
def test_something_else_than_a_lane_is_refused_with_the_other_door(
    stream: Any, new_engine: Callable[[], gl.Engine]
) -> None:
    module, engine = Probe(), new_engine()
    doors: list[Callable[[], object]] = [lambda: gl.bind(module, stream), lambda: engine.bind(stream)]
    for door in doors:
        with pytest.raises(TypeError, match=f"^{stream!r} is no lane: pass a Lane; set_external_stream takes streams"):
            door()
    with pytest.raises(TypeError, match=f"^nothing was bound: the stream for '' is refused: {stream!r} is no lane"):
        gl.bind(module, {"": stream})
    assert not gl.is_external_stream_set(module)
    assert engine.lane is None


def test_a_closed_lane_is_refused(new_engine: Callable[[], gl.Engine]) -> None:
    closed = gl.lane("cpu", "gone")
    closed.close()
    modules: list[nn.Module] = [Probe(), new_engine()]
    for module in modules:
        with pytest.raises(RuntimeError, match="cannot be bound to lane 'gone': the lane was closed"):
            gl.bind(module, closed)


def test_both_doors_take_the_same_options(a: gl.Lane) -> None:
    bind, former = inspect.signature(gl.bind), inspect.signature(gl.set_external_stream)
    assert list(bind.parameters.values())[2:] == list(former.parameters.values())[2:]
    doors: list[Callable[..., object]] = [gl.bind, gl.set_external_stream]
    for door in doors:
        with pytest.raises(ValueError, match="graphs='resident' is for modules on a GPU"):
            door(Probe(), a, graphs="resident")
