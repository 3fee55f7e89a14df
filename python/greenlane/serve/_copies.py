"""The streams that carry requests' tensors to a GPU and back."""

import functools
from contextlib import AbstractContextManager, nullcontext

import torch

from greenlane._lanes import Lane, lane

_FIRST = -100  # more urgent than any lane: the driver takes its highest priority


def ahead_of_engines(device: torch.device) -> AbstractContextManager[object]:
    """Returns a context in which PyTorch's work on a GPU runs on a stream with a priority above all engines. On a CPU
    it changes nothing.

    The default stream has the lowest priority: a copy there waits behind the kernels of every engine, and the event
    loop with it.

    Thread safety: all threads may be in it at once; they share the device's stream.
    """
    return nullcontext() if device.type == "cpu" else _stream_of(str(device))


@functools.cache
def _stream_of(device: str) -> Lane:
    return lane(device, "copies of requests", priority=_FIRST)
