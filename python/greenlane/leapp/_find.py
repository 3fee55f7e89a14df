"""Finds the YAML of an export, and reads it."""

from pathlib import Path
from typing import Any

from greenlane.leapp._error import LeappError, first_line, installed, shown


def find(folder: Path) -> Path:
    """Returns the one YAML in a folder, or the YAML itself.

    :raises LeappError: there is none, or several.
    """
    try:
        if folder.is_file():
            return folder
        found = sorted(each for each in folder.iterdir() if each.suffix in (".yaml", ".yml") and each.is_file())
    except OSError as error:
        raise LeappError(
            f"{shown(folder)} cannot be read",
            error.strerror or str(error),
            "name the folder that LEAPP wrote, or the YAML in it",
        ) from None
    if not found:
        raise LeappError(shown(folder), "there is no YAML in this folder", "name the folder that LEAPP wrote")
    if len(found) > 1:
        names = ", ".join(shown(each.name) for each in found)
        raise LeappError(shown(folder), f"there are several YAMLs in this folder: {names}", "name one of these files")
    return found[0]


def read(file: Path) -> Any:
    """Returns what a YAML holds. Objects of Python are not made.

    :raises LeappError: it cannot be read, is no YAML, or PyYAML is not installed.
    """
    yaml = installed("yaml")
    try:
        data = file.read_bytes()
    except OSError as error:
        raise LeappError(
            f"{shown(file)} cannot be read", error.strerror or str(error), "correct the path or the permissions"
        ) from None
    try:
        return yaml.safe_load(data)
    except Exception as error:  # PyYAML raises errors of many kinds
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or first_line(error)
        where = "" if mark is None else f" in line {mark.line + 1}"
        raise LeappError(
            shown(file), f"this is no YAML{where} ({shown(problem)[1:-1]})", "export the pipeline again"
        ) from None
