"""The first table of the page: every engine in every mode."""

from collections.abc import Iterator

from greenlane.report._forms import EngineResult, Mode, Run
from greenlane.report._read import Documents
from greenlane.report._text import Cell, duration, heading, note, rate, ratio, share, table

_HEAD = (
    "mode", "engine", "lane", "units", "requests", "rate", "p50", "p99", "max", "deadline", "misses", "outputs",
    "p99 / lanes",
)  # fmt: skip

_PATHS = ("mode", "path", "from", "to", "items", "dropped", "p50", "p99", "max", "deadline", "misses")


def summary(documents: Documents) -> str:
    """Returns a table for each file of results, with remarks on its modes."""
    parts = []
    for run in documents.runs:
        parts += [heading(f"{run.source.file}: {run.device.name}"), table(_HEAD, _rows(run), texts=4)]
        if any(mode.paths for mode in run.modes):
            parts.append(table(_PATHS, _path_rows(run), texts=4))
        parts += [note(text) for mode in run.modes for text in _remarks(mode)]
    if parts:
        parts.append(note("Latency counts from the scheduled arrival to the result; rate is what was served."))
    return "\n".join(parts)


def _rows(run: Run) -> Iterator[list[str | Cell]]:
    on_lanes = {e.name: e.quantiles["p99_us"] for mode in run.modes if mode.name == "lanes" for e in mode.engines}
    for mode in run.modes:
        for i, engine in enumerate(mode.engines):
            p99, base = engine.quantiles["p99_us"], on_lanes.get(engine.name)
            yield [
                Cell(mode.name if i == 0 else "", "mode"),
                engine.name,
                engine.lane,
                units(run, engine),
                str(engine.requests),
                rate(engine.rate_hz),
                duration(engine.quantiles["p50_us"]),
                _judged(p99, engine.deadline_us),
                _judged(engine.quantiles["max_us"], engine.deadline_us),
                duration(engine.deadline_us),
                _misses(engine.misses, engine.requests, engine.deadline_us),
                _outputs(engine),
                ratio(p99 / base) if mode.name != "lanes" and p99 and base else "–",
            ]


def _path_rows(run: Run) -> Iterator[list[str | Cell]]:
    for mode in run.modes:
        for i, path in enumerate(mode.paths):
            yield [
                Cell(mode.name if i == 0 else "", "mode"),
                path.name,
                path.source,
                path.engine,
                str(path.items),
                str(path.dropped),
                duration(path.quantiles["p50_us"]),
                _judged(path.quantiles["p99_us"], path.deadline_us),
                _judged(path.quantiles["max_us"], path.deadline_us),
                duration(path.deadline_us),
                _misses(path.misses, path.items, path.deadline_us),
            ]


def units(run: Run, engine: EngineResult) -> str:
    """Returns the units that an engine ran on, in words."""
    if engine.cpus:
        return f"core{'s' if len(engine.cpus) > 1 else ''} {', '.join(map(str, engine.cpus))}"
    return run.device.count(engine.units)


def _judged(latency: float | None, deadline: float | None) -> Cell:
    late = latency is not None and deadline is not None and latency > deadline
    return Cell(duration(latency), "late" if late else "")


def _misses(misses: int, count: int, deadline_us: float | None) -> Cell:
    if deadline_us is None:
        return Cell("–")
    if not misses:
        return Cell("0")
    return Cell(f"{misses} ({share(misses / max(1, count))})", "missed")


def _outputs(engine: EngineResult) -> Cell:
    if engine.error is not None or engine.checked is False:
        return Cell("failed" if engine.error is not None else "wrong", "missed")
    return Cell("–" if engine.checked is None else "ok")


def _remarks(mode: Mode) -> Iterator[str]:
    for engine in mode.engines:
        if engine.error is not None:
            yield f"Mode {mode.name}, {engine.name}: {engine.error}"
        if engine.unserved:
            yield f"Mode {mode.name}, {engine.name}: {engine.unserved} of {engine.requests} requests were never begun."
    yield from (f"Mode {mode.name}: {advice}." for advice in mode.advice)
    if mode.stopped_early:
        yield f"Mode {mode.name} was stopped early, after {mode.seconds:.1f} s."
    if gate := mode.gate:
        yield (
            f"Mode {mode.name}: {gate.passes} urgent calls passed, {gate.beside} of them beside best effort; "
            f"it was held {gate.held} times, "
            f"{duration(gate.held_us)} in all, {duration(gate.longest_held_us)} at most."
            + (f" {gate.limits_hit} urgent calls exceeded the limit of five deadlines." if gate.limits_hit else "")
        )
