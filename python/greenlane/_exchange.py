"""Python functions that C++ calls, with tensors or without arguments."""

import contextlib
import ctypes
import itertools
from collections.abc import Callable
from typing import Any

import torch

_pending: dict[int, Callable[[], None]] = {}
_keys = itertools.count(1)


def _run_pending(key: int) -> None:
    function = _pending.get(key)
    if function is None:
        return  # its caller was interrupted, and no longer waits
    with contextlib.suppress(KeyboardInterrupt):  # meant for a call that had just ended
        function()


_RUN = ctypes.CFUNCTYPE(None, ctypes.c_int64)(_run_pending)
RUN_ADDRESS = ctypes.cast(_RUN, ctypes.c_void_p).value or 0
"""Address of a C function that calls the function that :class:`Pending` holds under the given key."""


class Pending:
    """A context manager under whose key C++ can call a function while it is entered. The function must not raise."""

    def __init__(self, function: Callable[[], None]) -> None:
        self._function = function
        self._key = next(_keys)

    def __enter__(self) -> int:
        _pending[self._key] = self._function
        return self._key

    def __exit__(self, *_: object) -> None:
        _pending.pop(self._key, None)


class Model:
    """A function from tensors to tensors that C++ calls any number of times; :meth:`call` raises its error at the end.

    :meth:`call` passes on the exchange through which C++ calls it.
    """

    def __init__(self, function: Callable[[list[torch.Tensor]], list[torch.Tensor]]) -> None:
        self._function = function
        self._exchange: Any = None
        self._error: Exception | None = None
        self._interrupt: BaseException | None = None

    def _run(self) -> None:
        self._error = None
        if self._interrupt is not None:
            return  # C++ takes a failed capture as a reason to run eagerly
        try:
            self._exchange.give(self._function(self._exchange.inputs()))
        except Exception as error:
            self._error = error
            self._exchange.fail(f"{type(error).__name__}: {error}")
        except BaseException as interrupt:
            self._interrupt = interrupt

    def call(self, native: Callable[[Any], Any]) -> Any:
        """Returns the result of ``native(exchange)``; if that fails, raises the last call's error."""
        try:
            with Pending(self._run) as key:
                self._exchange = torch.classes.greenlane.Exchange(RUN_ADDRESS, key)
                result = native(self._exchange)
        except Exception:
            failure = self._interrupt or self._error
            if failure is not None:
                try:
                    raise failure from None
                finally:
                    del failure  # it holds this frame, and lanes in it would wait for the collector
            raise
        else:
            if self._interrupt is not None:
                raise self._interrupt
            return result
        finally:
            self._exchange = self._error = self._interrupt = None


class NotCapturableError(Exception):
    """Raised by the function of a :class:`LastingModel` whose calls do what no CUDA graph would do."""


class LastingModel:
    """A function from tensors to tensors that C++ calls from any thread until :meth:`close`.

    C++ makes one call at a time. Errors of the function reach C++ as texts.
    """

    def __init__(self, function: Callable[[list[torch.Tensor]], list[torch.Tensor]]) -> None:
        self._function = function
        self._pending = Pending(self._run)
        self.exchange = torch.classes.greenlane.Exchange(RUN_ADDRESS, self._pending.__enter__())
        """The exchange through which C++ calls it."""

    def close(self) -> None:
        """Ends the calls: later ones fail."""
        self._pending.__exit__()

    def _run(self) -> None:
        try:
            self.exchange.give(self._function(self.exchange.inputs()))
        except NotCapturableError as error:
            self.exchange.refuse(str(error))
        except BaseException as error:
            self.exchange.fail(f"{type(error).__name__}: {error}")
