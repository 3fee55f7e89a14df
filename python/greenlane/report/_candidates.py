"""Plans: the chosen candidate, and the other candidates."""

import plotly.graph_objects as go

from greenlane.report._figures import embed, label, look, mode_style
from greenlane.report._plans import Candidate, Judgement, Plan
from greenlane.report._read import Documents
from greenlane.report._text import Cell, duration, heading, note, rate, share, table

_ENGINES = ("engine", "lane", "units", "p99 predicted", "p99 measured", "rate predicted", "rate measured")
_CANDIDATES = (
    "", "mode", "lanes and units", "deadlines", "best effort predicted", "measured", "slack predicted", "measured",
)  # fmt: skip

# Any latency beyond twice the deadline is shown alike: a larger scale would make the other candidates one point.
_LOWEST_SLACK = -1.0


def plans(documents: Documents) -> str:
    """Returns every plan's engines, and its candidates as a plot and a table."""
    parts = []
    for index, plan in enumerate(documents.plans):
        parts += [heading(f"{plan.source.file}: mode {plan.chosen.mode}"), table(_ENGINES, _engines(plan), texts=3)]
        parts += [note(f"{reason}.") for reason in plan.reasons]
        if any(_points(each) for each in plan.candidates):
            parts.append(_figure(plan, index))
        if plan.candidates:
            parts.append(table(_CANDIDATES, _candidates(plan), texts=4))
    if any(plan.candidates for plan in documents.plans):
        parts.append(
            note(
                "Best effort: the sum over best-effort engines of weight × rate, against their rates alone on the "
                "whole device. Slack: the smallest (deadline − p99) ÷ deadline; below zero a deadline is missed."
            )
        )
    return "\n".join(parts)


def _engines(plan: Plan) -> list[list[str]]:
    device = plan.source.device
    return [
        [
            each.name,
            each.lane,
            device.count(plan.chosen.units_of(each.lane, device.units)) if device else _written(plan, each.lane),
            duration(each.predicted.p99_us),
            duration(each.measured.p99_us),
            rate(each.predicted.rate_hz),
            rate(each.measured.rate_hz),
        ]
        for each in plan.chosen.engines
    ]


def _written(plan: Plan, lane: str) -> str:
    """Returns the units of a lane in a plan that was written by hand, for no particular device."""
    found = [str(each).removeprefix(each.name).strip() for each in plan.chosen.lanes if each.name == lane]
    return found[0] if found else "–"


def _candidates(plan: Plan) -> list[list[str | Cell]]:
    rows = []
    for number, each in enumerate(plan.candidates, 1):
        chosen = each == plan.chosen  # candidates have no names
        cells = [
            f"{number}{' ← chosen' if chosen else ''}",
            each.mode,
            str(each),
            _deadlines(each),
            f"{each.predicted.throughput:.3f}" if each.predicted else "–",
            f"{each.measured.throughput:.3f}" if each.measured else "–",
            _slack(each.predicted),
            _slack(each.measured),
        ]
        rows.append([cell if isinstance(cell, Cell) else Cell(cell, "chosen" if chosen else "") for cell in cells])
    return [list(row) for row in rows]


def _deadlines(candidate: Candidate) -> str | Cell:
    judged = candidate.measured or candidate.predicted
    if judged is None:
        return "–"
    how = "" if candidate.measured else " (predicted)"
    return f"met{how}" if judged.meets_deadlines else Cell(f"missed{how}", "missed")


def _slack(judged: Judgement | None) -> str:
    if judged is None:
        return "–"
    return "none" if judged.slack is None else share(judged.slack)


def _points(candidate: Candidate) -> list[tuple[str, float, float]]:
    """Returns the points that can be drawn of a candidate: kind, slack and throughput."""
    both = (("measured", candidate.measured), ("predicted", candidate.predicted))  # the first is in the legend
    return [(kind, each.slack, each.throughput) for kind, each in both if each is not None and each.slack is not None]


def _figure(plan: Plan, index: int) -> str:
    figure = go.Figure()
    keyed: set[str] = set()
    for number, candidate in enumerate(plan.candidates, 1):
        points = _points(candidate)
        if not points:
            continue
        colour, mark, _ = mode_style(candidate.mode)
        chosen = candidate == plan.chosen
        figure.add_trace(
            go.Scatter(
                x=[max(slack, _LOWEST_SLACK) for _, slack, _ in points],
                y=[throughput for _, _, throughput in points],
                mode="lines+markers+text",
                line={"color": colour, "width": 1, "dash": "dot"},
                marker={
                    "color": colour,
                    "symbol": [mark if kind == "measured" else f"{mark}-open" for kind, _, _ in points],
                    "size": [16 if chosen else 9] * len(points),
                },
                text=[f"<b>{number} chosen</b>" if chosen else str(number)],
                textposition="bottom center",
                cliponaxis=False,
                name=f"mode {label(candidate.mode)}",
                legendgroup=label(candidate.mode),
                showlegend=candidate.mode not in keyed,
                hovertext=[
                    f"{number}, {label(candidate.mode)}, {kind}: {label(candidate)}<br>"
                    f"best effort {throughput:.3f}, slack {share(slack)}"
                    for kind, slack, throughput in points
                ],
                hoverinfo="text",
            )
        )
        keyed.add(candidate.mode)
    figure.add_vline(x=0, line={"color": "#b00020", "dash": "dash", "width": 1.5})
    figure.update_layout(**look(420), legend_itemsizing="constant")
    figure.update_xaxes(
        title="slack of the tightest deadline, at least −100 % (open marks: predicted)",
        tickformat=".0%",
        gridcolor="#e5e7eb",
        zeroline=False,
    )
    figure.update_yaxes(title="best effort", rangemode="tozero", gridcolor="#e5e7eb", zeroline=False)
    return embed(figure, f"plan-{index}", "Throughput of best effort against slack for every plan that was tried")
