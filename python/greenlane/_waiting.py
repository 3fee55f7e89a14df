"""Waits for work on CPU lanes. Ctrl-C ends such a wait. At the end of the program, Python may end a waiting thread."""

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
"""Seconds after which a waiting thread lets Python handle signals."""
_FOR_EVER: Final = 1e6
"""Seconds for which a thread without signals waits at once."""
_LEFT_AT_END: Final = 0.5
"""Seconds that the end of the program waits for work that no thread waits for any more."""
_WAY_BACK: Final = 0.02
"""Seconds that the end of the program leaves threads to return from greenlane's calls."""


@functools.cache
def _wait_function() -> Any:
    """Returns the function that waits. It is called by ctypes and not torchbind: Python may end the thread after the
    call, and torchbind's frames may not be unwound."""
    function = ctypes.CDLL(str(library)).greenlane_wait
    function.argtypes = [ctypes.c_int64, ctypes.c_double]
    function.restype = ctypes.c_int
    return function


def _wait(address: int, seconds: float) -> bool:
    """Waits for the work at the address of a `Pending`, at most this long; returns whether the work is done."""
    return bool(_wait_function()(address, seconds))


def wait_for(waitable: Any, seconds: float | None = None) -> bool:
    """Waits for an object of C++ with an address, at most this long. Returns whether there is nothing to wait for.

    Ctrl-C ends the wait.
    """
    address = waitable.address()
    until = None if seconds is None else time.monotonic() + seconds
    while True:
        left = _STEP if until is None else until - time.monotonic()
        if _wait(address, min(_STEP, max(0.0, left))):
            return True
        if left <= 0:
            return False


def wait_in_background(waitable: Any) -> None:
    """Waits for an object of C++ with an address, without a step between. The thread handles no signals."""
    address = waitable.address()
    while not _wait(address, _FOR_EVER):
        pass


_left: list[Any] = []
"""Work that may be under way, and that no thread waits for any more."""


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
    """Waits for submitted work, and returns its outputs or raises its error."""
    with _dropped_at_interrupt(pending):
        wait_for(pending)
    return list(pending.finish())


class _Call:
    """A call of a module on a worker's thread."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._work = work
        self._context = contextvars.copy_context()
        self._lock = threading.Lock()
        self._thread: int | None = None
        self._is_dropped = False
        self._results: list[Any] = []
        self._error: BaseException | None = None

    def run(self) -> None:
        """Runs the call, on the worker's thread."""
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
                # An interrupt that comes too late would end other Python code that this thread runs next.
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(threading.get_ident()), None)
                self._thread = None

    def interrupt(self) -> None:
        """Ends the call by a KeyboardInterrupt in its thread, as soon as that thread runs Python code."""
        with self._lock:
            self._is_dropped = True
            if self._thread is not None:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(self._thread), ctypes.py_object(KeyboardInterrupt)
                )

    def result(self) -> Any:
        """Returns or raises the module's result. Context variables that the module set are set for the caller, too."""
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
    """Runs work on the worker of the bound lane, with the caller's context, and returns or raises its result."""
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
    # From now on threads stop inside greenlane's calls. A thread that had left its call gets Python's lock during this
    # sleep.
    time.sleep(_WAY_BACK)


atexit.register(_end)
