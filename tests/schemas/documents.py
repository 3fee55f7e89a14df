"""The schemas, and the files that they describe."""

import functools
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "schemas"
GUIDES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NAMES = sorted(file.name.removesuffix(".schema.json") for file in FOLDER.iterdir())


@functools.cache
def schema(name: str) -> dict[str, Any]:
    """Returns a schema."""
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.schema.json").read_text())
    return found


@functools.cache
def validator(name: str, *, closed: bool = False) -> Draft202012Validator:
    """Returns a validator of a schema.

    :param closed: no object may have keys that the schema does not name, as in files that greenlane wrote.
    """
    return Draft202012Validator(_closed(schema(name)) if closed else schema(name))


def faults(name: str, document: object, *, closed: bool = False) -> list[str]:
    """Returns what a schema refuses in a document; empty: it accepts the document."""
    return [f"{fault.json_path}: {fault.message}" for fault in validator(name, closed=closed).iter_errors(document)]


def parts(part: Any) -> Iterator[dict[str, Any]]:
    """Yields a schema and all schemas in it."""
    if isinstance(part, dict):
        yield part
        for each in part.values():
            yield from parts(each)
    elif isinstance(part, list):
        for each in part:
            yield from parts(each)


def tables(part: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the descriptions of the properties of each object that a schema describes, without conditions."""
    return [each["properties"] for each in parts(part) if "properties" in each and each.get("type") == "object"]


def properties(name: str) -> set[str]:
    """Returns the names of all properties in a schema."""
    return {key for table in tables(schema(name)) for key in table}


def parsed(text: str) -> dict[str, Any]:
    """Returns a configuration.

    :raises ValueError: it is no TOML.
    """
    document: dict[str, Any] = tomllib.loads(text)
    return document


def toml_blocks(document: Path) -> list[dict[str, Any]]:
    """Returns the configurations in a document."""
    return [parsed(text) for text in re.findall(r"^```toml\n(.*?)^```$", document.read_text(), re.M | re.S)]


def _closed(part: Any) -> Any:
    if isinstance(part, list):
        return [_closed(each) for each in part]
    if not isinstance(part, dict):
        return part
    made = {key: _closed(each) for key, each in part.items()}
    if part.get("type") == "object" and "properties" in part:
        made.setdefault("additionalProperties", False)
    return made
