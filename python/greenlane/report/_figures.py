"""Plots: their common look, and the HTML that embeds them."""

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go
from plotly.io import to_html
from plotly.offline import get_plotlyjs
from plotly.subplots import make_subplots

from greenlane.report._text import duration
from greenlane.report._text import escape as escape_attribute

# Okabe and Ito's colours, which colour-blind readers can tell apart. Modes differ in their marks and dashes as well.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d31", "#6a51a3")
"""Colours of lanes and engines, in their order."""
ALARM = "#b00020"
"""Colour of deadlines and late requests."""
MUTED = "#6b7280"

# Plotly shows by default a button that sends a plot's data to its makers.
_CONFIG = {
    "showSendToCloud": False,
    "plotlyServerURL": "",
    "displaylogo": False,
    "responsive": True,
    "typesetMath": False,
    "modeBarButtonsToRemove": ["lasso2d", "select2d"],
}

_MODES = {
    "lanes": (COLOURS[0], "circle", "solid"),
    "gates": (COLOURS[2], "diamond", "dash"),
    "shared": (COLOURS[1], "square", "dot"),
    "priority": (COLOURS[3], "triangle-up", "dashdot"),
}


def mode_style(mode: str) -> tuple[str, str, str]:
    """Returns colour, mark and dash of a mode, the same in all plots."""
    return _MODES.get(mode, (MUTED, "x", "longdash"))


def label(text: object) -> str:
    """Escapes a text for a plot, because Plotly reads some texts as HTML."""
    return escape(str(text), quote=False)


def library() -> str:
    """Returns Plotly's JavaScript for the page's head, once for all plots."""
    return f"<script>{get_plotlyjs()}</script>"


def grid(titles: Sequence[str], columns: int, *, row_height: int = 300, gap: int = 85) -> go.Figure:
    """Returns a figure of several plots, named by these titles row by row; ``gap`` is in pixels."""
    rows = math.ceil(len(titles) / columns)
    height = rows * row_height + 110
    figure = make_subplots(
        rows=rows,
        cols=columns,
        subplot_titles=[label(title) for title in titles],
        horizontal_spacing=0.09,
        vertical_spacing=min(0.5 / rows, gap / height),
    )
    figure.update_layout(**look(height))
    return figure


def look(height: int) -> dict[str, Any]:
    """Returns the layout that all plots share."""
    return {
        "template": "none",
        "height": height,
        "font": {"family": "system-ui, sans-serif", "size": 13, "color": "#1f2933"},
        "margin": {"l": 70, "r": 20, "t": 70, "b": 50},
        "legend": {"orientation": "h", "x": 0, "y": 1, "yref": "container", "yanchor": "top"},
        "hoverlabel": {"align": "left"},
    }


def cell_of(index: int, columns: int) -> dict[str, int]:
    """Returns the row and column of the plot of this index in a grid."""
    return {"row": index // columns + 1, "col": index % columns + 1}


def durations(values: Iterable[float]) -> dict[str, Any]:
    """Returns a logarithmic axis for these times in microseconds, with ticks that name their unit."""
    positive = [value for value in values if value > 0] or [1.0]
    low, high = min(positive) / 1.3, max(positive) * 1.3
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 1.5, 2, 3, 4, 5, 6, 8) if high / low < 8 else (1, 2, 5) if high / low < 300 else (1,)
    ticks = [step * 10.0**decade for decade in decades for step in steps]
    shown = [tick for tick in ticks if low <= tick <= high]
    return {
        "type": "log",
        "range": [math.log10(low), math.log10(high)],
        "tickvals": shown,
        "ticktext": [_tick(tick) for tick in shown],
        "gridcolor": "#e5e7eb",
        "zeroline": False,
    }


def _tick(microseconds: float) -> str:
    for size, unit in ((1e6, "s"), (1e3, "ms"), (1, "µs")):
        if microseconds >= size:
            return f"{microseconds / size:g} {unit}"
    return f"{microseconds * 1e3:g} ns"


def deadline(values: Sequence[Any], microseconds: float, first: bool) -> go.Scatter:
    """Returns a horizontal line at a deadline, over these values of the other axis."""
    return go.Scatter(
        x=list(values),
        y=[microseconds] * len(values),
        mode="lines",
        line={"color": ALARM, "dash": "dash", "width": 1.5},
        name="deadline",
        legendgroup="deadline",
        showlegend=first,
        hovertext=f"deadline {duration(microseconds)}",
        hoverinfo="text",
    )


def embed(figure: go.Figure, identity: str, description: str) -> str:
    """Returns the figure as HTML that needs :func:`library`; the description is for readers who cannot see it."""
    height = figure.layout.height
    plot = to_html(
        figure,
        include_plotlyjs=False,
        full_html=False,
        div_id=f"plot-{identity}",
        default_height=f"{height}px",
        config=_CONFIG,
    )
    return f'<figure role="group" aria-label="{escape_attribute(description)}">{plot}</figure>'
