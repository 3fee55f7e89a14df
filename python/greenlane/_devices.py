"""Devices and what they can be divided into."""

from dataclasses import dataclass

from greenlane._native import ops


@dataclass(frozen=True)
class DeviceInfo:
    """A device of this machine.

    Units are SMs on a GPU and cores on a CPU. Partitions are made of whole groups of ``granularity`` units; what does
    not divide is an odd group of ``remainder`` units. The odd group joins a partition of at least one whole group, or
    stays unused: kernels with thread-block clusters, cuBLAS's among them, fail on the odd group alone.
    """

    id: str
    name: str
    units: int
    granularity: int
    remainder: int
    obstacle: str
    """Why the device cannot be divided; empty where it can."""


def devices() -> list[DeviceInfo]:
    """All devices: the GPUs, then the CPU.

    >>> import greenlane as gl
    >>> gl.devices()[-1].id
    'cpu'
    """
    return [
        DeviceInfo(d.id(), d.name(), d.units(), d.granularity(), d.remainder(), d.obstacle()) for d in ops.devices()
    ]
