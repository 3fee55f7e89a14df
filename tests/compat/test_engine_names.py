"""Torch-TensorRT engines by name: that of their attribute, those of modules above it, and their own."""

from collections.abc import Callable
from typing import Any

import greenlane as gl
import pytest
import torch
from python.probes import CALLER
from torch import nn

from compat import stand_in
from compat.stand_in import Accelerated, Inlined, Model, another_handle, lanes_of, new_engine, where

FORMS = {Model: "_run_on_acc_{}.engine", Inlined: "_run_on_acc_{}_engine"}


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> tuple[nn.Module, str, str]:
    """A model, and the names of the attributes that hold its engines."""
    model: nn.Module = request.param()
    name = FORMS[request.param]
    return model, name.format(0), name.format(1)


def test_engines_are_bound_by_attribute_name(form: tuple[nn.Module, str, str], a: gl.Lane, b: gl.Lane) -> None:
    model, first, second = form
    with gl.set_external_stream(model, {first: a, second: b}) as binding:
        assert binding.names == (first, second)
        assert lanes_of(model) == ("a", "b")
        gl.clear_external_stream(model, [first])
        assert [gl.is_external_stream_set(model, name) for name in (first, second)] == [False, True]
        assert lanes_of(model) == (CALLER, "b")
    assert lanes_of(model) == (CALLER, CALLER)


def test_lanes_are_bound_by_their_own_word(form: tuple[nn.Module, str, str], a: gl.Lane, b: gl.Lane) -> None:
    model, first, _ = form
    with gl.bind(model, {first: a, "second": b}) as binding:
        assert binding.names == (first, "second")
        assert lanes_of(model) == ("a", "b")
    engine = new_engine("alone")
    with gl.bind(engine, b):
        assert where(engine) == "b"
    assert lanes_of(model) == (where(engine), CALLER) == (CALLER, CALLER)


def test_engines_are_bound_by_their_metadata_name(form: tuple[nn.Module, str, str], a: gl.Lane, b: gl.Lane) -> None:
    model, first, _ = form
    with gl.set_external_stream(model, {"second": a, first: b}) as binding:
        assert binding.names == ("second", first)
        assert lanes_of(model) == ("b", "a")
        assert gl.is_external_stream_set(model, "first")
        assert gl.get_external_stream(model, "second") == 0
        gl.clear_external_stream(model, ["second"])
        assert lanes_of(model) == ("b", CALLER)
    assert lanes_of(model) == (CALLER, CALLER)


def test_one_binding_covers_the_model_and_its_engines(form: tuple[nn.Module, str, str], a: gl.Lane, b: gl.Lane) -> None:
    model, first, second = form
    for lane in (a, b):
        assert gl.set_external_stream(model, lane).names == ("", first, second)
        assert lanes_of(model) == (lane.name, lane.name)
    gl.clear_external_stream(model)
    assert not any(gl.is_external_stream_set(model, name) for name in ("", first, second))
    assert lanes_of(model) == (CALLER, CALLER)


def test_engines_follow_the_nearest_named_parent(model: Model, a: gl.Lane, b: gl.Lane) -> None:
    with gl.set_external_stream(model, {"_run_on_acc_0": a}) as binding:
        assert binding.names == ("_run_on_acc_0", "_run_on_acc_0.engine")
        assert lanes_of(model) == ("a", CALLER)
    with gl.set_external_stream(model, {"": a, "_run_on_acc_1": b}):
        assert lanes_of(model) == ("a", "b")
    with gl.set_external_stream(model, {"": a, "second": b}):
        assert lanes_of(model) == ("a", "b")
    assert lanes_of(nn.Sequential(model)) == (CALLER, CALLER)
    with gl.set_external_stream(nn.ModuleDict({"net": model}), {"net": a, "net._run_on_acc_0.engine": b}):
        assert lanes_of(model) == ("b", "a")


def test_a_module_has_the_device_of_its_engines(model: Model, a: gl.Lane) -> None:
    """Neither the module nor a handle tells the device. The refusal must be about the handle, not the device."""
    with pytest.raises(RuntimeError, match="the CPU has no streams"):
        gl.set_external_stream(model, 0x1234)
    mixed = nn.ModuleList([model, nn.Linear(1, 1, device="meta")])
    with pytest.raises(ValueError, match="it is on cpu and meta: bind its submodules one by one"):
        gl.set_external_stream(mixed, a)
    assert lanes_of(model) == (CALLER, CALLER)


def test_an_ambiguous_name_is_refused(a: gl.Lane) -> None:
    model = Model("twin", "twin")
    there = "(there are: '_run_on_acc_0.engine', '_run_on_acc_1.engine')"
    with pytest.raises(ValueError, match="nothing was bound: 'twin' is the name of more than one engine") as error:
        gl.set_external_stream(model, {"_run_on_acc_0.engine": a, "twin": a})
    assert str(error.value).endswith(there)
    with pytest.raises(ValueError, match="'twin' is the name of more than one engine"):
        gl.is_external_stream_set(model, "twin")
    assert lanes_of(model) == (CALLER, CALLER)


@pytest.mark.parametrize("handle", [another_handle, lambda engine: engine])
def test_a_shared_engine_has_one_binding(model: Model, a: gl.Lane, b: gl.Lane, handle: Callable[[Any], Any]) -> None:
    model._run_on_acc_1.engine = handle(model._run_on_acc_0.engine)
    first, second = "_run_on_acc_0.engine", "_run_on_acc_1.engine"
    with gl.set_external_stream(model, {"first": a}):  # a name that only one engine has
        assert lanes_of(model) == ("a", "a")
    with gl.set_external_stream(model, {second: a, first: a}) as binding:
        assert binding.names == (second,)
        assert lanes_of(model) == ("a", "a")
        with pytest.raises(ValueError, match="are one module and cannot be on two streams"):
            gl.set_external_stream(model, {first: a, second: b})
        with pytest.raises(ValueError, match="are one module and cannot be on two streams"):
            gl.set_external_stream(model, {"_run_on_acc_0": a, "_run_on_acc_1": b})
    assert lanes_of(model) == (CALLER, CALLER)


def test_attribute_names_take_precedence(model: Model, a: gl.Lane) -> None:
    model._run_on_acc_0.engine = new_engine("_run_on_acc_1.engine")
    gl.set_external_stream(model, {"_run_on_acc_1.engine": a})
    assert lanes_of(model) == (CALLER, "a")


def test_unknown_names_are_listed_with_the_known_ones(model: Model, a: gl.Lane) -> None:
    with pytest.raises(ValueError, match="nothing was bound: ") as error:
        gl.set_external_stream(model, {"first": a, "third": a, "_run_on_acc_2.engine": a, "_run_on_acc_1": a})
    names = ["", "_run_on_acc_0", "_run_on_acc_1", "_run_on_acc_0.engine", "_run_on_acc_1.engine"]
    for unknown in ("third", "_run_on_acc_2.engine"):
        assert f"there is no submodule {unknown!r} (there are: {', '.join(map(repr, names))})" in str(error.value)
    with pytest.raises(ValueError, match="there is no submodule 'third'"):
        gl.clear_external_stream(model, ["first", "third"])
    assert lanes_of(model) == (CALLER, CALLER)


def test_an_engine_with_two_names_is_bound_once(model: Model, a: gl.Lane, b: gl.Lane) -> None:
    assert gl.set_external_stream(model, {"first": a, "_run_on_acc_0.engine": a}).names == ("first",)
    for names in (("first", "_run_on_acc_0.engine"), ("_run_on_acc_0", "first")):
        assert lanes_of(model) == ("a", CALLER)
        with gl.set_external_stream(model, {names[0]: a, names[1]: a}):
            pass
    with pytest.raises(ValueError, match=r"'first' and '_run_on_acc_0\.engine' are one module and cannot be on two"):
        gl.set_external_stream(model, {"first": b, "_run_on_acc_0.engine": a})
    assert lanes_of(model) == ("a", CALLER)


def test_a_module_before_setup_has_no_engine(model: Model, a: gl.Lane) -> None:
    model._run_on_acc_0.engine = None
    assert gl.set_external_stream(model, a).names == ("", "_run_on_acc_1.engine")
    with pytest.raises(ValueError, match=r"there is no submodule '_run_on_acc_0\.engine'"):
        gl.set_external_stream(model, {"_run_on_acc_0.engine": a})


def test_one_refusal_leaves_all_bindings_unchanged(a: gl.Lane, b: gl.Lane, closed: gl.Lane) -> None:
    model = nn.ModuleList([Accelerated(new_engine(str(i))) for i in range(3)])

    def lanes() -> list[str]:
        return [where(each.engine) for each in model]

    for before in ([CALLER] * 3, [CALLER, "a", CALLER], ["a", "a", CALLER]):
        for i, lane in enumerate(before):
            if lane == "a":
                gl.set_external_stream(model, {f"{i}.engine": a})
        for one in range(3):
            streams = {f"{i}.engine": closed if i == one else b for i in range(3)}
            with pytest.raises(RuntimeError, match=f"'{one}' cannot be bound to lane 'gone': the lane was closed"):
                gl.set_external_stream(model, streams)
            assert lanes() == before
        with gl.set_external_stream(model, {f"{i}.engine": b for i in range(3)}):
            assert lanes() == ["b"] * 3
        assert lanes() == before


def test_an_invalid_stream_changes_no_binding(model: Model, a: gl.Lane, b: gl.Lane) -> None:
    gl.set_external_stream(model, {"first": a})
    for stream, error in ((object(), TypeError), (0, RuntimeError), (0x1234, RuntimeError)):
        with pytest.raises(error):
            gl.set_external_stream(model, {"first": b, "second": stream})  # type: ignore[dict-item]
        assert lanes_of(model) == ("a", CALLER)


def test_objects_of_other_classes_are_not_engines(model: Model, a: gl.Lane) -> None:
    model.lane = a._native
    vars(model)["engines_too"] = [new_engine()]  # not an attribute, because it is in a list
    assert gl.set_external_stream(model, a).names == ("", "_run_on_acc_0.engine", "_run_on_acc_1.engine")
    assert stand_in.eventually(lambda: lanes_of(model) == ("a", "a"))
    assert torch.equal(model(torch.ones(1))[0], torch.tensor([6.0]))
