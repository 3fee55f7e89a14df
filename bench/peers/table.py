"""The race as text: one table for each mix."""

from claims import meets_deadlines, throughput
from mixes import Mix
from rows import Json, Row


def time_of(us: float) -> str:
    """Returns a time in microseconds, or in milliseconds from 10000 us on."""
    return f"{us:.0f}" if us < 10_000 else f"{us / 1000:.1f}m"


def urgent_cell(engine: Json | None) -> str:
    """Returns p50, p99, max, and the number of missed requests."""
    if engine is None:
        return "–"
    times = " / ".join(time_of(engine[key]) for key in ("p50_us", "p99_us", "max_us"))
    return f"{times}  {engine['misses']}/{engine['requests']}"


def best_effort_cell(engine: Json | None, solo: Json | None) -> str:
    """Returns the rate, absolute and relative to alone."""
    if engine is None:
        return "–"
    relative = f"  {engine['rate_hz'] / solo['rate_hz']:.2f}" if solo and solo["rate_hz"] else ""
    return f"{engine['rate_hz']:.1f}{relative}"


def lines(mix: Mix, rows: list[Row]) -> list[list[str]]:
    """Returns the cells, the head first."""
    head = ["contestant", *(f"{e.name} p50/p99/max us, missed" for e in mix.urgent)]
    head += [*(f"{engine.name} Hz, of alone" for engine in mix.best_effort), "best effort", "deadlines"]
    alone = next((row for row in rows if row.kind == "alone"), None)
    cells = [head]
    for row in rows:
        line = [row.title]
        line += [urgent_cell(row.engine(engine.name)) for engine in mix.urgent]
        for engine in mix.best_effort:
            solo = alone.engine(engine.name) if alone else None
            line.append(best_effort_cell(row.engine(engine.name), solo))
        total = throughput(row, alone, mix) if row.engines and row.kind != "alone" else None
        line.append(f"{total:.3f}" if total is not None else "–")
        met = "met" if meets_deadlines(row, mix) else "missed"
        line.append(met if row.status == "measured" else row.status)
        cells.append(line)
    return cells


def text(mix: Mix, rows: list[Row], claims: list[Json]) -> str:
    """Returns the table, the failures, and the claims."""
    cells = lines(mix, rows)
    widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
    written = [f"mix {mix.name}"]
    written += [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells
    ]
    written += [f"  {row.title}: {row.what_happened}" for row in rows if row.what_happened]
    for claim in claims:
        holds = {True: "holds", False: "DOES NOT HOLD", None: "nothing to compare"}[claim["holds"]]
        ratio = f" ({claim['ratio']:.3f})" if claim["ratio"] is not None else ""
        against = f", against {claim['theirs'][1]}" if claim["theirs"] else ""
        written.append(f"  claim: {claim['claim']}{ratio}{against}: {holds}")
    return "\n".join(written)
