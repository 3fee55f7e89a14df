"""Rows of the table: a contestant with one of its variants, and its results or its failure."""

from dataclasses import dataclass, field, replace
from typing import Any

Json = dict[str, Any]

# Groups of contestants for comparison: alone, sharing left to the hardware, the device divided, launches scheduled, and
# greenlane.
KINDS = ("alone", "shared", "partitioned", "scheduled", "greenlane")


@dataclass
class Row:
    """One line of the table."""

    name: str
    kind: str
    variant: str = ""  # "graphs", "eager", or greenlane's
    status: str = "measured"  # or "absent", "failed"
    engines: list[Json] = field(default_factory=list)  # in the form of `greenlane run --json`
    notes: Json = field(default_factory=dict)
    what_happened: str | None = None
    took_s: float = 0.0  # from start to end, with all loading

    @property
    def title(self) -> str:
        """Returns the row's name in the table."""
        return f"{self.name}, {self.variant}" if self.variant else self.name

    def engine(self, name: str) -> Json | None:
        """Returns the engine's results; None where it served no request."""
        return next((each for each in self.engines if each["name"] == name and each["requests"]), None)

    def json(self) -> Json:
        """Returns the row for the results."""
        return dict(vars(self))


def problems_of(engines: list[Json], failed: dict[str, str]) -> str | None:
    """Returns the engines' errors, which may occur though the program ran to its end."""
    said = [f"{each['name']}: {each['error']}" for each in engines if each["error"]]
    said += [f"{name}: {error}" for name, error in failed.items()]
    return "; ".join(said)[:1500] or None


def rows_of(row: Row, members: list[Json], problem: str | None, variants: list[str]) -> list[Row]:
    """Merges what a contestant's processes measured side by side: a row for each variant, engines in the members'
    order."""
    absent = next((each["absent"] for each in members if "absent" in each), None)
    if absent:
        return [replace(row, status="absent", what_happened=absent)]
    rows = []
    for variant in variants:
        parts = [each["variants"][variant] for each in members if variant in each["variants"]]
        engines = [engine for part in parts for engine in part["engines"]]
        failed = {engine: error for part in parts for engine, error in part["failed"].items()}
        happened = problems_of(engines, failed)
        if len(parts) < len(members):
            happened = happened or problem or "a process wrote no result"
        status = "failed" if happened else "measured"
        rows.append(replace(row, variant=variant, engines=engines, status=status, what_happened=happened))
    return rows
