"""Plans and profiles: a comparison of the schemas' verdicts with greenlane's."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import greenlane as gl
import pytest
from cli.program import config, engine

from schemas.documents import validator
from schemas.mutations import PLAIN, at, changed, paths
from schemas.verdicts import NOTHING_MEASURED, refusal_of_plan, refusal_of_profile, toml

Path_ = tuple[Any, ...]


def changes(document: Any, values: list[Any]) -> Iterator[tuple[Path_, Any, Any]]:
    """Yields each way in a document, the new value at its end, and the changed document."""
    for path in paths(document):
        for value in values:
            yield path, value, changed(path, value, document=document)
        yield path, "gone", changed(path, removed=True, document=document)
        if isinstance(at(document, path), dict):
            yield path, "a further key", changed((*path, "unknown"), 1, document=document)


def compare(
    name: str,
    cases: Iterator[tuple[Path_, Any, Any]],
    refusal_of: Callable[[Any], str],
    beyond: list[str],
    lenient: Callable[[Path_, Any], str],
) -> Counter[str]:
    """Compares all verdicts, and counts the documented differences.

    :param beyond: refusals that need more than a schema.
    :param lenient: returns why greenlane accepts what the schema refuses.
    """
    used: Counter[str] = Counter()
    for path, value, document in cases:
        why, is_valid = refusal_of(document), validator(name).is_valid(document)
        if is_valid and why:
            reasons = [each for each in beyond if re.search(each, why)]
            assert reasons, f"greenlane refuses what the schema accepts: {path} = {value!r}: {why}"
            used.update(reasons)
        elif not is_valid and not why:
            reason = lenient(path, value)
            assert reason, f"the schema refuses what greenlane accepts: {path} = {value!r}"
            used[reason] += 1
    return used


WHOLE_NUMBERS = r"no sensible number of units|and no whole number"
"""8.0 is a whole number in JSON."""

PLANS_BEYOND = [
    *("is not among its lanes", "two of its lanes are named", "it does not say where engine", "it places engine"),
    *("has no units of its own or no engine", "is no plan for this device", WHOLE_NUMBERS),
]
"""Names, and the device."""


def lenient_plan(path: Path_, value: Any) -> str:
    if path == ("device", "id"):
        return "the kind of an unknown device is not compared"
    if value == "" and path[-1] in ("beside", "device"):
        return "an empty text is as no key"
    return "auto is a device of a lane" if path[-1] == "device" and value == "auto" else ""


def test_the_verdicts_of_plans_are_greenlanes(models: Path, tmp_path: Path) -> None:
    affine = models / "affine.pt2"
    file = config(tmp_path, engine("a", affine, rate_hz=50), engine("b", affine))
    here = gl.devices()[-1]
    plan = {
        "mode": "lanes",
        "versions": {"torch": "2.14.0"},
        "device": {"id": "cpu", "name": here.name, "units": here.units},
        "lanes": [{"name": "a", "units": 1}, {"name": "b", "beside": "a", "device": "cpu"}],
        "engines": [{"name": "a", "lane": "a", "gated": True}, {"name": "b", "lane": "b", "slice_us": 50.5}],
    }
    assert refusal_of_plan(plan, file) == ""
    values = [None, 8.0, 1_000_001, "", "a", "auto"]
    used = compare(
        "plan", changes(plan, values), lambda document: refusal_of_plan(document, file), PLANS_BEYOND, lenient_plan
    )
    assert set(PLANS_BEYOND) <= used.keys()


@pytest.mark.parametrize("mode", ["lanes", "gates", "shared", "priority", "compare", "Lanes"])
def test_a_plan_is_for_one_mode(mode: str, models: Path, tmp_path: Path) -> None:
    file = config(tmp_path, engine("a", models / "affine.pt2"))
    plan = {"mode": mode, "lanes": [{"name": "a"}], "engines": [{"name": "a", "lane": "a"}]}
    assert (refusal_of_plan(plan, file) == "") is validator("plan").is_valid(plan)


PROFILES_BEYOND = ["its device's groups are not its units", WHOLE_NUMBERS, "has an impossible latency", "parse error"]
"""Sums, and p99 below p50. NaN is no JSON."""

UNREAD = {"unit", "memory_bytes", "compute_capability", "driver_version", "versions"}
"""Keys that only the report reads."""


def lenient_profile(path: Path_, value: Any) -> str:
    if UNREAD & set(path):
        return "the key is not read"
    is_list = path[-1] in ("engines", "curve", "gated")
    return "null and {} are as []" if is_list and value in (None, {}) else ""


def test_the_verdicts_of_profiles_are_greenlanes(tmp_path: Path) -> None:
    file = tmp_path / "pipeline.toml"
    file.write_text(toml({"engine": {"a": PLAIN}}))
    points = [{"units": units, "p50_us": 1.0, "p99_us": 2.0, "mean_us": 1.5, "requests": 10} for units in (1, 2)]
    gated = [{"units": 2, "in_flight_us": 50.0, "overhead": 0.1, "slices": 4}]
    profile = {
        "versions": {"torch": "2.14.0"},
        "device": {**NOTHING_MEASURED["device"], "unit": "core", "memory_bytes": 1},
        "engines": [{"name": "a", "curve": points, "gated": gated}],
    }
    assert refusal_of_profile(profile, file) == ""
    values: list[Any] = [
        *(None, True, 0, 1, -1, 8.0, 0.5, -0.5, 1.5, 1_000_001, 1e12, 1.1e12, 2**53, 2**53 + 1, 2**63, float("nan")),
        *("", "a", "cuda:0", "gpu", "auto", [], {}, [{}]),
    ]
    used = compare(
        "profile",
        changes(profile, values),
        lambda document: refusal_of_profile(document, file),
        PROFILES_BEYOND,
        lenient_profile,
    )
    assert used.keys() == {*PROFILES_BEYOND, "the key is not read", "null and {} are as []"}
