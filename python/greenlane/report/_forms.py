"""The contents of results and profiles. docs/configuration.md describes their JSON."""

from dataclasses import dataclass

from greenlane._fields import Fields

QUANTILES = ("p50_us", "p90_us", "p99_us", "p999_us", "max_us")
"""Names of the quantiles in results."""


@dataclass(frozen=True)
class Device:
    """A device as a file describes it."""

    id: str
    name: str
    units: int
    unit: str
    """``SM`` or ``core``."""
    granularity: int
    details: dict[str, str]
    """Further facts, with names for readers."""

    @classmethod
    def of(cls, fields: Fields) -> "Device":
        """Reads it from a file."""
        details = {}
        if fields.has("memory_bytes"):
            details["memory"] = f"{fields.amount('memory_bytes') / 2**30:.0f} GiB"
        if fields.has("compute_capability"):
            details["compute capability"] = fields.text("compute_capability")
        if fields.has("hardware_queues"):
            details["hardware queues"] = str(fields.count("hardware_queues"))
        if fields.has("partition_obstacle"):
            details["cannot be divided"] = fields.text("partition_obstacle")
        kind = fields.text("id")
        unit = fields.text("unit", "core" if kind == "cpu" else "SM")
        granularity = max(1, fields.units("granularity", 1))
        return cls(kind, fields.text("name"), fields.units("units", least=1), unit, granularity, details)

    def count(self, units: int) -> str:
        """Returns a number of the device's units in words."""
        return f"{units} {self.unit}{'' if units == 1 else 's'}"


@dataclass(frozen=True)
class Source:
    """A file that was read, with its device and versions."""

    file: str
    """The file's name on the page."""
    device: Device | None
    versions: dict[str, str]

    @classmethod
    def of(cls, fields: Fields, file: str) -> "Source":
        """Reads it from a file."""
        device, versions = fields.child_or_none("device"), fields.child_or_none("versions")
        known = versions.items() if versions else []
        return cls(file, Device.of(device) if device else None, {key: str(value) for key, value in known})


@dataclass(frozen=True)
class EngineResult:
    """An engine's results in a mode; times are microseconds."""

    name: str
    lane: str
    units: int
    cpus: list[int]
    requests: int
    unserved: int
    rate_hz: float
    quantiles: dict[str, float | None]
    mean_us: float | None
    deadline_us: float | None
    misses: int
    checked: bool | None
    error: str | None

    @classmethod
    def of(cls, fields: Fields) -> "EngineResult":
        """Reads it from a file."""
        return cls(
            name=fields.text("name"),
            lane=fields.text("lane"),
            units=fields.units("units"),
            cpus=fields.unit_numbers("cpus"),
            requests=fields.count("requests"),
            unserved=fields.count("unserved", 0),
            rate_hz=fields.amount("rate_hz"),
            quantiles={key: fields.amount_or_none(key) for key in QUANTILES},
            mean_us=fields.amount_or_none("mean_us"),
            deadline_us=fields.amount_or_none("deadline_us"),
            misses=fields.count("misses", 0),
            checked=fields.flag("checked") if fields.has("checked") else None,
            error=fields.text("error") if fields.has("error") else None,
        )


@dataclass(frozen=True)
class PathResult:
    """A path's results in a mode; times are microseconds."""

    name: str
    source: str
    engine: str
    items: int
    dropped: int
    quantiles: dict[str, float | None]
    deadline_us: float | None
    misses: int

    @classmethod
    def of(cls, fields: Fields) -> "PathResult":
        """Reads it from a file."""
        return cls(
            name=fields.text("name"),
            source=fields.text("from"),
            engine=fields.text("to"),
            items=fields.count("items"),
            dropped=fields.count("dropped", 0),
            quantiles={key: fields.amount_or_none(key) for key in ("p50_us", "p99_us", "max_us")},
            deadline_us=fields.amount_or_none("deadline_us"),
            misses=fields.count("misses", 0),
        )


@dataclass(frozen=True)
class GateUse:
    """The use of gates in a mode."""

    passes: int
    held: int
    held_us: float
    longest_held_us: float
    limits_hit: int
    beside: int

    @classmethod
    def of(cls, fields: Fields) -> "GateUse":
        """Reads it from a file."""
        return cls(
            fields.count("passes"),
            fields.count("held"),
            fields.amount("held_us"),
            fields.amount("longest_held_us"),
            fields.count("limits_hit"),
            fields.count("beside", 0),
        )


@dataclass(frozen=True)
class Mode:
    """Results of all engines, run side by side in one mode."""

    name: str
    seconds: float
    spin_ms: float
    stopped_early: bool
    engines: list[EngineResult]
    paths: list[PathResult]
    gate: GateUse | None
    advice: list[str]

    @classmethod
    def of(cls, fields: Fields) -> "Mode":
        """Reads it from a file."""
        gate = fields.child_or_none("gate")
        return cls(
            fields.text("mode"),
            fields.amount("seconds", 0),
            fields.amount("spin_ms", 0),
            fields.flag("stopped_early", False),
            [EngineResult.of(each) for each in fields.children("engines")],
            [PathResult.of(each) for each in fields.children("paths")] if fields.has("paths") else [],
            GateUse.of(gate) if gate else None,
            fields.texts("advice"),
        )


@dataclass(frozen=True)
class Run:
    """A file that ``greenlane run --json`` wrote."""

    source: Source
    device: Device
    config: str
    modes: list[Mode]

    @classmethod
    def of(cls, fields: Fields, file: str) -> "Run":
        """Reads it from a file."""
        modes = [Mode.of(each) for each in fields.children("modes")]
        config = fields.text("config", "pipeline.toml")
        return cls(Source.of(fields, file), Device.of(fields.child("device")), config, modes)

    def engine_names(self) -> list[str]:
        """Returns the engines' names of all modes, in their order, each once."""
        return list(dict.fromkeys(engine.name for mode in self.modes for engine in mode.engines))


@dataclass(frozen=True)
class LatencyPoint:
    """Latency of an engine alone on a number of units, in microseconds."""

    units: int
    p50_us: float
    p99_us: float
    requests: int


@dataclass(frozen=True)
class ProfiledKernel:
    """A kernel that gates cannot shorten, as it was measured on a number of units."""

    name: str
    """Empty if the driver did not tell it."""
    time_us: float
    kernels: int
    """Number of kernels in this time, if no cut can part them; the name is that of the first."""
    units: int

    @classmethod
    def of(cls, fields: Fields) -> "ProfiledKernel":
        """Reads it from a file."""
        return cls(fields.text("name", ""), fields.amount("time_us"), fields.count("kernels"), fields.units("units"))


@dataclass(frozen=True)
class Curve:
    """Measurements of an engine on every size of partition.

    ``in_flight_us`` holds, for some sizes, the longest time that an urgent request may wait for a slice.
    """

    name: str
    points: list[LatencyPoint]
    in_flight_us: list[tuple[int, float]]
    long_kernel: ProfiledKernel | None

    @classmethod
    def of(cls, fields: Fields) -> "Curve":
        """Reads it from a file."""
        points = [
            LatencyPoint(each.units("units"), each.amount("p50_us"), each.amount("p99_us"), each.count("requests", 0))
            for each in fields.children("curve")
        ]
        gated = fields.children("gated") if fields.has("gated") else []
        in_flight = [(each.units("units"), each.amount("in_flight_us")) for each in gated]
        kernel = fields.child_or_none("long_kernel")
        return cls(
            fields.text("name"),
            sorted(points, key=lambda point: point.units),
            in_flight,
            ProfiledKernel.of(kernel) if kernel else None,
        )


@dataclass(frozen=True)
class Profile:
    """A file that ``greenlane profile`` wrote."""

    source: Source
    device: Device
    curves: list[Curve]

    @classmethod
    def of(cls, fields: Fields, file: str) -> "Profile":
        """Reads it from a file."""
        curves = [Curve.of(each) for each in fields.children("engines")]
        return cls(Source.of(fields, file), Device.of(fields.child("device")), curves)
