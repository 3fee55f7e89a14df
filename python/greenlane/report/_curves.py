"""Latency against units: the measurements of profiles, with the choices of plans."""

from dataclasses import dataclass

import plotly.graph_objects as go

from greenlane.report._figures import COLOURS, MUTED, cell_of, deadline, durations, embed, grid
from greenlane.report._forms import Curve, Profile, ProfiledKernel
from greenlane.report._plans import Plan
from greenlane.report._read import Documents
from greenlane.report._text import duration, heading, note


@dataclass(frozen=True)
class _Mark:
    """A plan's choice for an engine: the number of units, with predicted and measured p99."""

    units: int
    predicted_us: float | None
    measured_us: float | None


def curves(documents: Documents) -> str:
    """Returns a plot for every engine of every profile."""
    parts = []
    deadlines = documents.deadlines_us()
    for index, profile in enumerate(documents.profiles):
        if not any(curve.points for curve in profile.curves):
            continue
        parts += [heading(f"{profile.source.file}: {profile.device.name}"), _figure(profile, documents, index)]
        parts += [note(_told(curve.name, curve.long_kernel, profile)) for curve in profile.curves if curve.long_kernel]
    if parts:
        shown = "Each engine alone on partitions of every size; the last point is the undivided device. "
        if documents.plans:
            shown += "Upright lines: what the plan gives it; marks on them are p99 beside all others. "
        if not deadlines:
            shown += "Deadlines are shown where results are given, too."
        parts.append(note(shown))
    return "\n".join(parts)


def _told(engine: str, kernel: ProfiledKernel, profile: Profile) -> str:
    """Returns a sentence on a kernel that gates cannot shorten."""
    described = f"kernel '{kernel.name}'" if kernel.name else "a kernel"
    others = kernel.kernels - 1
    if others > 0:
        described += f" and {others} other{'' if others == 1 else 's'}"
    verb, where = "take" if others > 0 else "takes", profile.device.count(kernel.units)
    return f"{engine}: {described} {verb} {duration(kernel.time_us)} on {where} and cannot be cut."


def _figure(profile: Profile, documents: Documents, index: int) -> str:
    shown = [curve for curve in profile.curves if curve.points]
    columns = min(2, len(shown))
    figure = grid([curve.name for curve in shown], columns, row_height=320, gap=120)
    deadlines = documents.deadlines_us()
    keyed: set[str] = set()

    def add(trace: go.Scatter, cell: dict[str, int]) -> None:
        """Adds a trace, with one entry in the legend for all traces of the same name."""
        trace.update(legendgroup=trace.name, showlegend=trace.name not in keyed)
        keyed.add(trace.name)
        figure.add_trace(trace, **cell)

    for i, curve in enumerate(shown):
        cell = cell_of(i, columns)
        values = [value for point in curve.points for value in (point.p50_us, point.p99_us)]
        values += [value for _, value in curve.in_flight_us]
        marks = _marks(curve.name, profile, documents.plans)
        values += [v for mark in marks for v in (mark.predicted_us, mark.measured_us) if v is not None]
        limit = deadlines.get(curve.name)
        axis = durations([*values, *([limit] if limit is not None else [])])
        for trace in _lines(curve, profile):
            add(trace, cell)
        for mark in marks:
            for trace in _mark(mark, [10**bound for bound in axis["range"]], profile):
                add(trace, cell)
        if limit is not None:
            add(deadline([0, profile.device.units], limit, True), cell)
        figure.update_xaxes(
            title={"text": f"{profile.device.unit}s", "standoff": 8},
            rangemode="tozero",
            gridcolor="#f1f3f5",
            zeroline=False,
            **cell,
        )
        if profile.device.units <= 16:
            figure.update_xaxes(dtick=1 if profile.device.units <= 8 else 2, **cell)
        figure.update_yaxes(**axis, **cell)
    described = f"Latency of {', '.join(curve.name for curve in shown)} alone, against {profile.device.unit}s"
    return embed(figure, f"curves-{index}", described)


def _lines(curve: Curve, profile: Profile) -> list[go.Scatter]:
    x = [point.units for point in curve.points]
    lines = [
        _line("p99", x, [point.p99_us for point in curve.points], COLOURS[0], "circle", profile),
        _line("p50", x, [point.p50_us for point in curve.points], COLOURS[5], "circle-open", profile),
    ]
    if curve.in_flight_us:
        gated = sorted(curve.in_flight_us)
        name = "gates: slices in flight"
        lines.append(_line(name, [u for u, _ in gated], [t for _, t in gated], MUTED, "triangle-down", profile))
    return lines


def _line(name: str, x: list[int], y: list[float], colour: str, mark: str, profile: Profile) -> go.Scatter:
    return go.Scatter(
        x=x,
        y=y,
        mode="lines+markers",
        line={"color": colour, "width": 1.5},
        marker={"color": colour, "symbol": mark, "size": 6},
        name=name,
        hovertext=[f"{name} on {profile.device.count(u)}: {duration(t)}" for u, t in zip(x, y, strict=True)],
        hoverinfo="text",
    )


def _marks(engine: str, profile: Profile, plans: list[Plan]) -> list[_Mark]:
    """Returns an engine's marks from the plans for this kind of device; a plan that was written by hand names no
    device."""
    found = []
    for plan in plans:
        device = plan.source.device
        if device is not None and (device.name, device.units) != (profile.device.name, profile.device.units):
            continue
        for planned in plan.chosen.engines:
            if planned.name == engine:
                units = plan.chosen.units_of(planned.lane, profile.device.units)
                found.append(_Mark(units, planned.predicted.p99_us, planned.measured.p99_us))
    return found


def _mark(mark: _Mark, span: list[float], profile: Profile) -> list[go.Scatter]:
    where = profile.device.count(mark.units)
    traces = [
        go.Scatter(
            x=[mark.units] * 2,
            y=span,
            mode="lines",
            line={"color": COLOURS[2], "width": 2, "dash": "dot"},
            name="plan",
            hovertext=f"planned on {where}",
            hoverinfo="text",
        )
    ]
    for name, value, symbol, colour in (
        ("plan: p99 predicted", mark.predicted_us, "diamond-open", COLOURS[2]),
        ("plan: p99 measured", mark.measured_us, "star", COLOURS[1]),
    ):
        if value is not None:
            traces.append(
                go.Scatter(
                    x=[mark.units],
                    y=[value],
                    mode="markers",
                    marker={"color": colour, "symbol": symbol, "size": 12, "line": {"width": 2}},
                    name=name,
                    hovertext=f"{name}: {duration(value)} on {where}",
                    hoverinfo="text",
                )
            )
    return traces
