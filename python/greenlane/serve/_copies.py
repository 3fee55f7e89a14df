"""The streams that carry requests' tensors to a GPU and back."""

from contextlib import AbstractContextManager, nullcontext

import torch

from greenlane._lanes import Lane
from greenlane._native import ops


def ahead_of_engines(device: torch.device) -> AbstractContextManager[object]:
    """Returns a context in which PyTorch's work on a GPU runs on the stream for copies, which no engine comes before.
    On a CPU it changes nothing.

    The default stream has the lowest priority: a copy there waits behind the kernels of every engine, and the event
    loop with it.

    Thread safety: all threads may be in it at once; they share the device's stream. One thread may enter it again.
    """
    return nullcontext() if device.type == "cpu" else Lane(ops.copy_lane(str(device)))
