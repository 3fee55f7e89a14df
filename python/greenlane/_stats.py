"""Live figures of a pipeline."""

import json
from dataclasses import dataclass
from typing import Any, Literal

from greenlane._gates import GateReport
from greenlane._graphs import LongKernel


@dataclass(frozen=True)
class LatencyFigures:
    """Latencies in microseconds, from the arrival to the end of the work on the device. All are 0 without runs."""

    count: int
    """Number of runs."""
    p50_us: float
    """The median."""
    p90_us: float
    """90 of 100 runs take no longer."""
    p99_us: float
    """99 of 100 runs take no longer."""
    max_us: float
    """The longest."""


@dataclass(frozen=True)
class RunFigures:
    """The runs of one engine since the pipeline was opened."""

    runs: int
    """Requests and runs of timers that ended with outputs. On a CPU calls are runs, too."""
    calls: int
    """Calls that returned outputs, on a GPU."""
    failed: int
    """Runs and calls that ended with the engine's error."""
    misses: int
    """Runs later than the deadline, skipped ticks, and requests that were dropped because they were late."""
    skipped: int
    """Ticks of a timer that passed while the engine was busy."""
    dropped: int
    """Requests whose deadline passed before they began."""
    rejected: int
    """Requests that found the queue full, or were beyond the limits of their tenant."""
    cancelled: int
    """Requests that were cancelled before they began."""
    rate_hz: float
    """Runs per second in the last ten seconds."""
    recent: LatencyFigures
    """Latencies of the last ten seconds."""
    whole: LatencyFigures
    """Latencies of all runs."""
    not_ready: int
    """Runs that were skipped because an edge had no value yet."""
    stale: int
    """Runs that were skipped because their inputs were older than ``max_age_ms``."""
    ages: LatencyFigures
    """Ages of the inputs of all runs from edges: from the publication of the oldest source item in them to the start of
    the run."""
    batches: int
    """Runs that served requests together; 0 without ``max_batch``."""
    batch_rows: int
    """Rows of requests in them."""
    padding_rows: int
    """Rows that filled them up to a listed size."""


@dataclass(frozen=True)
class EdgeStats:
    """An edge: all that an engine takes from one producer, since the pipeline was opened."""

    producer: str
    """The name of the source or engine."""
    waiting: int
    """Values in the queue."""
    taken: int
    """Values that a run has read, each counted once."""
    dropped: int
    """Values that newer ones replaced before a run read them."""
    rejected: int
    """Values that found the queue full."""


@dataclass(frozen=True)
class PathStats:
    """A path from a source to an engine, since the pipeline was opened."""

    name: str
    """The path's name."""
    source: str
    """The source's name."""
    engine: str
    """The engine's name."""
    deadline_ms: float | None
    """Its deadline in milliseconds; None: measured only."""
    items: int
    """Items that a result contained."""
    misses: int
    """Items whose latency was longer than the deadline."""
    dropped: int
    """Items that no result contained, though one contained a newer item."""
    recent: LatencyFigures
    """From publication to the first result that contained the item, in the last ten seconds."""
    whole: LatencyFigures
    """The same of all items."""


@dataclass(frozen=True)
class GraphFigures:
    """The CUDA graphs of an engine."""

    replays: int
    """Number of launches."""
    kernel_units: int | None
    """Number of units that kernels were picked for; None: the whole device."""
    bytes: int
    """Bytes of device memory."""
    slices: int
    """Number of slices of each launch."""
    longest_slice_us: float
    """The longest slice in microseconds, as measured; 0: not measured."""
    long_kernel: LongKernel | None
    """A kernel that urgent engines wait for; None: there is none, or it was not measured."""
    obstacle: str
    """The reason why there are none; empty if there are."""


@dataclass(frozen=True)
class EngineStats:
    """One engine of a pipeline."""

    name: str
    """The engine's name."""
    lane: str
    """The name of its lane."""
    device: str
    """Its device, such as ``"cuda:0"``."""
    units: int
    """Number of units of its lane."""
    deadline_ms: float | None
    """Its deadline in milliseconds; None: best effort."""
    in_python: bool
    """True for a module that runs under Python's lock."""
    figures: RunFigures
    """Its runs."""
    queued: int
    """Requests that have not begun."""
    is_busy: bool
    """True while a request or a timer's run is under way."""
    error: str
    """The reason why it stopped; empty while it serves."""
    graphs: GraphFigures | None
    """Its CUDA graphs; None on a CPU, and without graphs."""
    edges: dict[str, EdgeStats]
    """Its edges by the names of their producers; empty once the pipeline is closed."""


@dataclass(frozen=True)
class TenantStats:
    """One tenant of a pipeline, since the pipeline was opened."""

    name: str
    """The tenant's name."""
    weight: float
    """Its share of best-effort time, relative to other tenants."""
    waiting: int
    """Requests that have not begun."""
    refused: int
    """Requests beyond its own limits."""
    busy_s: float
    """Seconds of the runs of all its requests."""


@dataclass(frozen=True)
class DeviceStats:
    """One device of a pipeline."""

    device: str
    """Its name, such as ``"cuda:0"``."""
    gate: GateReport | None
    """The use of its gate since the pipeline was opened; None: no engine lets others pass."""
    allocator_bytes: int
    """Bytes that PyTorch's caching allocator holds."""


@dataclass(frozen=True)
class PipelineStats:
    """The figures of a pipeline at one time."""

    engines: dict[str, EngineStats]
    """The engines by their names, in the order of the configuration."""
    sources: dict[str, int]
    """The number of items that each source has published; empty once the pipeline is closed."""
    paths: dict[str, PathStats]
    """The paths by their names; empty once the pipeline is closed."""
    tenants: dict[str, TenantStats]
    """The tenants by their names; empty once the pipeline is closed."""
    devices: dict[str, DeviceStats]
    """The devices by their names; empty once the pipeline is closed."""
    open_for_s: float
    """Seconds since the pipeline was opened."""
    host_bytes: int
    """Bytes of the process's resident memory."""
    is_running: bool
    """True between :meth:`Pipeline.start` and :meth:`Pipeline.stop`."""
    is_broken: bool
    """True once an engine hangs."""


@dataclass(frozen=True)
class Miss:
    """A run that missed its deadline, or that was not made in time."""

    engine: str
    """The engine's name."""
    kind: Literal["late", "skipped", "dropped"]
    """``"late"``: it ended after its deadline. ``"skipped"``: ticks of a timer passed while the engine was busy.
    ``"dropped"``: the deadline of a request passed before it began."""
    latency_us: float
    """Microseconds from the arrival until the miss was found."""
    deadline_us: float
    """The deadline of the engine or the request, in microseconds."""


def stats_of(text: str) -> PipelineStats:
    """Makes figures of C++'s JSON."""
    document: dict[str, Any] = json.loads(text)
    engines = {each["name"]: _engine(each) for each in document.pop("engines")}
    sources = {each["name"]: each["published"] for each in document.pop("sources")}
    paths = {each["name"]: PathStats(**_with_figures(each, "recent", "whole")) for each in document.pop("paths")}
    tenants = {each["name"]: TenantStats(**each) for each in document.pop("tenants")}
    devices = {each["device"]: _device(each) for each in document.pop("devices")}
    return PipelineStats(engines=engines, sources=sources, paths=paths, tenants=tenants, devices=devices, **document)


def _with_figures(fields: dict[str, Any], *names: str) -> dict[str, Any]:
    """Returns the fields, with latency figures under these names."""
    return fields | {name: LatencyFigures(**fields[name]) for name in names}


def _engine(fields: dict[str, Any]) -> EngineStats:
    figures, graphs, edges = (fields.pop(name) for name in ("figures", "graphs", "edges"))
    return EngineStats(
        figures=RunFigures(**_with_figures(figures, "recent", "whole", "ages")),
        graphs=None if graphs is None else _graphs(graphs),
        edges={each["producer"]: EdgeStats(**each) for each in edges},
        **fields,
    )


def _graphs(fields: dict[str, Any]) -> GraphFigures:
    kernel = fields.pop("long_kernel")
    return GraphFigures(long_kernel=None if kernel is None else LongKernel(**kernel), **fields)


def _device(fields: dict[str, Any]) -> DeviceStats:
    gate = fields.pop("gate")
    return DeviceStats(gate=None if gate is None else GateReport(**gate), **fields)
