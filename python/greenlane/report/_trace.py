"""Traces that ``greenlane run --trace`` wrote: spans on the tracks of each mode. Times are microseconds."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

from greenlane._fields import Fields, MalformedError
from greenlane.report._forms import Source

_MODE = "mode "


class Request(NamedTuple):
    """A request on its lane's track."""

    engine: str
    track: str
    begin: float
    end: float
    scheduled: float
    latency: float
    missed: bool


class Span(NamedTuple):
    """Another span of time: the closed gate, or a slice of a graph."""

    track: str
    begin: float
    end: float


@dataclass
class TracedMode:
    """The tracks of a mode, in their order, and the requests and spans on them."""

    name: str
    tracks: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)

    def latencies(self) -> dict[str, list[float]]:
        """Returns the sorted latencies of every engine."""
        found: dict[str, list[float]] = defaultdict(list)
        for request in self.requests:
            found[request.engine].append(request.latency)
        return {engine: sorted(values) for engine, values in found.items()}


@dataclass(frozen=True)
class Trace:
    """All modes of a run."""

    source: Source
    modes: list[TracedMode]

    @classmethod
    def of(cls, fields: Fields, file: str) -> "Trace":
        """Reads it from a file."""
        events = fields.children("traceEvents")
        modes, tracks = _names(events)
        if not modes and any(event.text("cat", "") == "kernel" for event in events):
            raise MalformedError(
                "it is the trace of an audit, whose times CUPTI makes longer: open it in ui.perfetto.dev"
            )
        if not modes:
            raise MalformedError("it has no modes of `greenlane run`")
        for event in events:
            process = event.count("pid", 0)
            if event.text("ph", "") == "X" and process in modes:
                track = tracks.get((process, event.count("tid", 0)), "")
                _add(modes[process], track, event)
        return cls(Source.of(fields, file), list(modes.values()))


def _names(events: list[Fields]) -> tuple[dict[int, TracedMode], dict[tuple[int, int], str]]:
    """Returns the modes by process and the tracks by process and thread, as the metadata names them."""
    modes: dict[int, TracedMode] = {}
    tracks: dict[tuple[int, int], str] = {}
    for event in events:
        if event.text("ph", "") != "M":
            continue
        kind, process = event.text("name"), event.count("pid")
        if kind not in ("process_name", "thread_name"):
            continue
        name = event.child("args").text("name")
        if kind == "process_name" and name.startswith(_MODE):
            modes[process] = TracedMode(name.removeprefix(_MODE))
        elif kind == "thread_name" and process in modes:
            tracks[process, event.count("tid")] = name
            modes[process].tracks.append(name)
    return modes, tracks


def _add(mode: TracedMode, track: str, event: Fields) -> None:
    begin = event.number("ts")
    end = begin + event.amount("dur")
    if event.text("cat", "") != "request":
        mode.spans.append(Span(track, begin, end))
        return
    args = event.child("args")
    mode.requests.append(
        Request(
            event.text("name"),
            track,
            begin,
            end,
            args.number("scheduled_us"),
            args.amount("latency_us"),
            args.flag("missed"),
        )
    )
