"""Plans and profiles: a comparison of the schemas' verdicts with greenlane's."""

import functools
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import greenlane as gl
import pytest
from cli.program import config, engine

from schemas.documents import schema, validator
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
    lenient: Callable[[Path_, Any], str] = lambda _path, _value: "",
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
    *("no engine runs on lane", "is no plan for this device", WHOLE_NUMBERS),
]
"""Names, and the device."""


def two_engines(models: Path, folder: Path) -> Path:
    affine = models / "affine.pt2"
    return config(folder, engine("a", affine, rate_hz=50), engine("b", affine))


def plan_of_two() -> dict[str, Any]:
    """Returns a plan of two_engines()."""
    here = gl.devices()[-1]
    return {
        "mode": "lanes",
        "versions": {"torch": "2.14.0"},
        "device": {"id": "cpu", "name": here.name, "units": here.units},
        "lanes": [{"name": "a", "units": 1}, {"name": "b", "beside": "a", "device": "cpu"}],
        "engines": [{"name": "a", "lane": "a", "gated": True}, {"name": "b", "lane": "b", "slice_us": 50.5}],
    }


def test_the_verdicts_of_plans_are_greenlanes(models: Path, tmp_path: Path) -> None:
    file = two_engines(models, tmp_path)
    plan = plan_of_two()
    assert refusal_of_plan(plan, file) == ""
    values = [None, 8.0, 1_000_001, "", "a", "auto"]
    used = compare("plan", changes(plan, values), lambda document: refusal_of_plan(document, file), PLANS_BEYOND)
    assert used.keys() == set(PLANS_BEYOND)


@pytest.mark.parametrize("mode", ["lanes", "gates", "shared", "priority", "compare", "Lanes"])
def test_a_plan_is_for_one_mode(mode: str, models: Path, tmp_path: Path) -> None:
    file = config(tmp_path, engine("a", models / "affine.pt2"))
    plan = {"mode": mode, "lanes": [{"name": "a"}], "engines": [{"name": "a", "lane": "a"}]}
    assert (refusal_of_plan(plan, file) == "") is validator("plan").is_valid(plan)


PROFILES_BEYOND = [
    *(
        "its device's groups are not its units",
        WHOLE_NUMBERS,
        "p50_us is longer",
        "another point of '",
        "it is no JSON",
    ),
]
"""Sums, p99 below p50, and sizes that are there twice. NaN is no JSON."""

UNREAD = {"unit", "memory_bytes", "compute_capability", "driver_version", "versions"}
"""Keys that only the report reads."""


def lenient_profile(path: Path_, _value: Any) -> str:
    return "the key is not read" if UNREAD & set(path) else ""


def profile_of_one() -> dict[str, Any]:
    """Returns a profile of an engine `a`."""
    points = [{"units": units, "p50_us": 1.0, "p99_us": 2.0, "mean_us": 1.5, "requests": 10} for units in (1, 2)]
    points[0]["device_us"] = 0.5
    gated = [{"units": 2, "in_flight_us": 50.0, "overhead": 0.1, "slices": 4}]
    kernel = {"name": "matmul", "time_us": 1090.0, "kernels": 1, "units": 2}
    return {
        "versions": {"torch": "2.14.0"},
        "device": {**NOTHING_MEASURED["device"], "unit": "core", "memory_bytes": 1},
        "engines": [{"name": "a", "curve": points, "gated": gated, "long_kernel": kernel}],
    }


def test_the_verdicts_of_profiles_are_greenlanes(tmp_path: Path) -> None:
    file = tmp_path / "pipeline.toml"
    file.write_text(toml({"engine": {"a": PLAIN}}))
    profile = profile_of_one()
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
    assert used.keys() == {*PROFILES_BEYOND, "the key is not read"}


DEFINITIONS = {"lanes": "lane", "engines": "engine", "curve": "point"}
"""The definitions of the objects in lists."""


def known_keys(said: str) -> set[str]:
    """Returns the keys that a warning of an unknown key lists."""
    (known,) = re.findall(r" know, and ignores: '[^']*Q'[^()]* \(known here: ([\w, ]+)\); correct the name,", said)
    return set(known.split(", "))


def compare_known_keys(
    name: str, document: Any, refusal_of: Callable[[Any], str], said: Callable[[], str], unread: str = ""
) -> None:
    """Compares the keys that greenlane knows in each object with those of the schema."""
    assert refusal_of(document) == ""
    assert said() == ""
    for path in [(), *(path for path in paths(document) if isinstance(at(document, path), dict))]:
        assert refusal_of(changed((*path, "Q"), 1, document=document)) == ""
        names = [each for each in path if isinstance(each, str)]
        if names and names[-1] == unread:
            assert said() == ""
            continue
        found = schema(name)["$defs"][DEFINITIONS.get(names[-1], names[-1])] if names else schema(name)
        assert known_keys(said()) == set(found["properties"]), path


def test_an_unknown_key_of_a_plan_is_a_warning(models: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    plan = plan_of_two()
    plan["versions"] = {"greenlane": "0.1.0"}  # another PyTorch would be a warning, too
    compare_known_keys(
        "plan",
        plan,
        functools.partial(refusal_of_plan, config=two_engines(models, tmp_path)),
        lambda: capfd.readouterr().err,
    )


def test_an_unknown_key_of_a_profile_is_a_warning(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "pipeline.toml"
    file.write_text(toml({"engine": {"a": PLAIN}}))
    compare_known_keys(
        "profile",
        profile_of_one(),
        functools.partial(refusal_of_profile, config=file),
        lambda: capfd.readouterr().err,
        unread="versions",
    )
