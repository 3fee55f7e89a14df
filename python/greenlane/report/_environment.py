"""The devices and versions of the measurements, and the commands that repeat them."""

import shlex
from pathlib import Path

from greenlane.report._forms import Run, Source
from greenlane.report._read import Documents
from greenlane.report._text import escape, note, table

_HEAD = ("file", "what", "device", "units", "details", "versions")
_SPIN_MS = 0.1  # the default of `greenlane run` on a GPU
_COMPARED = ("lanes", "shared", "priority")  # in every `--mode compare`; newer versions have more


def environment(documents: Documents) -> str:
    """Returns a line for each file; traces and plans that were written by hand do not name their device."""
    return table(_HEAD, [_row(kind, source) for kind, source in documents.sources()], texts=len(_HEAD))


def _row(kind: str, source: Source) -> list[str]:
    device = source.device
    if device is None:
        return [source.file, kind, "–", "–", "–", _pairs(source.versions)]
    groups = f", in groups of {device.granularity}" if device.granularity > 1 else ""
    return [
        source.file,
        kind,
        f"{device.name} ({device.id})",
        device.count(device.units) + groups,
        _pairs(device.details),
        _pairs(source.versions),
    ]


def _pairs(values: dict[str, str]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items()) or "–"


def repetition(documents: Documents, page: Path) -> str:
    """Returns the commands, as far as the files record them."""
    config = documents.runs[0].config if documents.runs else "pipeline.toml"
    commands = []
    for run in documents.runs:
        traces = [trace.source.file for trace in documents.traces] if len(documents.runs) == 1 else []
        commands += _run_again(run, traces)
    if not documents.runs:
        commands += [["greenlane", "run", config, "--trace", trace.source.file] for trace in documents.traces]
    commands += [["greenlane", "profile", config, "--out", each.source.file] for each in documents.profiles]
    commands += [["greenlane", "audit", each.config, "--json", each.source.file] for each in documents.audits]
    measured = [each.source.file for each in documents.profiles]
    for plan in documents.plans:
        given = ["--profile", measured[0]] if len(measured) == 1 else []
        commands.append(["greenlane", "plan", config, *given, "--out", plan.source.file])
    commands.append(["python", "-m", "greenlane.report", *map(str, documents.files), "-o", str(page)])
    lines = "\n".join(shlex.join(command) for command in commands)
    said = "Options that the files do not record, such as --graphs and --plan, are not shown."
    return f"<pre>{escape(lines)}</pre>\n" + note(said)


def _run_again(run: Run, traces: list[str]) -> list[list[str]]:
    names = [mode.name for mode in run.modes]
    ways = ["compare"] if set(_COMPARED) <= set(names) else names
    checked = any(engine.checked is not None for mode in run.modes for engine in mode.engines)
    seconds = max((mode.seconds for mode in run.modes), default=0)
    spin = max((mode.spin_ms for mode in run.modes), default=0)
    return [
        [
            *("greenlane", "run", run.config, "--mode", way),
            *(["--seconds", f"{seconds:.3g}"] if seconds else []),
            *(["--spin-ms", f"{spin:g}"] if spin not in (0, _SPIN_MS) else []),
            *(["--check"] if checked else []),
            *("--json", run.source.file),
            *(part for trace in traces for part in ("--trace", trace)),
        ]
        for way in ways
    ]
