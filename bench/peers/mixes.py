"""The pipelines of the race, read from their TOML files."""

import sys
from dataclasses import dataclass
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it


@dataclass(frozen=True)
class Engine:
    """The facts that the race needs of an engine."""

    name: str
    lane: str
    model: Path
    deadline_us: float | None  # none: best effort
    weight: float


@dataclass(frozen=True)
class Mix:
    """One pipeline: its engines, and the units of their lanes."""

    name: str
    config: Path
    engines: list[Engine]
    units: dict[str, int | str]  # of a lane; "rest": what the others leave

    @property
    def urgent(self) -> list[Engine]:
        """Returns the engines with a deadline, the shortest deadline first."""
        with_deadline = [(engine.deadline_us, engine) for engine in self.engines if engine.deadline_us is not None]
        return [engine for _, engine in sorted(with_deadline, key=lambda pair: pair[0])]

    @property
    def best_effort(self) -> list[Engine]:
        """Returns the other engines, in the order of the file."""
        return [engine for engine in self.engines if engine.deadline_us is None]

    def sizes(self, whole: int) -> dict[str, int]:
        """Returns the units of each engine's lane in greenlane, on a device of `whole` units."""
        fixed = {lane: units for lane, units in self.units.items() if isinstance(units, int)}
        return {each.name: fixed.get(each.lane, whole - sum(fixed.values())) for each in self.engines}

    def priorities(self) -> dict[str, int]:
        """Returns priorities by deadline, as `greenlane run --mode priority` does: a lower one is more urgent; best
        effort has 0."""
        urgent = [engine.name for engine in self.urgent]
        return {each.name: urgent.index(each.name) - len(urgent) if each.deadline_us else 0 for each in self.engines}


def load_mix(config: Path) -> Mix:
    """Reads the file. greenlane reads it too, and checks that it is valid."""
    table = tomllib.loads(config.read_text())
    engines = []
    for name, keys in table["engine"].items():
        deadline_us = keys["deadline_ms"] * 1e3 if "deadline_ms" in keys else None
        if deadline_us is None and "rate_hz" in keys:
            deadline_us = 1e6 / keys["rate_hz"]
        model = (config.parent / keys["model"]).resolve()
        engines.append(Engine(name, keys.get("lane", name), model, deadline_us, keys.get("weight", 1)))
    if len({engine.lane for engine in engines}) < len(engines):
        raise ValueError(f"{config}: engines share a lane: peers cannot be given the same; give each its own")
    lanes = {name: keys.get("units", "rest") for name, keys in table.get("lane", {}).items()}
    return Mix(config.stem, config.resolve(), engines, lanes)
