"""The map of a device's units, coloured by lane, as an SVG."""

from greenlane.report._forms import Device
from greenlane.report._placement import Placement, of_audit, of_mode, of_plan
from greenlane.report._read import Documents
from greenlane.report._text import escape, heading, note, share

_SIDE, _GAP, _COLUMNS = 30, 3, 24
# Light enough for black letters. When colours repeat, the letters still differ.
_FILLS = ("#8ecae6", "#ffb77a", "#95d5b2", "#e8b4d8", "#ffe08a", "#c5cae9", "#d7ccc8", "#b2dfdb")
_FREE = "#e5e7eb"
_STRAY = "#b00020"


def unit_map(documents: Documents) -> str:
    """Returns a map for every plan, audit and mode of results that divides the device."""
    parts = []
    for plan in documents.plans:
        device = plan.source.device
        placement = of_plan(device, plan.chosen) if device else None
        if device and placement:
            parts += _part(f"{plan.source.file}: planned", device, placement)
    for run in documents.runs:
        whole = []
        for mode in run.modes:
            placement = of_mode(run.device, mode)
            if placement:
                parts += _part(f"{run.source.file}: mode {mode.name}", run.device, placement)
            elif all(engine.units == run.device.units for engine in mode.engines):
                whole.append(mode.name)
            else:
                counts = ", ".join(f"{each.lane} {run.device.count(each.units)}" for each in mode.engines)
                parts.append(note(f"{run.source.file}, mode {mode.name}: lanes share units ({counts})."))
        if whole:
            everything = run.device.count(run.device.units)
            parts.append(note(f"{run.source.file}: all {everything} for every lane in mode {', '.join(whole)}."))
    for audit in documents.audits:
        placement = of_audit(audit)
        if placement:
            parts += _part(f"{audit.source.file}: audited", audit.device, placement)
    return "\n".join(parts)


def _part(title: str, device: Device, placement: Placement) -> list[str]:
    parts = [heading(f"{title} ({device.name})"), _svg(device, placement), _key(device, placement)]
    if not placement.numbered and device.id != "cpu":
        parts.append(
            note("Which SMs a lane has is the driver's choice: lanes are drawn in their order, not by SM number.")
        )
    elif not placement.numbered:
        parts.append(note("A plan says how many cores a lane gets, not which: lanes are drawn in their order."))
    return parts


def letter(index: int) -> str:
    """Returns the letters in the cells of the lane of this index: A to Z, then A1 and so on."""
    return chr(ord("A") + index % 26) + (str(index // 26) if index >= 26 else "")


def _svg(device: Device, placement: Placement) -> str:
    # A row holds whole groups, because partitions are made of them.
    columns = max(device.granularity, _COLUMNS // device.granularity * device.granularity)
    columns = min(columns, len(placement.shown))
    rows = -(-len(placement.shown) // columns)
    step = _SIDE + _GAP
    owners: dict[int, list[int]] = {}
    for index, lane in enumerate(placement.units):
        for unit in placement.units[lane]:
            owners.setdefault(unit, []).append(index)
    cells = [
        _cell(
            position % columns * step,
            position // columns * step,
            owners.get(unit, []),
            _title(device, placement, unit),
            stray=any(unit in placement.units[lane] for lane in placement.left),
        )
        for position, unit in enumerate(placement.shown)
    ]
    width, height = columns * step, rows * step
    described = "; ".join(f"{lane}: {device.count(len(units))}" for lane, units in placement.units.items())
    return (
        f'<svg class=map width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(described)}">{"".join(cells)}</svg>'
    )


def _title(device: Device, placement: Placement, unit: int) -> str:
    lanes = [lane for lane, units in placement.units.items() if unit in units]
    name = f"{device.unit} {unit}: " if placement.numbered else ""
    left = " (its kernels ran elsewhere, too)" if placement.left.intersection(lanes) else ""
    return name + (", ".join(lanes) or "no lane") + left


def _cell(x: int, y: int, lanes: list[int], title: str, *, stray: bool) -> str:
    """Returns a square with a stripe for each lane that has the unit, and a frame if kernels of a lane also ran
    elsewhere."""
    fills = [_FILLS[lane % len(_FILLS)] for lane in lanes] or [_FREE]
    width = _SIDE / len(fills)
    stripes = "".join(
        f'<rect x="{x + i * width:.2f}" y="{y}" width="{width:.2f}" height="{_SIDE}" fill="{fill}"/>'
        for i, fill in enumerate(fills)
    )
    if stray:
        side = _SIDE - 3
        stripes += (
            f'<rect x="{x + 1.5}" y="{y + 1.5}" width="{side}" height="{side}" fill="none" stroke="{_STRAY}" '
            'stroke-width="3"/>'
        )
    text = "".join(letter(lane) for lane in lanes)
    size = 13 if len(text) < 3 else 9
    middle = f'x="{x + _SIDE / 2}" y="{y + _SIDE / 2 + size / 3:.1f}" text-anchor="middle"'
    return f'<g><title>{escape(title)}</title>{stripes}<text {middle} font-size="{size}">{text}</text></g>'


def _key(device: Device, placement: Placement) -> str:
    lines = []
    for index, (lane, units) in enumerate(placement.units.items()):
        engines = placement.lanes.get(lane, [])
        others = f" ({', '.join(engines)})" if engines != [lane] else ""
        text = f"{lane}{others}: {device.count(len(units))}, {share(len(units) / len(placement.shown))}"
        text += " – framed: its kernels ran elsewhere, too" if lane in placement.left else ""
        lines.append(_entry(_FILLS[index % len(_FILLS)], letter(index), text))
    free = len(placement.shown) - len({unit for units in placement.units.values() for unit in units})
    if free:
        lines.append(_entry(_FREE, "&#160;", f"no lane: {device.count(free)}, {share(free / len(placement.shown))}"))
    return f"<ul class=key>{''.join(lines)}</ul>"


def _entry(fill: str, mark: str, text: str) -> str:
    return f'<li><span class=swatch style="background:{fill}">{mark}</span> {escape(text)}</li>'
