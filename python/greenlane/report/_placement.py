"""The units of a device that each lane has, as far as files say it."""

from collections.abc import Sequence
from dataclasses import dataclass

from greenlane.report._audits import Audit
from greenlane.report._forms import Device, Mode
from greenlane.report._plans import Candidate


@dataclass(frozen=True)
class Placement:
    """Lanes on the units of a device."""

    lanes: dict[str, list[str]]
    """The engines of every lane."""
    units: dict[str, tuple[int, ...]]
    """The numbers of every lane's units; lanes may share some."""
    shown: tuple[int, ...]
    """All units of the device."""
    numbered: bool
    """True: the numbers are the device's own (cores). False: they only count lanes one after another (SMs)."""
    left: frozenset[str] = frozenset()
    """Lanes that an engine's kernels left, according to an audit."""


def of_mode(device: Device, mode: Mode) -> Placement | None:
    """Returns the placement in results; None if every lane had the whole device, or lanes share unknown units."""
    lanes = _engines_by_lane([(engine.lane, engine.name) for engine in mode.engines])
    if mode.engines and all(engine.cpus for engine in mode.engines):
        cpus = {engine.lane: tuple(engine.cpus) for engine in mode.engines}
        used = sorted({cpu for each in cpus.values() for cpu in each})
        others = (cpu for cpu in range(max(used) + 1 + device.units) if cpu not in used)
        shown = sorted([*used, *(next(others) for _ in range(device.units - len(used)))])
        return Placement(lanes, cpus, tuple(shown), True)
    counts = {engine.lane: engine.units for engine in mode.engines}
    if mode.name != "lanes" or sum(counts.values()) > device.units:
        return None
    return Placement(lanes, _one_after_another(counts), tuple(range(device.units)), False)


def of_plan(device: Device, plan: Candidate) -> Placement | None:
    """Returns the placement in a plan; None if it leaves the device undivided, or its lanes do not fit."""
    if plan.mode != "lanes":
        return None
    lanes = _engines_by_lane([(engine.lane, engine.name) for engine in plan.engines])
    owners = {lane.name: plan.units_of(lane.name, device.units) for lane in plan.lanes if lane.beside is None}
    if sum(owners.values()) > device.units:
        return None
    units = _one_after_another(owners)
    for _ in plan.lanes:  # a lane may be beside one that is beside another
        units |= {lane.name: units[lane.beside] for lane in plan.lanes if lane.beside in units}
    return Placement(lanes, units, tuple(range(device.units)), False)


def of_audit(audit: Audit) -> Placement | None:
    """Returns the placement in an audit; None if nothing was divided, or lanes share unknown units."""
    on_lanes = [(engine.lane, engine) for engine in audit.engines if engine.lane is not None]
    lanes = _engines_by_lane([(lane, engine.name) for lane, engine in on_lanes])
    counts = {lane: engine.units for lane, engine in on_lanes}
    if not counts or sum(counts.values()) > audit.device.units:
        return None
    shown = tuple(range(audit.device.units))
    return Placement(lanes, _one_after_another(counts), shown, False, frozenset(audit.lanes_with_strays()))


def _engines_by_lane(pairs: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    lanes: dict[str, list[str]] = {}
    for lane, engine in pairs:
        lanes.setdefault(lane, []).append(engine)
    return lanes


def _one_after_another(counts: dict[str, int]) -> dict[str, tuple[int, ...]]:
    units, first = {}, 0
    for lane, count in counts.items():
        units[lane] = tuple(range(first, first + count))
        first += count
    return units
