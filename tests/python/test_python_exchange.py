"""Python functions that C++ calls."""

import ctypes
import gc
import weakref
from functools import partial
from typing import Any

import pytest
import torch
from greenlane import _exchange
from torch import Tensor

RUN = ctypes.CFUNCTYPE(None, ctypes.c_int64)


def called(exchange: Any, times: int = 1) -> list[Tensor]:
    """Calls the function as C++ does, under the only key."""
    (key,) = _exchange._pending
    for _ in range(times):
        RUN(_exchange.RUN_ADDRESS)(key)
    return list(exchange.inputs())


def test_a_model_can_be_called_repeatedly() -> None:
    calls: list[int] = []

    def function(inputs: list[Tensor]) -> list[Tensor]:
        calls.append(len(inputs))
        return [torch.ones(1)]

    assert _exchange.Model(function).call(partial(called, times=3)) == []
    assert calls == [0, 0, 0]
    assert not _exchange._pending


def test_an_exception_is_raised_only_if_cpp_fails() -> None:
    def raises(_: list[Tensor]) -> list[Tensor]:
        raise KeyError("its own")

    def fails(exchange: Any) -> None:
        called(exchange)
        raise RuntimeError("C++ says so")

    model = _exchange.Model(raises)
    with pytest.raises(KeyError, match="its own"):
        model.call(fails)
    assert model.call(called) == [], "an exception was raised although C++ did not fail"
    with pytest.raises(RuntimeError, match="no model of ours"):
        model.call(lambda *_: (_ for _ in ()).throw(RuntimeError("no model of ours")))
    assert not _exchange._pending


def test_an_interrupt_is_raised_even_if_cpp_continues() -> None:
    """The function may be called again, as after a failed capture. It then does nothing."""
    calls: list[int] = []

    def interrupted(_: list[Tensor]) -> list[Tensor]:
        calls.append(1)
        raise KeyboardInterrupt

    model = _exchange.Model(interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.call(partial(called, times=2))
    assert len(calls) == 1

    def fails(exchange: Any) -> None:
        called(exchange)
        raise RuntimeError("C++ says so")

    with pytest.raises(KeyboardInterrupt):
        model.call(fails)


def test_a_handled_error_is_freed_without_the_collector() -> None:
    """The error's frames hold lanes."""

    class OwnError(Exception):
        pass

    def raises(_: list[Tensor]) -> list[Tensor]:
        raise OwnError

    def fails(exchange: Any) -> None:
        called(exchange)
        raise RuntimeError("C++ says so")

    gc.disable()
    try:
        try:
            _exchange.Model(raises).call(fails)
        except OwnError as caught:
            error = weakref.ref(caught)
        assert error() is None
    finally:
        gc.enable()
