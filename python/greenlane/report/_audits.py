"""Results of ``greenlane audit --json``, and their tables. docs/audit.md describes the JSON."""

from collections.abc import Iterator
from dataclasses import dataclass

from greenlane._fields import Fields
from greenlane.report._forms import Device, Source
from greenlane.report._text import Cell, duration, heading, note, table

_ENGINES = ("engine", "lane", "units", "calls", "kernels", "copies", "GPU time", "strays")
_STRAYS = ("of", "kernel", "ran on", "likely cause", "times", "GPU time")


@dataclass(frozen=True)
class Kernel:
    """Runs of one kernel on one lane, or outside of lanes."""

    name: str
    count: int
    gpu_us: float
    where: str
    cause: str | None
    """The likely cause of a stray. None: the kernel is no stray."""

    @classmethod
    def of(cls, fields: Fields) -> "Kernel":
        """Reads it from a file."""
        cause = fields.text("cause") if fields.has("cause") else None
        return cls(fields.text("kernel"), fields.count("count"), fields.amount("gpu_us"), fields.text("where"), cause)


@dataclass(frozen=True)
class AuditedEngine:
    """An engine's work on a lane."""

    name: str
    lane: str | None
    units: int
    calls: int
    kernels: int
    copies: int
    gpu_us: float
    strays: list[Kernel]

    @classmethod
    def of(cls, fields: Fields) -> "AuditedEngine":
        """Reads it from a file."""
        return cls(
            fields.text("name"),
            fields.text("lane") if fields.has("lane") else None,
            fields.units("units", 0),
            fields.count("calls", 0),
            fields.count("kernels"),
            fields.count("copies"),
            fields.amount("gpu_us"),
            [Kernel.of(each) for each in fields.children("strays")],
        )


@dataclass(frozen=True)
class Audit:
    """A whole result of an audit."""

    source: Source
    device: Device
    config: str
    engines: list[AuditedEngine]
    others: list[Kernel]
    clean: bool
    dropped: int

    @classmethod
    def of(cls, fields: Fields, file: str) -> "Audit":
        """Reads it from a file."""
        found = fields.child("audit")
        return cls(
            Source.of(fields, file),
            Device.of(fields.child("device")),
            fields.text("config", "pipeline.toml"),
            [AuditedEngine.of(each) for each in found.children("engines")],
            [Kernel.of(each) for each in found.children("others")],
            found.flag("clean"),
            found.count("dropped", 0),
        )

    def strays(self) -> list[tuple[str | None, Kernel]]:
        """Returns the strays, each with the name of its engine; None: no engine's."""
        of_engines: list[tuple[str | None, Kernel]] = [
            (each.name, stray) for each in self.engines for stray in each.strays
        ]
        return of_engines + [(None, kernel) for kernel in self.others if kernel.cause is not None]

    def lanes_with_strays(self) -> set[str]:
        """Returns the lanes that an engine's kernels left."""
        return {each.lane for each in self.engines if each.lane is not None and each.strays}


def audits(files: list[Audit]) -> str:
    """Returns two tables for each file: engines, and strays if there are any."""
    parts = []
    for audit in files:
        parts.append(heading(f"{audit.source.file}: {audit.device.name}"))
        parts.append(table(_ENGINES, _engine_rows(audit), texts=2))
        if audit.strays():
            parts.append(table(_STRAYS, _stray_rows(audit), texts=4))
        parts.append(note(_verdict(audit)))
    if parts:
        parts.append(note("CUPTI records every kernel, and makes all of them slower: these times are no latencies."))
    return "\n".join(parts)


def _verdict(audit: Audit) -> str:
    if audit.clean:
        return "No strays: every kernel of a bound engine ran in its lane's partition."
    text = f"{sum(stray.count for _, stray in audit.strays())} kernels ran outside of a partition."
    return text + (f" {audit.dropped} records were lost: of those nothing is known." if audit.dropped else "")


def _engine_rows(audit: Audit) -> Iterator[list[str | Cell]]:
    for each in audit.engines:
        strays = sum(stray.count for stray in each.strays)
        yield [
            each.name,
            each.lane if each.lane is not None else "none",
            audit.device.count(each.units) if each.lane is not None and each.units else "–",
            str(each.calls),
            str(each.kernels),
            str(each.copies),
            duration(each.gpu_us),
            Cell(str(strays), "missed" if strays else ""),
        ]


def _stray_rows(audit: Audit) -> Iterator[list[str | Cell]]:
    for owner, stray in audit.strays():
        yield [
            owner if owner is not None else "no engine",
            stray.name,
            stray.where,
            stray.cause or "",
            Cell(str(stray.count), "missed"),
            duration(stray.gpu_us),
        ]
