"""Devices, and the units that they can be divided into."""

from dataclasses import dataclass

import torch

from greenlane import _checked
from greenlane._native import ops


@dataclass(frozen=True)
class DeviceInfo:
    """A device of this machine.

    Units are SMs on a GPU and cores on a CPU. Partitions are made of whole groups of ``granularity`` units. The units
    that are left over form an odd group of ``remainder`` units. The odd group joins a partition of at least one whole
    group, or stays unused: kernels with thread-block clusters, cuBLAS's among them, fail on the odd group alone.
    """

    id: str
    """The identity: ``"cuda:N"`` or ``"cpu"``."""
    name: str
    """The name that the driver or the system gives."""
    units: int
    """Number of all units."""
    granularity: int
    """Number of units of a whole group."""
    remainder: int
    """Number of units of the odd group; 0: there is none."""
    obstacle: str
    """The reason why the device cannot be divided; empty if it can."""


@dataclass(frozen=True)
class HardwareQueues:
    """A GPU's hardware queues in this process, and the streams that share them."""

    in_force: int
    """Number of hardware queues."""
    streams: int
    """Number of streams that may have work at once: open lanes, adopted streams (each once), and the default stream."""


def hardware_queues(device: str | torch.device = "cuda:0") -> HardwareQueues:
    """Returns the number of a GPU's hardware queues in this process, and the number of streams that share them.

    Streams that share a queue wait for each other's work, even on disjoint SMs. With more streams than queues, lanes
    lose their isolation, and one warning says so. CUDA reads ``CUDA_DEVICE_MAX_CONNECTIONS`` once, when it starts.
    Importing greenlane sets that variable to 16, which is enough for 15 lanes, unless the variable is set already or
    PyTorch has started CUDA. The environment variable ``GREENLANE_HARDWARE_QUEUES`` changes that: a number from 8 to
    32, or ``keep`` to leave CUDA's variable alone. More queues than streams cost throughput (32: up to 4 %).

    >>> import greenlane as gl
    >>> gl.hardware_queues().in_force >= 1
    True

    :raises RuntimeError: the device is a CPU, which has no hardware queues.
    """
    queues = ops.hardware_queues(_checked.device(device))
    return HardwareQueues(queues.in_force(), queues.streams())


def devices() -> list[DeviceInfo]:
    """Returns all devices: the GPUs, then the CPU.

    >>> import greenlane as gl
    >>> gl.devices()[-1].id
    'cpu'
    """
    return [
        DeviceInfo(d.id(), d.name(), d.units(), d.granularity(), d.remainder(), d.obstacle()) for d in ops.devices()
    ]
