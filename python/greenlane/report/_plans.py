"""Plans that ``greenlane plan`` wrote, and the units of their lanes."""

from dataclasses import dataclass

from greenlane._fields import Fields
from greenlane.report._forms import Source


@dataclass(frozen=True)
class PlannedLane:
    """A lane: a number of units, the units that the others leave (``rest``), another lane's units, or (all None) the
    device."""

    name: str
    units: int | None
    rest: bool
    beside: str | None

    @classmethod
    def of(cls, fields: Fields) -> "PlannedLane":
        """Reads it from a file."""
        rest = fields.says("units", "rest")
        units = fields.units("units") if fields.has("units") and not rest else None
        return cls(fields.text("name"), units, rest, fields.text("beside") if fields.has("beside") else None)

    def __str__(self) -> str:
        if self.beside is not None:
            return f"{self.name} beside {self.beside}"
        return f"{self.name} rest" if self.rest else self.name if self.units is None else f"{self.name} {self.units}"


@dataclass(frozen=True)
class Expectation:
    """A prediction or measurement of an engine; None if there is none, or if a request never ends."""

    p99_us: float | None
    rate_hz: float | None

    @classmethod
    def of(cls, fields: Fields | None) -> "Expectation":
        """Reads it from a file."""
        if fields is None:
            return cls(None, None)
        return cls(fields.amount_or_none("p99_us"), fields.amount_or_none("rate_hz"))


@dataclass(frozen=True)
class PlannedEngine:
    """An engine of a plan."""

    name: str
    lane: str
    predicted: Expectation
    measured: Expectation

    @classmethod
    def of(cls, fields: Fields) -> "PlannedEngine":
        """Reads it from a file."""
        predicted, measured = fields.child_or_none("predicted"), fields.child_or_none("measured")
        return cls(fields.text("name"), fields.text("lane"), Expectation.of(predicted), Expectation.of(measured))


@dataclass(frozen=True)
class Judgement:
    """The worth of a way to run; slack is None if a request never ends."""

    meets_deadlines: bool
    throughput: float
    slack: float | None

    @classmethod
    def of(cls, fields: Fields | None) -> "Judgement | None":
        """Reads it from a file; None if nothing was predicted or measured."""
        if fields is None:
            return None
        return cls(fields.flag("meets_deadlines"), fields.amount("throughput"), fields.number_or_none("slack"))


@dataclass(frozen=True)
class Candidate:
    """One way to run a pipeline."""

    mode: str
    lanes: list[PlannedLane]
    engines: list[PlannedEngine]
    predicted: Judgement | None
    measured: Judgement | None

    @classmethod
    def of(cls, fields: Fields) -> "Candidate":
        """Reads it from a file; without a mode it is one on lanes."""
        return cls(
            fields.text("mode", "lanes"),
            [PlannedLane.of(each) for each in fields.children("lanes")],
            [PlannedEngine.of(each) for each in fields.children("engines")],
            Judgement.of(fields.child_or_none("predicted")),
            Judgement.of(fields.child_or_none("measured")),
        )

    def units_of(self, lane: str, device_units: int) -> int:
        """Returns the number of units that a lane runs on, on a device with ``device_units`` units."""
        lanes = {each.name: each for each in self.lanes}
        found = lanes.get(lane)
        seen: set[str] = set()
        while found and found.beside is not None and found.name not in seen:
            seen.add(found.name)
            found = lanes.get(found.beside)
        if self.mode != "lanes" or found is None or (found.units is None and not found.rest):
            return device_units
        if found.units is not None:
            return found.units
        return max(0, device_units - sum(each.units or 0 for each in self.lanes))

    def __str__(self) -> str:
        if self.mode != "lanes":
            return "the whole device for all"
        # Engines that share a lane or its units stand together.
        return " | ".join(
            f"{lane} ({', '.join(names)})" if names != [lane.name] else str(lane)
            for lane in self.lanes
            for names in [[engine.name for engine in self.engines if engine.lane == lane.name]]
        )


@dataclass(frozen=True)
class Plan:
    """A plan that ``greenlane plan`` wrote; one written by hand lacks candidates, versions and device."""

    source: Source
    chosen: Candidate
    candidates: list[Candidate]
    reasons: list[str]

    @classmethod
    def of(cls, fields: Fields, file: str) -> "Plan":
        """Reads it from a file."""
        candidates = fields.children("candidates") if fields.has("candidates") else []
        return cls(
            Source.of(fields, file),
            Candidate.of(fields),
            [Candidate.of(each) for each in candidates],
            fields.texts("reasons"),
        )
