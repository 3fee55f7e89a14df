"""Checked access to the JSON objects in a file."""

import math
from collections.abc import Mapping
from typing import Any, TypeGuard

LARGEST = 10**15
"""Largest number in a file; in microseconds, it is 31 years."""
MOST_UNITS = 2**16
"""Largest number of units of a device."""


class MalformedError(Exception):
    """An error in a file, without the file's name."""


class Fields:
    """A JSON object of a file; each access raises MalformedError if the value has another form."""

    def __init__(self, value: object, where: str = "the file") -> None:
        if not isinstance(value, Mapping):
            raise MalformedError(f"{where} is no object")
        self._value: Mapping[str, Any] = value
        self._where = where

    def has(self, *keys: str) -> bool:
        """Returns whether all of these keys are there and not null."""
        return all(self._value.get(key) is not None for key in keys)

    def says(self, key: str, text: str) -> bool:
        """Returns whether the value is this text; it may also be of another type."""
        return bool(self._value.get(key) == text)

    def text(self, key: str, default: str | None = None) -> str:
        """Returns a string; the default if it is absent or null."""
        value = self._get(key, default)
        if not isinstance(value, str):
            raise self._wrong(key, "a text")
        return value

    def number(self, key: str, default: float | None = None) -> float:
        """Returns a finite number, at most 10**15 above or below 0, because plots and sums of larger numbers fail."""
        value = self._get(key, default)
        if not _is_number(value):
            raise self._wrong(key, "a number")
        if abs(value) > LARGEST:  # exact also for integers that no float can hold
            raise self._wrong(key, f"between -{LARGEST:g} and {LARGEST:g}")
        return float(value)

    def amount(self, key: str, default: float | None = None) -> float:
        """Returns a number, 0 or more: a time, a rate."""
        value = self.number(key, default)
        if value < 0:
            raise self._wrong(key, "0 or more")
        return value

    def count(self, key: str, default: int | None = None, *, least: int = 0, most: int = LARGEST) -> int:
        """Returns a whole number in this range."""
        value = self.number(key, default)
        if not least <= value <= most or value != int(value):
            raise self._wrong(key, f"a count from {least} to {most}")
        return int(value)

    def units(self, key: str, default: int | None = None, *, least: int = 0) -> int:
        """Returns a number of units, small enough to draw them one by one."""
        return self.count(key, default, least=least, most=MOST_UNITS)

    def flag(self, key: str, default: bool | None = None) -> bool:
        """Returns true or false."""
        value = self._get(key, default)
        if not isinstance(value, bool):
            raise self._wrong(key, "true or false")
        return value

    def number_or_none(self, key: str) -> float | None:
        """Returns a number; None if it is absent or null, because nothing was measured or there is no such thing."""
        return self.number(key) if self.has(key) else None

    def amount_or_none(self, key: str) -> float | None:
        """Returns a number, 0 or more; None if it is absent or null."""
        return self.amount(key) if self.has(key) else None

    def child(self, key: str) -> "Fields":
        """Returns an object inside this one."""
        return Fields(self._get(key, None), self._path_of(key))

    def child_or_none(self, key: str) -> "Fields | None":
        """Returns an object inside this one; None if it is absent or null."""
        return self.child(key) if self.has(key) else None

    def children(self, key: str) -> "list[Fields]":
        """Returns the objects of a list."""
        return [Fields(each, f"{self._path_of(key)}[{i}]") for i, each in enumerate(self._list(key))]

    def unit_numbers(self, key: str) -> list[int]:
        """Returns the numbers of units; empty if they are absent."""
        values = self._list(key) if self.has(key) else []
        if any(
            isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < MOST_UNITS for value in values
        ):
            raise self._wrong(key, f"a list of counts below {MOST_UNITS}")
        return values

    def texts(self, key: str) -> list[str]:
        """Returns the texts of a list; empty if they are absent."""
        values = self._list(key) if self.has(key) else []
        if not all(isinstance(value, str) for value in values):
            raise self._wrong(key, "a list of texts")
        return values

    def items(self) -> list[tuple[str, object]]:
        """Returns every value that is neither an object nor a list, unchecked."""
        return [(key, value) for key, value in self._value.items() if not isinstance(value, (Mapping, list))]

    def _list(self, key: str) -> list[Any]:
        value = self._get(key, None)
        if not isinstance(value, list):
            raise self._wrong(key, "a list")
        return value

    def _get(self, key: str, default: object) -> object:
        value = self._value.get(key)
        return default if value is None else value

    def _path_of(self, key: str) -> str:
        return key if self._where == "the file" else f"{self._where}.{key}"

    def _wrong(self, key: str, wanted: str) -> MalformedError:
        missing = self._value.get(key) is None
        return MalformedError(f"{self._path_of(key)} is {'missing' if missing else 'not ' + wanted}")


def _is_number(value: object) -> TypeGuard[int | float]:
    """Returns whether the value is a finite number; any integer is."""
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)
