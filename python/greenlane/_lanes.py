"""Lanes: ordered queues on parts of a device, or on whole devices."""

import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Literal

import torch

from greenlane import _checked
from greenlane._green_contexts import sm_partition
from greenlane._native import ops
from greenlane._waiting import outputs_of

REST: Final[Literal["rest"]] = "rest"
"""A size in :func:`partition` that stands for all units that the other sizes leave."""


class _Entered(threading.local):
    """The scopes of one lane that the thread has entered: PyTorch's context of each, and the caller's CUDA context."""

    def __init__(self) -> None:
        self.scopes: list[tuple[torch.cuda.StreamContext, Any]] = []


class Lane:
    """An ordered queue for engines: a CUDA stream on SMs of its own, or a worker thread on cores of its own.

    :func:`partition` and :func:`lane` make lanes. On a GPU, a lane is also a context manager, inside which PyTorch
    enqueues work on it. The caller's stream, device and CUDA context are current again afterwards.
    A lane has ``__cuda_stream__``, so CuPy, cuda.core and Numba take it as a stream.

    Lifetime: its units return to the device when the last object that uses it, bound engines included, is gone.
    """

    def __init__(self, native: Any) -> None:
        self._native = native
        self._entered = _Entered()

    @property
    def name(self) -> str:
        """The lane's name in messages and reports."""
        return str(self._native.name())

    @property
    def device(self) -> torch.device:
        """The device that the lane is on."""
        return torch.device(self._native.device())

    @property
    def units(self) -> int:
        """Number of SMs or cores that the lane has: a request is rounded up to the device's granularity."""
        return int(self._native.units())

    @property
    def cpus(self) -> tuple[int, ...]:
        """The lane's cores, as the operating system numbers them; empty on a GPU, and without a partition."""
        return tuple(self._native.cpus())

    @property
    def stream(self) -> int:
        """The handle of the lane's CUDA stream, valid as long as the lane. Raises RuntimeError on a CPU lane."""
        self._require_stream()
        return int(self._native.stream())

    @property
    def torch_stream(self) -> torch.cuda.ExternalStream:
        """The lane's stream for PyTorch. Raises RuntimeError on a CPU lane."""
        self._require_stream()
        # PyTorch may remember the stream in tensors that outlive the lane.
        self._native.keep_stream()
        return torch.cuda.ExternalStream(self.stream, device=self.device)

    @property
    def sm_partition(self) -> Any:
        """The lane's SMs as a ``torch.cuda.green_contexts.SMPartition``, for PyTorch 2.15 and newer.

        A ``GreenContext(sm_partition=…)`` made of it shares the lane's SMs; kernels of both may run there at once. The
        partition keeps the lane alive, but a context does not keep its partition: hold it as long.

        :raises RuntimeError: this PyTorch has no such class, or the lane has no SMs of its own.
        """
        self._require_stream()
        return sm_partition(self.stream, self.device.index, self)

    def __cuda_stream__(self) -> tuple[int, int]:
        """Returns (version of the protocol, handle), for other libraries that take the stream."""
        return (0, self.stream)

    def __enter__(self) -> "Lane":
        former = torch.classes.greenlane.CallersContext()
        stream = torch.cuda.stream(self.torch_stream)
        stream.__enter__()
        self._entered.scopes.append((stream, former))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._entered.scopes:
            raise RuntimeError(f"lane {self.name!r} was exited without being entered: use `with lane:`")
        stream, former = self._entered.scopes.pop()
        try:
            stream.__exit__(kind, error, trace)
        finally:
            former.restore()  # PyTorch restores the device, and not the context

    def synchronize(self) -> None:
        """Waits until all work that was enqueued on the lane is done.

        On a CPU lane, Ctrl-C ends the wait; on a GPU it does not.
        """
        outputs_of(self._native.submit())

    def close(self) -> None:
        """Refuses new bindings from now on. Engines that are bound to the lane keep working."""
        self._native.close()

    @property
    def closed(self) -> bool:
        """True after :meth:`close` was called."""
        return bool(self._native.is_closed())

    def _require_stream(self) -> None:
        # C++ would name its own way to run work on the lane.
        if self._native.device() == "cpu":
            raise RuntimeError(
                f"lane {self.name!r} has no stream: it is a lane of the CPU; bind engines or modules to it "
                "(greenlane.bind) and call them, with greenlane.concurrently for branches, or open a greenlane.Pipeline"
            )

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError(
            f"lane {self.name!r} cannot be copied or saved: its units exist once, in this process; pass the lane "
            "itself, or its name"
        )

    def __repr__(self) -> str:
        return f"Lane({self.name!r}, device={str(self.device)!r}, units={self.units})"


def partition(device: str | torch.device, sizes: Mapping[str, int | Literal["rest"]]) -> dict[str, Lane]:
    """Divides a device: makes a partition, and a lane on it, for every name, or none at all.

    :param device: ``"cuda:0"``, ``"cpu"``, or ``"auto"`` for the first GPU if there is one.
    :param sizes: number of units (SMs or cores) by name, rounded up to the device's granularity; one of them may be
        :data:`REST`.
    :return: the lanes by name.
    :raises RuntimeError: the units are not free; the message lists the holders of units.
    :raises ValueError: a name is empty, or a size is neither positive nor :data:`REST`.
    :raises TypeError: ``sizes`` is no mapping, a name is no string, or a size is no whole number.

    >>> import greenlane as gl
    >>> lanes = gl.partition("cpu", {"one": 1})
    >>> lanes["one"]
    Lane('one', device='cpu', units=1)
    >>> gl.partition("cpu", {"many": 10_000})  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    RuntimeError: cannot give 10000 cores of cpu to 'many': 'one' holds 1; ...
    """
    if not isinstance(sizes, Mapping):
        raise TypeError(f"the sizes must be a mapping from names to numbers of units, not {_checked.one_line(sizes)}")
    names = [_checked.name(name, "the lane's name") for name in sizes]
    if "" in names:
        raise ValueError("the lane's name is empty: give it one, for messages and reports")
    units = [_units(name, size) for name, size in sizes.items()]
    lanes = ops.partition(_checked.device(device), names, units)
    return {name: Lane(native) for name, native in zip(names, lanes, strict=True)}


def _units(name: str, size: object) -> int | None:
    """Returns a checked number of units; None stands for the rest."""
    if isinstance(size, str):
        if size == REST:
            return None
        raise ValueError(f"cannot give {size!r} units to {name!r}: ask for a positive number or REST")
    # The device itself refuses a size that is too large for it, and says how much is free.
    units = _checked.whole(size, f"the size of {name!r}", -(2**63), 2**63 - 1)
    if units < 1:
        raise ValueError(f"cannot give {units} units to {name!r}: ask for a positive number or REST")
    if units >= 2**31:
        raise ValueError(f"cannot give {units} units to {name!r}: no device has so many")
    return units


def lane(device: str | torch.device, name: str = "", *, priority: int | None = None) -> Lane:
    """Makes a lane on the whole device: a plain stream, or a worker thread that is pinned to no cores.

    :param name: the name for messages and reports.
    :param priority: the CUDA stream's priority (lower is more urgent), or a nice value on the CPU.
    """
    checked = None if priority is None else _checked.whole(priority, "the priority")
    return Lane(ops.whole_device_lane(_checked.device(device), _checked.name(name, "the lane's name"), checked))
