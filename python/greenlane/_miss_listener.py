"""The thread that tells a program of missed deadlines."""

import functools
import threading
from collections.abc import Callable
from typing import Any

import torch

from greenlane._completions import call_back_for_ever
from greenlane._stats import Miss
from greenlane._waiting import wait_in_background

_LONGEST_CALL = 1.0
"""Seconds for which the end waits for a function that is being called."""


class MissListener:
    """Calls a function for each miss, on a thread of its own, which waits without Python's lock."""

    def __init__(self, function: Callable[[Miss], object]) -> None:
        self.native = torch.classes.greenlane.Misses()
        """C++'s end, which takes misses and never waits."""
        self._thread = threading.Thread(
            target=_deliver, args=(self.native, function), name="greenlane misses", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Ends the thread. Misses that wait for it are dropped."""
        self.native.close()
        if threading.current_thread() is not self._thread:
            self._thread.join(_LONGEST_CALL)


def _deliver(native: Any, function: Callable[[Miss], object]) -> None:
    while not native.is_closed():
        wait_in_background(native)
        for engine, kind, latency, deadline in native.take():
            if native.is_closed():
                break
            call_back_for_ever(functools.partial(function, Miss(engine, kind, latency, deadline)))
