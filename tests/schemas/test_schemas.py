"""The schemas themselves: valid, described, and of one style."""

import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from schemas.documents import FOLDER, NAMES, ROOT, parts, schema, tables, validator

UNITS = {"_us": "microseconds", "_ms": "milliseconds", "_hz": "Hz", "_bytes": "bytes", "seconds": "seconds"}
"""The ends of names, and the words for the unit."""

each_schema = pytest.mark.parametrize("name", NAMES)


@each_schema
def test_a_schema_is_valid(name: str) -> None:
    found = schema(name)
    Draft202012Validator.check_schema(found)
    assert found["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    assert found["$id"] == f"urn:greenlane:schema:{name}"
    assert {"title", "description"} <= found.keys()


@each_schema
def test_each_reference_stays_in_its_file(name: str) -> None:
    """So a validator needs one file, and no network."""
    found = schema(name)
    used = {each["$ref"].removeprefix("#/$defs/") for each in parts(found) if isinstance(each.get("$ref"), str)}
    assert used == found.get("$defs", {}).keys()


@each_schema
def test_each_property_is_described(name: str) -> None:
    for table in tables(schema(name)):
        for key, described in table.items():
            text = described.get("description", "")
            assert re.fullmatch(r"[A-Za-z].*\.", text), f"{key}: {text!r} is no sentence"
            for end, unit in UNITS.items():
                if key.endswith(end):
                    assert unit in text, f"{key}: {text!r} does not say {unit!r}"
            if "type" in described and set(as_list(described["type"])) & {"number", "integer"}:
                unit_or_number = r"number|unit|seconds|Hz|bytes|version|begin|seed|track"
                assert re.search(unit_or_number, text), f"{key}: {text!r} says no unit"


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@each_schema
def test_defaults_and_examples_fit(name: str) -> None:
    definitions = schema(name).get("$defs", {})
    for table in tables(schema(name)):
        for key, described in table.items():
            check = Draft202012Validator({**described, "$defs": definitions})
            for value in [*described.get("examples", []), *(v for k, v in described.items() if k == "default")]:
                assert check.is_valid(value), f"{key}: {value!r}"


def test_the_same_things_have_the_same_descriptions() -> None:
    """A device and versions are in many files."""
    for definition in ("device", "versions"):
        found: dict[str, Any] = {}
        for name in NAMES:
            table = schema(name).get("$defs", {}).get(definition, {}).get("properties", {})
            for key, described in table.items():
                assert found.setdefault(key, described) == described, f"{name}: {definition}.{key}"
        assert len(found) > 3


def test_each_schema_is_listed_in_the_documents() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text()
    assert sorted(re.findall(r"\]\(schemas/(\w+)\.schema\.json\)", text)) == NAMES
    assert sorted(file.name for file in FOLDER.iterdir()) == [f"{name}.schema.json" for name in NAMES]


def test_an_invalid_document_is_refused() -> None:
    for name in NAMES:
        assert not validator(name).is_valid(3)
        assert not validator(name).is_valid({"modes": 3})
