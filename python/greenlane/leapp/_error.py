"""The one error of the importer."""

import importlib
from typing import Any


class LeappError(RuntimeError):
    """An export that cannot be imported: what failed, why, and what to do about it."""

    def __init__(self, what: str, why: str, remedy: str) -> None:
        super().__init__(f"{what}: {why}; {remedy}")
        self._parts = (what, why, remedy)

    def __reduce__(self) -> tuple[Any, ...]:
        return (LeappError, self._parts)


def shown(text: object) -> str:
    """Returns a name or a path in quotes, on one line, without control characters."""
    return "'" + "".join(each if each.isprintable() else _escape(each) for each in str(text)) + "'"


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
