"""The ends of pipelines' runs, told to event loops and to callbacks without polling."""

import asyncio
import functools
import itertools
import logging
import os
import threading
import weakref
from collections.abc import Callable
from typing import Any

import torch

from greenlane._waiting import wait_in_background

_log = logging.getLogger("greenlane")
_numbers = itertools.count(1)


class _LoopRuns:
    """The runs that the coroutines of one event loop wait for. The loop itself keeps it alive."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._native = torch.classes.greenlane.Completions()
        self._waiting: dict[int, asyncio.Future[None]] = {}
        loop.add_reader(self._native.descriptor(), self._read)

    async def until_done(self, run: Any) -> None:
        """Returns when the run has ended."""
        number = next(_numbers)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            run.notify(self._native, number)
            await self._waiting[number]
        finally:
            self._waiting.pop(number, None)

    def _read(self) -> None:
        for number in self._native.take():
            future = self._waiting.get(number)
            if future is not None and not future.done():
                future.set_result(None)


_lock = threading.Lock()
# A strong reference would keep the loop alive, because futures refer to their loop.
_of_loops: "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, weakref.ref[_LoopRuns]]" = weakref.WeakKeyDictionary()


async def until_done(run: Any) -> None:
    """Returns when a run of C++'s has ended. Coroutines of one loop continue in the order of the ends."""
    loop = asyncio.get_running_loop()
    with _lock:
        known = _of_loops.get(loop)
        runs = None if known is None else known()
        if runs is None:
            runs = _LoopRuns(loop)
            _of_loops[loop] = weakref.ref(runs)
    await runs.until_done(run)


class _Callbacks:
    """A thread that calls functions when runs end."""

    def __init__(self) -> None:
        self._native = torch.classes.greenlane.Completions()
        self._functions: dict[int, Callable[[], object]] = {}
        threading.Thread(target=self._deliver, name="greenlane callbacks", daemon=True).start()

    def add(self, run: Any, function: Callable[[], object]) -> None:
        number = next(_numbers)
        self._functions[number] = function
        run.notify(self._native, number)

    def _deliver(self) -> None:
        while True:
            wait_in_background(self._native)
            for number in self._native.take():
                call_back_for_ever(self._functions.pop(number))


_callbacks = functools.cache(_Callbacks)
os.register_at_fork(after_in_child=_callbacks.cache_clear)  # the child does not have the thread


def when_done(run: Any, function: Callable[[], object]) -> None:
    """Calls a function when a run of C++'s has ended, on a thread of greenlane's; at once if it has ended already."""
    if run.is_done():
        call_back(function)
    else:
        with _lock:
            callbacks = _callbacks()
        callbacks.add(run, function)


def call_back(function: Callable[[], object]) -> None:
    """Calls a function of the user's, and logs its error. SystemExit and its like leave the caller's thread."""
    try:
        function()
    except Exception:
        _log.exception("a callback failed: %r", function)


def call_back_for_ever(function: Callable[[], object]) -> None:
    """As :func:`call_back`, for a thread of greenlane's: nothing ends it, SystemExit included."""
    try:
        call_back(function)
    except BaseException:
        _log.exception("a callback failed: %r", function)
