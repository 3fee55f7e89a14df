"""CUDA graphs of engines: the options to ask for them, and reports on them."""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Graphs: TypeAlias = Literal["off", "resident"]
"""The choice whether a bound engine's calls on a GPU are replayed from CUDA graphs: ``"resident"``, or ``"off"``."""
Outputs: TypeAlias = Literal["copies", "views"]
"""The result of a replayed call: tensors of its own, or views of the graph's memory, which the next call overwrites."""


@dataclass(frozen=True)
class LongKernel:
    """The longest kernel of a best-effort engine's graph that is longer than the slices that were wanted.

    It cannot be cut, so urgent engines on the same units wait for it.
    """

    name: str
    """Its name as in the source; empty if the driver does not tell it."""
    time_us: float
    """Its time in microseconds, as measured."""
    kernels: int
    """Number of kernels in this time: more than one if no cut can part them. The name is that of the first."""


@dataclass(frozen=True)
class GraphInfo:
    """One graph of an engine or a module."""

    units: int
    """Number of units of the lane that it runs on."""
    kernel_units: int | None
    """Number of units that its kernels were picked for; None: the whole device."""
    replays: int
    """Number of launches."""
    slices: int
    """Number of slices that it is launched in: more than one if it lets urgent engines pass."""
    moved: bool = False
    """Whether it was captured on other units. Its kernels were picked for those; see :meth:`Engine.retune`."""
    long_kernel: LongKernel | None = None
    """A kernel that urgent engines wait for; None: there is none, or it was not measured."""


@dataclass(frozen=True)
class GraphReport:
    """The graphs of an engine or a module."""

    graphs: tuple[GraphInfo, ...]
    """The graphs; the one used last comes first."""
    bytes: int
    """Bytes of device memory that they hold."""
    obstacle: str
    """The reason why some calls have no graph; empty if there is no such call."""
    move_obstacle: str = ""
    """The reason why graphs did not move along at the last rebind, and were captured anew; empty if all moved."""


@dataclass(frozen=True)
class CallOptions:
    """The way in which a bound thing's calls run on a GPU."""

    graphs: bool = False
    views: bool = False
    tune: bool = True
    urgent: float | None = None
    gates: str = "off"

    def has_graphs_of(self, other: "CallOptions") -> bool:
        """Returns whether the other options are for the same graphs."""
        return (self.graphs, self.views, self.tune) == (other.graphs, other.views, other.tune)


def report_of(native: Any) -> GraphReport | None:
    """Makes a report of C++'s; None if there are no graphs."""
    if native is None:
        return None
    graphs = tuple(_info_of(each) for each in native.graphs())
    return GraphReport(graphs, native.bytes(), native.obstacle(), native.move_obstacle())


def _info_of(native: Any) -> GraphInfo:
    kernel = native.long_kernel()
    return GraphInfo(
        native.units(),
        native.kernel_units(),
        native.replays(),
        native.slices(),
        native.moved(),
        None if kernel is None else LongKernel(*kernel),
    )


def check_options(graphs: str, outputs: str) -> None:
    """Raises ValueError unless both options are known."""
    if graphs not in ("off", "resident"):
        raise ValueError(f"graphs={graphs!r} is invalid: use 'off' or 'resident'")
    if outputs not in ("copies", "views"):
        raise ValueError(f"outputs={outputs!r} is invalid: use 'copies' or 'views'")
