"""Profiles and plans of pipelines that a configuration file describes."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from greenlane import _checked
from greenlane._native import ops


@dataclass(frozen=True)
class LatencyPoint:
    """Latency of an engine's requests, alone on so many units."""

    units: int
    p50_us: float
    p99_us: float
    mean_us: float
    requests: int


@dataclass(frozen=True)
class GatedPoint:
    """A best-effort engine behind a gate, on so many units."""

    units: int
    in_flight_us: float
    """What an urgent request may wait for."""
    overhead: float
    """Of the engine's rate, as a share."""
    slices: int


@dataclass(frozen=True)
class EngineProfile:
    """An engine on every size of partition; the last one is the undivided device."""

    name: str
    curve: tuple[LatencyPoint, ...]
    gated: tuple[GatedPoint, ...]
    """Empty: it has a deadline, cannot be cut, or runs on a CPU."""


@dataclass(frozen=True)
class Profile:
    """How long every engine of a pipeline takes, alone, on every size of partition."""

    device: str
    """Its name."""
    engines: dict[str, EngineProfile]
    json: str
    """All of it, as ``greenlane profile`` writes it."""

    @classmethod
    def read(cls, file: str | os.PathLike[str]) -> "Profile":
        """One that was saved, also by ``greenlane profile``."""
        return cls._of(Path(file).read_text(encoding="utf-8"))

    def save(self, file: str | os.PathLike[str]) -> None:
        """For ``greenlane plan --profile``, and to be read again."""
        Path(file).write_text(self.json, encoding="utf-8")

    @classmethod
    def _of(cls, text: str) -> "Profile":
        document = json.loads(text)
        engines = {
            each["name"]: EngineProfile(
                each["name"],
                tuple(LatencyPoint(**point) for point in each["curve"]),
                tuple(GatedPoint(**point) for point in each["gated"]),
            )
            for each in document["engines"]
        }
        return cls(document["device"]["name"], engines, text)


@dataclass(frozen=True)
class PlannedEngine:
    """Where an engine is to run, and what is to be expected of it."""

    name: str
    lane: str
    predicted_p99_us: float | None
    """By the model, or by an earlier run. None: nothing was, or requests come faster than they can be served."""
    measured_p99_us: float | None
    """None: the plan was not tried."""


@dataclass(frozen=True)
class Plan:
    """The lanes that meet every deadline."""

    mode: str
    """``"lanes"``, or the mode that did better: ``"gates"``, ``"priority"`` or ``"shared"``."""
    lanes: dict[str, int | str | None]
    """Units of each lane, ``"rest"``, ``"beside NAME"`` for that lane's units, or None in modes without partitions."""
    engines: dict[str, PlannedEngine]
    json: str
    """All of it, as ``greenlane plan`` writes it."""

    def save(self, file: str | os.PathLike[str]) -> None:
        """For ``greenlane run --plan``."""
        Path(file).write_text(self.json, encoding="utf-8")

    @classmethod
    def _of(cls, text: str) -> "Plan":
        document = json.loads(text)
        lanes = {each["name"]: _units(each) for each in document["lanes"]}
        engines = {each["name"]: _planned(each) for each in document["engines"]}
        return cls(document["mode"], lanes, engines, text)


def _units(lane: dict[str, Any]) -> int | str | None:
    units: int | str | None = lane.get("units")
    return f"beside {lane['beside']}" if "beside" in lane else units


def _planned(engine: dict[str, Any]) -> PlannedEngine:
    predicted, measured = engine["predicted"] or {}, engine["measured"] or {}
    return PlannedEngine(engine["name"], engine["lane"], predicted.get("p99_us"), measured.get("p99_us"))


def _whole(text: str) -> str:
    # After Ctrl-C there is nothing, and Python has raised KeyboardInterrupt by now, unless its handler was replaced.
    if not text:
        raise RuntimeError("it was interrupted")
    return text


def profile(config: str | os.PathLike[str], seconds: float = 1.0) -> Profile:
    """Measures every engine of a pipeline alone on every size of partition.

    :param config: the pipeline's TOML file.
    :param seconds: how long to measure an engine on a size at most.
    :raises RuntimeError: for files that are missing or wrong, and engines that throw.
    """
    return Profile._of(_whole(ops.profile_pipeline(_checked.text(config, "the path"), seconds)))


def plan(
    config: str | os.PathLike[str],
    profile: Profile | None = None,
    *,
    margin: float = 0.1,
    verify: bool = True,
    seconds: float = 2.0,
    budget: float = 60.0,
) -> Plan:
    """Finds the lanes that meet every deadline, and tries the best on the device.

    :param config: the pipeline's TOML file; its lanes do not matter.
    :param profile: latencies, also of another machine's device, where plans cannot be tried; None: measured first.
    :param margin: a predicted p99 so much longer must still meet its deadline.
    :param verify: whether plans are tried, beside the modes without lanes.
    :param seconds: how long to run each.
    :param budget: seconds after which no other is begun.
    :raises RuntimeError: where deadlines cannot be met: it says whose, by how much, and what would help.
    """
    given = profile.json if profile is not None else ""
    return Plan._of(
        _whole(ops.plan_pipeline(_checked.text(config, "the path"), given, margin, verify, seconds, budget))
    )
