"""The one error of the importer."""

import importlib
import reprlib
from pathlib import PurePath
from typing import Any

_LONGEST = 200
_REPR = reprlib.Repr()
_REPR.maxlevel = 3
_REPR.maxlist = _REPR.maxtuple = _REPR.maxdict = _REPR.maxset = 20
_REPR.maxstring = _REPR.maxlong = _REPR.maxother = _LONGEST


class LeappError(RuntimeError):
    """An export that cannot be imported: what failed, why, and what to do about it."""

    def __init__(self, what: str, why: str, remedy: str) -> None:
        super().__init__(f"{what}: {why}; {remedy}")
        self._parts = (what, why, remedy)

    def __reduce__(self) -> tuple[Any, ...]:
        return (LeappError, self._parts)


def shown(text: object) -> str:
    """Returns a value or a path in quotes, on one line, without control characters. Only a path may be long."""
    full = str(text) if isinstance(text, PurePath) else plain(text)
    return "'" + "".join(each if each.isprintable() else _escape(each) for each in full) + "'"


def plain(value: object) -> str:
    """Returns a value of the YAML as a text of at most 200 characters and a mark.

    With aliases, a YAML of a few lines may hold lists of billions of values, so that not all of them are visited.
    """
    try:
        text = _REPR.repr(value) if isinstance(value, list | tuple | dict | set) else str(value)
    except ValueError:  # Python prints no integer of more than 4300 digits
        return f"{type(value).__name__} of many digits"
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def first_line(error: BaseException) -> str:
    """Returns the first line of another library's message, or else the kind of the error."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    line = (lines or [type(error).__name__])[0]
    return shown(line if len(line) <= 300 else line[:300] + "…")[1:-1].rstrip(".;:")


def installed(module: str) -> Any:
    """Imports a module of the extra ``leapp``.

    :raises LeappError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        name = module.split(".")[0]
        if (error.name or "").split(".")[0] != name:
            raise
        raise LeappError(
            "the export cannot be read", f"{name} is not installed", "install it with `pip install 'greenlane[leapp]'`"
        ) from None


def _escape(character: str) -> str:
    return (
        character.encode("ascii", "backslashreplace").decode() if ord(character) > 127 else f"\\x{ord(character):02x}"
    )
