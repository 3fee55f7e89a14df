"""Modules on lanes: where they run, and what their calls leave behind."""

import gc
import inspect
import os
import threading
import traceback
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import greenlane as gl
import pytest
import torch
from greenlane import _exchange
from torch import Tensor, nn

from python.probes import CALLER, Pair, Probe, in_time, this_thread, where


class Calls(nn.Module):
    """A module that calls a function."""

    def __init__(self, work: Callable[..., Any]) -> None:
        super().__init__()
        self.work = work

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.work(*args, **kwargs)


def test_a_bound_module_runs_on_the_cores_of_its_lane() -> None:
    lane = gl.partition("cpu", {"one": 1})["one"]
    module = Calls(lambda: (os.sched_getaffinity(0), threading.get_native_id(), torch.get_num_threads()))
    unbound = module()
    with gl.set_external_stream(module, lane):
        cores, thread, team = module()
        assert module() == (cores, thread, team)
    assert (cores, team) == (set(lane.cpus), 1)
    assert thread != threading.get_native_id()
    assert module() == unbound == (os.sched_getaffinity(0), threading.get_native_id(), torch.get_num_threads())


def test_a_binding_does_not_change_the_results(a: gl.Lane) -> None:
    model = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 4))
    x = torch.randn(5, 8)
    expected = model(x)
    gl.set_external_stream(model, a)
    assert torch.equal(model(x), expected)
    assert torch.equal(model(input=x), expected)


def test_clearing_restores_the_module_exactly(a: gl.Lane) -> None:
    module, own = Probe(), Probe()
    own.forward = lambda x: x  # type: ignore[method-assign]
    for each in (module, own):
        before, signature = dict(vars(each)), inspect.signature(each.forward)
        gl.set_external_stream(each, a)
        assert vars(each) != before
        assert inspect.signature(each.forward) == signature
        gl.clear_external_stream(each)
        assert vars(each) == before
        assert list(vars(each)) == list(before)


def test_the_modules_own_forward_runs_on_the_lane(a: gl.Lane) -> None:
    module = Probe()
    module.forward = lambda x: (x, this_thread())  # type: ignore[assignment,method-assign,return-value]
    gl.set_external_stream(module, a)
    assert module(7) == (7, "a")


def test_a_child_may_be_on_another_lane(a: gl.Lane, b: gl.Lane) -> None:
    pair, x = Pair(), torch.ones(1)
    assert pair(x) == (CALLER, CALLER, CALLER)
    gl.set_external_stream(pair, a)
    assert pair(x) == ("a", "a", "a")
    gl.set_external_stream(pair, {"second": b})
    assert pair(x) == ("a", "a", "b")
    gl.clear_external_stream(pair, [""])
    assert pair(x) == (CALLER, CALLER, "b")


def test_hooks_run_on_the_callers_thread(a: gl.Lane) -> None:
    module, hooks = Probe(), list[str]()
    module.register_forward_pre_hook(lambda *_: hooks.append(this_thread()))
    module.register_forward_hook(lambda *_: hooks.append(this_thread()))
    gl.set_external_stream(module, a)
    assert where(module) == "a"
    assert hooks == [CALLER, CALLER]


class Private(BaseException):
    """An exception that is not an Exception."""


@pytest.mark.parametrize("kind", [ValueError, StopIteration, KeyboardInterrupt, SystemExit, GeneratorExit, Private])
def test_an_exception_of_forward_is_unchanged(a: gl.Lane, kind: type[BaseException]) -> None:
    error = kind("no")

    def raises() -> None:
        raise error

    module = Calls(raises)
    gl.set_external_stream(module, a)
    for _ in range(2):
        with pytest.raises(kind) as caught:
            module()
        assert caught.value is error
        assert error.__context__ is None
        assert traceback.extract_tb(error.__traceback__)[-1].name == "raises"
        error.__traceback__ = None
    assert gl.is_external_stream_set(module)
    module.work = this_thread
    assert module() == "a"


def test_a_call_keeps_neither_its_result_nor_its_error(a: gl.Lane) -> None:
    def raises() -> None:
        raise error()  # type: ignore[misc]

    module = Calls(lambda: torch.ones(1))
    gl.set_external_stream(module, a)
    gc.disable()
    try:
        result = weakref.ref(module())
        assert result() is None
        private = Private()
        error, module.work = weakref.ref(private), raises
        try:
            module()
        except Private as caught:
            assert caught is private  # noqa: PT017
        del private
        assert error() is None
    finally:
        gc.enable()
    assert not _exchange._pending


def test_a_freed_module_releases_its_lane() -> None:
    module = nn.Sequential(Probe(), Probe())
    gl.set_external_stream(module, gl.partition("cpu", {"all": gl.REST})["all"])
    module(torch.ones(1))
    gone = weakref.ref(module)
    gc.collect()
    gc.disable()
    try:
        del module
        assert gone() is None  # at once, without the collector
    finally:
        gc.enable()
    assert gl.partition("cpu", {"all": gl.REST})["all"].units == gl.devices()[-1].units


def test_a_module_may_rebind_itself_during_a_call(a: gl.Lane, b: gl.Lane) -> None:
    def rebinds() -> tuple[str, str]:
        started = this_thread()
        gl.set_external_stream(module, b)
        return started, this_thread()

    module = Calls(rebinds)
    gl.set_external_stream(module, a)
    assert in_time(module) == ("a", "a")
    assert in_time(module) == ("b", "b")


def test_a_module_may_unbind_itself_during_a_call() -> None:
    def unbinds() -> str:
        gl.clear_external_stream(module)
        assert not gl.is_external_stream_set(module)
        return this_thread()

    module = Calls(unbinds)
    gl.set_external_stream(module, gl.lane("cpu", "a"))  # the lane is freed with the call
    assert in_time(module) == "a"
    assert in_time(module) == CALLER


@pytest.mark.parametrize(
    "mode",
    [nullcontext(), torch.no_grad(), torch.inference_mode(), torch.autocast("cpu", torch.float16)],
    ids=["none", "no_grad", "inference", "autocast"],
)
def test_the_callers_modes_apply_during_the_call_only(a: gl.Lane, mode: AbstractContextManager[Any]) -> None:
    def modes() -> tuple[object, ...]:
        return (
            torch.is_grad_enabled(),
            torch.is_inference_mode_enabled(),
            torch.is_autocast_enabled("cpu"),
            torch.get_autocast_dtype("cpu"),
        )

    module, other = Calls(modes), Calls(modes)
    gl.set_external_stream(nn.ModuleList([module, other]), {"0": a, "1": a})
    with mode:
        assert module() == modes()
    assert other() == modes() == (True, False, False, torch.bfloat16)


def test_gradients_flow_through_a_bound_module(a: gl.Lane, b: gl.Lane) -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 1))
    x = torch.randn(3, 4, requires_grad=True)

    def gradients() -> list[Tensor]:
        return list(torch.autograd.grad(model(x).sum(), [x, *model.parameters()]))

    expected = gradients()
    with gl.set_external_stream(model, {"": a, "2": b}):
        torch.testing.assert_close(in_time(gradients), expected)
        total = model(x).sum()
    total.backward()  # unbound again
    torch.testing.assert_close(x.grad, expected[0])
