"""greenlane's own verdicts of files, from the library that the program uses: a program's start takes 0.3 s."""

import json
import re
from pathlib import Path
from typing import Any

import greenlane as gl
from greenlane._native import ops

NOTHING_MEASURED: dict[str, Any] = {
    "device": {
        "id": "cpu",
        "name": "a CPU",
        "units": 2,
        "granularity": 1,
        "groups": 2,
        "remainder": 0,
        "partitions": True,
    },
    "engines": [],
}
"""A profile without engines. The first refusal behind a configuration's own is that its engines are missing here."""


def toml(document: dict[str, Any]) -> str:
    """Returns a configuration as TOML."""
    lines = []
    groups = {key: group for key, group in document.items() if _is_group(group)}
    lines += [f"{key} = {_value(value)}" for key, value in document.items() if key not in groups]
    for key, group in groups.items():
        lines += [] if group else [f"[{key}]"]
        for name, table in group.items():
            lines.append(f"[{key}.{json.dumps(name)}]")
            lines += [f"{each} = {_value(value)}" for each, value in table.items()]
    return "\n".join(lines) + "\n"


def _is_group(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(each, dict) for each in value.values())


def _value(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_value(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    # JSON's NaN and Infinity are nan and inf in TOML.
    return json.dumps(value).lower() if isinstance(value, float) else json.dumps(value)


def refusal_of_profile(document: object, config: Path) -> str:
    """Returns the reason why greenlane refuses a profile; empty: it accepts the profile."""
    why = _refusal(json.dumps(document), config)
    return why if why.startswith("what was given is no profile") else ""


def refusal_of_pipeline(text: str, folder: Path) -> str:
    """Returns the reason why greenlane refuses a configuration; empty: it accepts the configuration.

    The files that it names need not exist.
    """
    file = folder / "pipeline.toml"
    file.write_text(text)
    why = _refusal(json.dumps(NOTHING_MEASURED), file)
    # Behind the configuration's own refusals comes "FILE: engine.a: the profile does not have this engine".
    return why.removeprefix(f"{file}:") if re.match(rf"{re.escape(str(file))}:\d+:", why) else ""


def _refusal(profile: str, config: Path) -> str:
    options = {"margin": 0.1, "seconds": 1.0, "budget": 1.0}
    try:
        ops.plan_pipeline(str(config), profile=profile, verify=False, modules=[], **options)
    except RuntimeError as error:
        return str(error).splitlines()[0]
    return ""


def refusal_of_plan(document: object, config: Path) -> str:
    """Returns the reason why greenlane refuses a plan; empty: it opens the pipeline with the plan."""
    file = config.with_name("plan.json")
    file.write_text(json.dumps(document))
    try:
        gl.Pipeline(config, plan=file).close()
    except RuntimeError as error:
        return str(error).splitlines()[0]
    return ""
