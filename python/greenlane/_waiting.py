"""Waits for work on CPU lanes. Ctrl-C ends such a wait, and a thread that outlives Python may be ended in it."""

import atexit
import contextvars
import ctypes
import functools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import torch

from greenlane._exchange import RUN_ADDRESS, Pending
from greenlane._native import library, ops

_STEP: Final = 0.02
"""Seconds after which a thread that waits looks whether Python wants something of it."""
_LEFT_AT_END: Final = 0.5
"""Seconds for which the end of the program waits for work that nobody waits for any more."""
_WAY_BACK: Final = 0.02
"""Seconds for which the end of the program lets threads come back from greenlane's calls."""


@functools.cache
def _wait_function() -> Any:
    """Not by torchbind: a thread that Python ends after the call is unwound there through code that may not be."""
    function = ctypes.CDLL(str(library)).greenlane_wait
    function.argtypes = [ctypes.c_int64, ctypes.c_double]
    function.restype = ctypes.c_int
    return function


def _wait(address: int, seconds: float) -> bool:
    """Whether the work at an address of `Pending` is done; waits for it as long as that."""
    return bool(_wait_function()(address, seconds))


_left: list[Any] = []
"""Work that nobody waits for any more, and that may be under way."""


@contextmanager
def _dropped_at_interrupt(pending: Any) -> Iterator[None]:
    try:
        yield
    except BaseException:
        _left[:] = [other for other in _left if not _wait(other.address(), 0)]
        if not pending.cancel():
            _left.append(pending)
        raise


def outputs_of(pending: Any) -> list[torch.Tensor]:
    """Waits for what was submitted, and gives what came of it."""
    with _dropped_at_interrupt(pending):
        address = pending.address()
        while not _wait(address, _STEP):
            pass
    return list(pending.finish())


class _Call:
    """One call of a module on a worker's thread."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._work = work
        self._context = contextvars.copy_context()
        self._lock = threading.Lock()
        self._thread: int | None = None
        self._is_dropped = False
        self._results: list[Any] = []
        self._error: BaseException | None = None

    def run(self) -> None:
        """On the worker's thread."""
        with self._lock:
            if self._is_dropped:
                return
            self._thread = threading.get_ident()
        try:
            self._results.append(self._context.run(self._work))
        except BaseException as error:
            self._error = error
        finally:
            with self._lock:
                # An interrupt that comes too late would end whatever Python code this thread runs next.
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(threading.get_ident()), None)
                self._thread = None

    def interrupt(self) -> None:
        """Ends it by a KeyboardInterrupt in its thread, as soon as that runs Python code."""
        with self._lock:
            self._is_dropped = True
            if self._thread is not None:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(self._thread), ctypes.py_object(KeyboardInterrupt)
                )

    def result(self) -> Any:
        """What the module returned or raised. Context variables that it set are set for the caller, too."""
        if self._error is not None:
            try:
                raise self._error
            finally:
                self._error = None  # its traceback holds this frame, and lanes in it would wait for the collector
        missing = object()
        for variable, value in self._context.items():
            if variable.get(missing) is not value:
                variable.set(value)
        return self._results.pop()


def call_on_cpu(binding: Any, work: Callable[[], Any]) -> Any:
    """Runs on the worker of the lane that is bound, with the caller's context, and gives or raises what came of it."""
    call = _Call(work)
    with Pending(call.run) as key:
        try:
            outputs_of(binding.submit(RUN_ADDRESS, key))
        except KeyboardInterrupt:
            call.interrupt()
            raise
    return call.result()


def _end() -> None:
    until = time.monotonic() + _LEFT_AT_END
    for pending in _left:
        _wait(pending.address(), max(0.0, until - time.monotonic()))
    ops.end_python()
    # From now on threads stop inside of greenlane's calls. A thread that had left its call gets
    # Python's lock meanwhile.
    time.sleep(_WAY_BACK)


atexit.register(_end)
