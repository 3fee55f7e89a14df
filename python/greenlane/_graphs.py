"""CUDA graphs of engines: how they are asked for, and what is known of them."""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Graphs: TypeAlias = Literal["off", "resident"]
"""Whether calls of an engine that is bound to a lane of a GPU are replayed from CUDA graphs."""
Outputs: TypeAlias = Literal["copies", "views"]
"""What a replayed call returns: tensors of its own, or the graph's, which the next call overwrites."""


@dataclass(frozen=True)
class GraphInfo:
    """One graph of an engine."""

    units: int
    """Of the lane that it runs on."""
    kernel_units: int | None
    """For which its kernels were picked; None: for the whole device."""
    replays: int
    slices: int
    """That it is launched in: more than one where it lets urgent engines pass."""


@dataclass(frozen=True)
class GraphReport:
    """The graphs of an engine: those used last first, the device memory that they hold, why some call has none."""

    graphs: tuple[GraphInfo, ...]
    bytes: int
    obstacle: str


@dataclass(frozen=True)
class GraphOptions:
    """How a module's calls are replayed."""

    views: bool
    tune: bool


def report_of(native: Any) -> GraphReport | None:
    """From what C++ gives; None where there are no graphs."""
    if native is None:
        return None
    units, kernel_units, replays, slices, size, obstacle = native
    each = zip(units, kernel_units, replays, slices, strict=True)
    return GraphReport(tuple(GraphInfo(u, None if k < 0 else k, r, s) for u, k, r, s in each), size, obstacle)


def check_options(graphs: str, outputs: str) -> None:
    """ValueError for what is no option."""
    if graphs not in ("off", "resident"):
        raise ValueError(f"graphs={graphs!r}: use 'off' or 'resident'")
    if outputs not in ("copies", "views"):
        raise ValueError(f"outputs={outputs!r}: use 'copies' or 'views'")
