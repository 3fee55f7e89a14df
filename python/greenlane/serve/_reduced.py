"""Pipelines without some of their engines: reduced copies of their files."""

import json
import math
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from greenlane.serve._edges import Document, taken_by

_NOT_BASIC = str.maketrans({"\x7f": "\\u007f"})
_PLAN_KEYS = ("versions", "device", "mode", "lanes", "engines")


@contextmanager
def reduced_files(
    document: Document, config: Path, plan: Document | None, without: Collection[str]
) -> Iterator[tuple[Path, Path | None]]:
    """Yields the files of a pipeline without these engines, and of its plan: copies in a temporary folder, which are
    there until the end. No other engine takes from these engines.

    :param config: where the file is, which the document was read from.
    """
    with tempfile.TemporaryDirectory(prefix="greenlane-") as folder:
        file = Path(folder, config.name)
        file.write_text(toml_of(reduced(document, config.parent, without)), encoding="utf-8")
        plan_file = None
        if plan is not None:
            plan_file = Path(folder, "plan.json")
            plan_file.write_text(json.dumps(reduced_plan(plan, without)), encoding="utf-8")
        yield file, plan_file


def reduced(document: Document, folder: Path, without: Collection[str]) -> Document:
    """Returns a pipeline's file without these engines and without what only they use; its paths are absolute."""
    engines = {name: _engine(table, folder) for name, table in document["engine"].items() if name not in without}
    taken = {each.producer for name in engines for each in taken_by(document, name)}
    sources = {
        name: _with_files(table, folder, "items") for name, table in document.get("source", {}).items() if name in taken
    }
    paths = {name: table for name, table in document.get("path", {}).items() if table["to"] in engines}
    for name, table in engines.items():
        if "from" not in table and name not in taken:
            table.pop("on", None)  # only its consumers needed a trigger
    used = {table.get("lane", name) for name, table in engines.items()}
    lanes = _lanes(document.get("lane", {}), used)
    users = {table["tenant"] for table in engines.values() if "tenant" in table}
    tenants = {name: table for name, table in document.get("tenant", {}).items() if name in users}
    tables = {"engine": engines, "source": sources, "path": paths, "lane": lanes, "tenant": tenants}
    top = {key: value for key, value in document.items() if key not in tables}
    if "libraries" in top:  # a bare name is searched by the system
        top["libraries"] = [each if "/" not in each else _absolute(each, folder) for each in top["libraries"]]
    return top | {key: value for key, value in tables.items() if value}


def reduced_plan(plan: Document, without: Collection[str]) -> Document:
    """Returns a plan without these engines and without the lanes that only they use."""
    engines = [each for each in plan["engines"] if each["name"] not in without]
    lanes = _lanes({each["name"]: each for each in plan["lanes"]}, {each["lane"] for each in engines if "lane" in each})
    listed = [{**table, "name": name} for name, table in lanes.items()]
    return {key: plan[key] for key in _PLAN_KEYS if key in plan} | {"engines": engines, "lanes": listed}


def toml_of(document: Document) -> str:
    """Returns tables as TOML, each key of the top on a line."""
    return "".join(f"{_key(key)} = {_value(value)}\n" for key, value in document.items())


def _engine(table: Document, folder: Path) -> Document:
    made = _with_files(table, folder, "model", "inputs")
    entries = made.get("from")
    if isinstance(entries, dict):
        made["from"] = _with_initial(entries, folder)
    elif isinstance(entries, list):
        made["from"] = [_with_initial(each, folder) if isinstance(each, dict) else each for each in entries]
    return made


def _with_initial(entry: Document, folder: Path) -> Document:
    return entry if entry.get("initial") == "zeros" else _with_files(entry, folder, "initial")


def _with_files(table: Document, folder: Path, *keys: str) -> Document:
    return {key: _absolute(value, folder) if key in keys else value for key, value in table.items()}


def _absolute(path: str, folder: Path) -> str:
    return str(folder.absolute() / path)


def _lanes(lanes: dict[str, Document], used: Collection[str]) -> dict[str, Document]:
    """Returns the used lanes. If a lane beside others is not used, the first one beside it takes its place."""
    kept = {name: dict(table) for name, table in lanes.items() if name in used}
    heirs: dict[str, str] = {}
    for name, table in kept.items():
        base = table.get("beside")
        if base is None or base in used or base not in lanes:
            continue
        if base in heirs:
            table["beside"] = heirs[base]
            continue
        heirs[base] = name
        del table["beside"]
        table.update({key: value for key, value in lanes[base].items() if key in ("units", "device")})
    return kept


def _key(key: str) -> str:
    return _value(key)


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(key)} = {_value(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return json.dumps(value, ensure_ascii=False).translate(_NOT_BASIC)
