"""Latency distributions, from every request in a trace."""

import math
from collections import Counter
from collections.abc import Sequence

import plotly.graph_objects as go

from greenlane.report._figures import cell_of, durations, embed, grid, label, mode_style
from greenlane.report._read import Documents
from greenlane.report._text import duration, heading, note, share
from greenlane.report._trace import Trace

_BINS_PER_DECADE = 20
_POINTS = 400  # most points of a curve, so that the page stays small however long the run was


def distributions(documents: Documents) -> str:
    """Returns, for every engine of every trace, a histogram and the share of requests that took at least some time."""
    parts = []
    for index, trace in enumerate(documents.traces):
        if any(mode.requests for mode in trace.modes):
            parts += [heading(trace.source.file), _figure(trace, index)]
    if parts:
        parts.append(
            note(
                f"Left: the share of requests in each of {_BINS_PER_DECADE} bins per decade. Right: the share that "
                "took at least so long; where a line ends is the longest request, and its height one request."
            )
        )
    return "\n".join(parts)


def _figure(trace: Trace, index: int) -> str:
    latencies = {mode.name: mode.latencies() for mode in trace.modes}
    names = list(dict.fromkeys(name for engines in latencies.values() for name in engines))
    figure = grid([title for name in names for title in (name, f"{name}: at least so long")], 2)
    keyed: set[str] = set()
    for i, name in enumerate(names):
        left, right = cell_of(2 * i, 2), cell_of(2 * i + 1, 2)
        values: list[float] = []
        for mode, engines in latencies.items():
            if name not in engines:
                continue
            values += engines[name]
            figure.add_trace(_histogram(mode, engines[name], mode not in keyed), **left)
            figure.add_trace(_survival(mode, engines[name]), **right)
            keyed.add(mode)
        for cell in (left, right):
            figure.update_xaxes(**durations(values), **cell)
        figure.update_yaxes(rangemode="tozero", tickformat=".0%", gridcolor="#f1f3f5", **left)
        figure.update_yaxes(type="log", tickformat="~%", dtick=1, gridcolor="#f1f3f5", **right)
    return embed(figure, f"distribution-{index}", f"Latency distributions of {', '.join(names)} in each mode")


def _histogram(mode: str, latencies: Sequence[float], first: bool) -> go.Scatter:
    bins = Counter(math.floor(math.log10(max(value, 1e-3)) * _BINS_PER_DECADE) for value in latencies)
    shown = range(min(bins) - 1, max(bins) + 2)
    edges = [10 ** (b / _BINS_PER_DECADE) for b in (*shown, shown.stop)]
    shares = [bins[b] / len(latencies) for b in shown]
    texts = [
        f"{label(mode)}: {bins[b]} of {len(latencies)} from {duration(edges[i])} to {duration(edges[i + 1])}"
        for i, b in enumerate(shown)
    ]
    colour, _, _ = mode_style(mode)
    return go.Scatter(
        x=edges,
        y=[*shares, 0.0],
        mode="lines",
        line={"color": colour, "width": 1.5, "shape": "hv"},
        name=f"mode {label(mode)}",
        legendgroup=label(mode),
        showlegend=first,
        hovertext=[*texts, texts[-1]],
        hoverinfo="text",
    )


def _survival(mode: str, latencies: Sequence[float]) -> go.Scatter:
    total = len(latencies)
    # Ranks count from the longest latency. All of the longest are points; the shorter the latency, the sparser the
    # points.
    ranks = sorted({round(total ** (i / (_POINTS - 1))) for i in range(_POINTS)}, reverse=True)
    points = [(latencies[total - rank], rank / total) for rank in ranks]
    colour, _, _ = mode_style(mode)
    return go.Scatter(
        x=[value for value, _ in points],
        y=[part for _, part in points],
        mode="lines" if total > 1 else "markers",
        line={"color": colour, "width": 1.5, "shape": "vh"},
        marker={"color": colour},
        legendgroup=label(mode),
        showlegend=False,
        hovertext=[f"{label(mode)}: {share(part)} took {duration(value)} or longer" for value, part in points],
        hoverinfo="text",
    )
