"""Profiles and plans of pipelines that a configuration file describes."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch

from greenlane import _checked
from greenlane._fields import Fields, MalformedError
from greenlane._graphs import LongKernel
from greenlane._native import ops
from greenlane._pipeline_modules import opened

_T = TypeVar("_T")


@dataclass(frozen=True)
class LatencyPoint:
    """Latency of an engine's requests in microseconds, alone on a number of units."""

    units: int
    """Number of units of the partition."""
    p50_us: float
    """The median."""
    p99_us: float
    """99 of 100 requests take no longer."""
    mean_us: float
    """The mean."""
    requests: int
    """Number of requests that were measured."""
    device_us: float | None = None
    """The mean time of a run on the device. None: not known."""


@dataclass(frozen=True)
class GatedPoint:
    """A best-effort engine behind a gate, on a number of units."""

    units: int
    """Number of units of the partition."""
    in_flight_us: float
    """Longest time in microseconds that an urgent request may wait for work in flight."""
    overhead: float
    """Loss of the engine's rate, as a share."""
    slices: int
    """Number of slices of its graph."""


@dataclass(frozen=True)
class EngineProfile:
    """Measurements of an engine on every size of partition; the last size is the undivided device."""

    name: str
    """The engine's name."""
    curve: tuple[LatencyPoint, ...]
    """A point for each size."""
    gated: tuple[GatedPoint, ...]
    """Empty: the engine has a deadline, cannot be cut, or runs on a CPU."""
    long_kernel: LongKernel | None = None
    """The kernel that gates cannot shorten, on the largest size in ``gated``; None: there is none."""


@dataclass(frozen=True)
class Profile:
    """Latency of every engine of a pipeline, alone, on every size of partition."""

    device: str
    """The device's name."""
    engines: dict[str, EngineProfile]
    """The measurements by the engines' names."""
    json: str
    """The whole profile, as ``greenlane profile`` writes it."""

    @classmethod
    def read(cls, file: str | os.PathLike[str]) -> "Profile":
        """Reads a profile that :meth:`save` or ``greenlane profile`` wrote.

        :raises ValueError: the file is no profile; the message says what is wrong in it.
        :raises OSError: the file cannot be read.
        """
        return _read(file, cls._of, "profile")

    def save(self, file: str | os.PathLike[str]) -> None:
        """Writes the profile, for ``greenlane plan --profile`` and for :meth:`read`."""
        Path(file).write_text(self.json, encoding="utf-8")

    @classmethod
    def _of(cls, text: str) -> "Profile":
        document = Fields(json.loads(text))
        engines = {
            each.text("name"): EngineProfile(
                each.text("name"),
                tuple(_latency_point(point) for point in each.children("curve")),
                tuple(_gated_point(point) for point in each.children("gated")),
                _long_kernel(each.child_or_none("long_kernel")),
            )
            for each in document.children("engines")
        }
        return cls(document.child("device").text("name"), engines, text)


def _latency_point(point: Fields) -> LatencyPoint:
    p50, p99, mean = (point.amount(each) for each in ("p50_us", "p99_us", "mean_us"))
    device = point.amount_or_none("device_us")
    return LatencyPoint(point.units("units"), p50, p99, mean, point.count("requests"), device)


def _gated_point(point: Fields) -> GatedPoint:
    return GatedPoint(
        point.units("units"), point.amount("in_flight_us"), point.number("overhead"), point.count("slices")
    )


def _long_kernel(kernel: Fields | None) -> LongKernel | None:
    if kernel is None:
        return None
    return LongKernel(kernel.text("name", ""), kernel.amount("time_us"), kernel.count("kernels"))


@dataclass(frozen=True)
class PlannedEngine:
    """An engine's lane in a plan, and its expected latency."""

    name: str
    """The engine's name."""
    lane: str
    """The name of its lane."""
    predicted_p99_us: float | None
    """Predicted p99 in microseconds, by the model or an earlier run. None: there is no prediction, or requests come
    faster than they can be served."""
    measured_p99_us: float | None
    """Measured p99 in microseconds. None: the plan was not tried."""


@dataclass(frozen=True)
class Plan:
    """Lanes with which the pipeline meets every deadline."""

    mode: str
    """``"lanes"``, or the mode that did better: ``"gates"``, ``"priority"`` or ``"shared"``."""
    lanes: dict[str, int | str | None]
    """Number of units of each lane; or ``"rest"``; or ``"beside NAME"`` for that lane's units; or None in modes without
    partitions."""
    engines: dict[str, PlannedEngine]
    """The engines by their names."""
    json: str
    """The whole plan, as ``greenlane plan`` writes it."""

    @classmethod
    def read(cls, file: str | os.PathLike[str]) -> "Plan":
        """Reads a plan that :meth:`save` or ``greenlane plan`` wrote.

        :raises ValueError: the file is no plan; the message says what is wrong in it.
        :raises OSError: the file cannot be read.
        """
        return _read(file, cls._of, "plan")

    def save(self, file: str | os.PathLike[str]) -> None:
        """Writes the plan, for ``greenlane run --plan``."""
        Path(file).write_text(self.json, encoding="utf-8")

    @classmethod
    def _of(cls, text: str) -> "Plan":
        document = Fields(json.loads(text))
        lanes = {each.text("name"): _units(each) for each in document.children("lanes")}
        engines = {each.text("name"): _planned(each) for each in document.children("engines")}
        return cls(document.text("mode"), lanes, engines, text)


def _units(lane: Fields) -> int | str | None:
    if lane.has("beside"):
        return f"beside {lane.text('beside')}"
    if not lane.has("units") or lane.says("units", "rest"):
        return "rest" if lane.has("units") else None
    return lane.units("units", least=1)


def _planned(engine: Fields) -> PlannedEngine:
    return PlannedEngine(engine.text("name"), engine.text("lane"), _p99(engine, "predicted"), _p99(engine, "measured"))


def _p99(engine: Fields, key: str) -> float | None:
    figures = engine.child_or_none(key)
    return None if figures is None else figures.amount_or_none("p99_us")


def _read(file: str | os.PathLike[str], parse: Callable[[str], _T], what: str) -> _T:
    """Returns a file's contents; ``what`` it should be is also the name of the command that writes it."""
    try:
        return parse(Path(file).read_text(encoding="utf-8"))
    except MalformedError as error:
        why = str(error)
    except (ValueError, RecursionError) as error:
        why = f"it is no JSON ({error})"
    raise ValueError(f"{os.fspath(file)!r} is no {what}: {why}; give what `greenlane {what}` wrote")


def _whole(text: str | None) -> str:
    # After Ctrl-C there is no text, and Python has raised KeyboardInterrupt by now, unless its handler was replaced.
    if text is None:
        raise RuntimeError("it was interrupted")
    return text


def profile(
    config: str | os.PathLike[str], seconds: float = 1.0, *, modules: Mapping[str, torch.nn.Module] | None = None
) -> Profile:
    """Measures every engine of a pipeline alone on every size of partition.

    :param config: the pipeline's TOML file.
    :param seconds: longest time to measure an engine on one size.
    :param modules: see :class:`Pipeline`. Buffers that the modules write to are put back.
    :raises RuntimeError: a file is missing or wrong, or an engine throws.
    :raises ValueError: the time is out of range, or the modules do not fit the file.
    :raises TypeError: the time is no number, or ``modules`` is no mapping to modules.
    """
    longest = _checked.seconds(seconds, "seconds")
    file = _checked.text(config, "the path")
    with opened(file, modules) as made:
        return Profile._of(_whole(ops.profile_pipeline(file, longest, [each.native for each in made])))


def _margin(value: float) -> float:
    margin = _checked.number(value, "margin")
    if not 0 <= margin <= 10:
        raise ValueError(f"a margin must be between 0 and 10, and it is {margin:g}")
    return margin


def plan(
    config: str | os.PathLike[str],
    profile: Profile | None = None,
    *,
    margin: float = 0.1,
    verify: bool = True,
    seconds: float = 2.0,
    budget: float = 60.0,
    modules: Mapping[str, torch.nn.Module] | None = None,
) -> Plan:
    """Finds the lanes that meet every deadline, and tries the best ones on the device.

    :param config: the pipeline's TOML file; its lanes do not matter.
    :param profile: measured latencies; None: they are measured first. A profile of another machine's device is allowed,
        but then no plan is tried.
    :param margin: share that is added to a predicted p99 before it is compared with its deadline.
    :param verify: whether plans are tried, beside the modes without lanes.
    :param seconds: how long each trial runs.
    :param budget: number of seconds after which no further trial begins.
    :param modules: see :class:`Pipeline`. Buffers that the modules write to are put back.
    :raises RuntimeError: deadlines cannot be met; the message says which, by how much, and what would help.
    :raises ValueError: a number is out of range, or the modules do not fit the file.
    :raises TypeError: ``profile`` is no :class:`Profile`, a number is none, ``verify`` is no bool, or
        ``modules`` is no mapping to modules.
    """
    if profile is not None and not isinstance(profile, Profile):
        raise TypeError(
            f"profile is {profile!r}: give a Profile (greenlane.Profile.read reads one from a file), or None"
        )
    file = _checked.text(config, "the path")
    numbers = {
        "margin": _margin(margin),
        "seconds": _checked.seconds(seconds, "seconds"),
        "budget": _checked.seconds(budget, "budget"),
    }
    tries = _checked.truth(verify, "verify")
    known = None if profile is None else profile.json
    if profile is not None and not tries:  # nothing runs
        return Plan._of(_whole(ops.plan_pipeline(file, profile=known, verify=False, modules=[], **numbers)))
    with opened(file, modules) as made:
        natives = [each.native for each in made]
        return Plan._of(_whole(ops.plan_pipeline(file, profile=known, verify=tries, modules=natives, **numbers)))
