"""An excerpt of a trace around its worst request."""

from statistics import median

import plotly.graph_objects as go

from greenlane.report._figures import ALARM, COLOURS, MUTED, embed, label, look
from greenlane.report._read import Documents
from greenlane.report._text import duration, heading, note
from greenlane.report._trace import Request, Span, TracedMode

_WINDOW_US = 50_000.0
_BEFORE_US = 5_000.0  # part of the window before the arrival
_AFTER_US = 10_000.0  # least part of the window after the end


def timeline(documents: Documents) -> str:
    """Returns a plot for every mode of every trace."""
    parts = []
    for index, trace in enumerate(documents.traces):
        for each, mode in enumerate(trace.modes):
            if mode.requests:
                worst = worst_request(mode)
                parts += [
                    heading(f"{trace.source.file}: mode {mode.name}"),
                    note(_about(worst)),
                    _figure(mode, worst, f"timeline-{index}-{each}"),
                ]
    if parts:
        parts.append(
            note(
                "Bars on a lane are requests while they were served, the upright lines their scheduled arrivals; "
                "red edges: the deadline was missed. Drag to zoom, double-click for all; Perfetto opens the rest."
            )
        )
    return "\n".join(parts)


def worst_request(mode: TracedMode) -> Request:
    """Returns the request with the highest ratio of latency to its engine's median; misses come before all others."""
    medians = {engine: median(values) for engine, values in mode.latencies().items()}
    return max(mode.requests, key=lambda each: (each.missed, each.latency / max(medians[each.engine], 1e-3)))


def window_of(worst: Request) -> tuple[float, float]:
    """Returns begin and end of the excerpt: it holds the whole request if that fits, else the request's end."""
    begin = max(worst.scheduled - _BEFORE_US, worst.end + _AFTER_US - _WINDOW_US, 0.0)
    return begin, begin + _WINDOW_US


def _about(worst: Request) -> str:
    missed = ", after its deadline" if worst.missed else ""
    return (
        f"{worst.engine} at {worst.scheduled / 1e3:.1f} ms: ready {duration(worst.latency)} after its arrival{missed}. "
        f"It waited for {duration(max(0.0, worst.begin - worst.scheduled))} before it was served."
    )


def _figure(mode: TracedMode, worst: Request, identity: str) -> str:
    begin, end = window_of(worst)
    figure = go.Figure()
    requests = [each for each in mode.requests if each.end > begin and each.begin < end]
    engines = list(dict.fromkeys(each.engine for each in mode.requests))
    for i, engine in enumerate(engines):
        _add_requests(figure, engine, [each for each in requests if each.engine == engine], COLOURS[i % len(COLOURS)])
    figure.add_trace(_missed([each for each in requests if each.missed]))
    spans = [span for span in mode.spans if span.end > begin and span.begin < end]
    for track in dict.fromkeys(span.track for span in spans):
        figure.add_trace(_spans(track, [span for span in spans if span.track == track]))
    arrivals = [each for each in requests if begin <= each.scheduled <= end]
    figure.add_trace(_arrivals(arrivals))
    figure.add_vrect(
        x0=max(worst.scheduled, begin) / 1e3,
        x1=worst.end / 1e3,
        fillcolor=ALARM,
        opacity=0.07,
        line_width=0,
        layer="below",
    )
    figure.update_layout(**look(130 + 46 * len(mode.tracks)), barmode="overlay", bargap=0.35)
    figure.update_xaxes(
        range=[begin / 1e3, end / 1e3], title="ms since the measurement began", gridcolor="#e5e7eb", zeroline=False
    )
    tracks = [label(track) for track in mode.tracks]
    figure.update_yaxes(
        type="category",
        categoryorder="array",
        categoryarray=tracks[::-1],
        range=[-0.6, len(tracks) - 0.4],
        automargin=True,
    )
    return embed(figure, identity, f"What ran when in mode {mode.name}, around {_about(worst)}")


def _add_requests(figure: go.Figure, engine: str, requests: list[Request], colour: str) -> None:
    texts = [
        f"{label(engine)}: latency {duration(each.latency)}, served in {duration(each.end - each.begin)}"
        + (", deadline missed" if each.missed else "")
        for each in requests
    ]
    figure.add_trace(
        go.Bar(
            orientation="h",
            base=[each.begin / 1e3 for each in requests],
            x=[(each.end - each.begin) / 1e3 for each in requests],
            y=[label(each.track) for each in requests],
            marker={
                "color": colour,
                "line": {"color": "white", "width": 0.5},
            },
            name=label(engine),
            hovertext=texts,
            textposition="none",
            hoverinfo="text",
        )
    )


def _missed(requests: list[Request]) -> go.Bar:
    """Returns red edges around the requests that missed their deadlines."""
    return go.Bar(
        orientation="h",
        base=[each.begin / 1e3 for each in requests],
        x=[(each.end - each.begin) / 1e3 for each in requests],
        y=[label(each.track) for each in requests],
        marker={"color": "rgba(0,0,0,0)", "line": {"color": ALARM, "width": 2.5}},
        name="deadline missed",
        showlegend=bool(requests),
        hoverinfo="skip",
    )


def _spans(track: str, spans: list[Span]) -> go.Bar:
    what = "gate closed" if track == "gate" else "slice"
    return go.Bar(
        orientation="h",
        base=[span.begin / 1e3 for span in spans],
        x=[(span.end - span.begin) / 1e3 for span in spans],
        y=[label(track)] * len(spans),
        marker={"color": MUTED if track == "gate" else "#9ca3af", "line": {"width": 0}},
        showlegend=False,
        hovertext=[f"{what} for {duration(span.end - span.begin)}" for span in spans],
        textposition="none",
        hoverinfo="text",
    )


def _arrivals(requests: list[Request]) -> go.Scatter:
    return go.Scatter(
        x=[each.scheduled / 1e3 for each in requests],
        y=[label(each.track) for each in requests],
        mode="markers",
        marker={"symbol": "line-ns-open", "size": 26, "color": "#1f2933", "line": {"width": 1}},
        name="arrival",
        hovertext=[f"{label(each.engine)} arrives" for each in requests],
        hoverinfo="text",
    )
