"""Latency per mode: the quantiles that results record, joined by lines."""

import plotly.graph_objects as go

from greenlane.report._figures import cell_of, deadline, durations, embed, grid, label, mode_style
from greenlane.report._forms import QUANTILES, EngineResult, Run
from greenlane.report._read import Documents
from greenlane.report._text import duration, heading, note

_NAMES = ("p50", "p90", "p99", "p99.9", "max")
_SHARES = (0.5, 0.9, 0.99, 0.999, None)
_MEAN = "mean"


def latency(documents: Documents) -> str:
    """Returns a plot for every engine of every file of results, with a line for each mode."""
    parts = []
    for index, run in enumerate(documents.runs):
        if any(engine.mean_us is not None for mode in run.modes for engine in mode.engines):
            parts += [heading(run.source.file), _figure(run, index)]
    if parts:
        parts.append(
            note(
                "Only the marks were recorded; lines between them lead the eye. Open marks: fewer requests were served "
                "than it takes for one to lie beyond that quantile."
            )
        )
    return "\n".join(parts)


def _figure(run: Run, index: int) -> str:
    names = run.engine_names()
    columns = min(2, len(names))
    figure = grid(names, columns)
    keyed: set[str] = set()
    for i, name in enumerate(names):
        cell = cell_of(i, columns)
        seen: list[float] = []
        for mode in run.modes:
            for engine in mode.engines:
                if engine.name != name or engine.mean_us is None:
                    continue
                figure.add_trace(_line(mode.name, engine, mode.name not in keyed), **cell)
                keyed.add(mode.name)
                seen += [value for value in (*engine.quantiles.values(), engine.mean_us) if value is not None]
        limits = {e.deadline_us for m in run.modes for e in m.engines if e.name == name and e.deadline_us is not None}
        for limit in sorted(limits):
            figure.add_trace(deadline([_MEAN, *_NAMES], limit, "deadline" not in keyed), **cell)
            keyed.add("deadline")
        figure.update_xaxes(
            type="category", categoryorder="array", categoryarray=[_MEAN, *_NAMES], gridcolor="#f1f3f5", **cell
        )
        figure.update_yaxes(**durations([*seen, *limits]), **cell)
    described = f"Latency quantiles of {', '.join(names)} in each mode; the table above has the numbers"
    return embed(figure, f"latency-{index}", described)


def _line(mode: str, engine: EngineResult, first: bool) -> go.Scatter:
    colour, mark, dash = mode_style(mode)
    served = engine.requests - engine.unserved
    values = [engine.quantiles[key] for key in QUANTILES]
    marks = [f"{mark}-open" if q is not None and served * (1 - q) < 1 else mark for q in _SHARES]
    texts = [f"{label(mode)}: {name} {duration(value)}" for name, value in zip(_NAMES, values, strict=True)]
    return go.Scatter(
        x=[_MEAN, _MEAN, *_NAMES],
        y=[engine.mean_us, None, *values],  # the gap separates the mean from the quantiles
        mode="lines+markers",
        line={"color": colour, "dash": dash, "width": 1.5},
        marker={"color": colour, "symbol": [mark, mark, *marks], "size": 8},
        name=f"mode {label(mode)}",
        legendgroup=label(mode),
        showlegend=first,
        hovertext=[f"{label(mode)}: mean {duration(engine.mean_us)}", "", *texts],
        hoverinfo="text",
    )
