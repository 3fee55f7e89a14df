"""Python functions that C++ calls: with tensors, or with nothing."""

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
        return  # its caller was interrupted, and does not wait any more
    with contextlib.suppress(KeyboardInterrupt):  # meant for a call that had just ended
        function()


_RUN = ctypes.CFUNCTYPE(None, ctypes.c_int64)(_run_pending)
RUN_ADDRESS = ctypes.cast(_RUN, ctypes.c_void_p).value or 0
"""Of a C function that calls what :class:`Pending` holds under the key it is given."""


class Pending:
    """While it is entered, C++ can call a function by the key that this gives. It must not raise."""

    def __init__(self, function: Callable[[], None]) -> None:
        self._function = function
        self._key = next(_keys)

    def __enter__(self) -> int:
        _pending[self._key] = self._function
        return self._key

    def __exit__(self, *_: object) -> None:
        _pending.pop(self._key, None)


class Model:
    """A function from tensors to tensors that C++ calls any number of times; what it raises comes out in the end.

    :meth:`call` passes on what C++ needs: an exchange, an address and a key.
    """

    def __init__(self, function: Callable[[list[torch.Tensor]], list[torch.Tensor]]) -> None:
        self._function = function
        self._exchange = torch.classes.greenlane.Exchange()
        self._error: Exception | None = None
        self._interrupt: BaseException | None = None

    def _run(self) -> None:
        self._error = None
        if self._interrupt is not None:
            return  # C++ takes a failed capture for a reason to run eagerly
        try:
            self._exchange.give(self._function(self._exchange.inputs()))
        except Exception as error:
            self._error = error
            self._exchange.fail(f"{type(error).__name__}: {error}")
        except BaseException as interrupt:
            self._interrupt = interrupt

    def call(self, native: Callable[[Any, int, int], Any]) -> Any:
        """What ``native(exchange, address, key)`` returns; where the last call of the function raised, that."""
        try:
            with Pending(self._run) as key:
                result = native(self._exchange, RUN_ADDRESS, key)
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
            self._error = self._interrupt = None
