"""Checks of the caller's arguments before they go to C++: names and paths, numbers, devices."""

import operator
import os
from typing import Any

import torch

_MOST_SECONDS = 1e6
_LONGEST_TEXT = 200


def text(value: str | os.PathLike[str], what: str) -> str:
    """Returns a name or a path as text that UTF-8 can encode, because C++ takes no other text.

    :raises TypeError: it is no string.
    :raises ValueError: it cannot be encoded.
    """
    given = os.fspath(value)
    if not isinstance(given, str):
        raise TypeError(f"{what} is {given!r}: give a string")
    try:
        given.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{what} {given!r} is not valid UTF-8: give it another name") from None
    return given


def name(value: str, what: str) -> str:
    """Returns a name as text that UTF-8 can encode. The caller refuses an empty name if it allows no default."""
    if not isinstance(value, str):
        raise TypeError(f"{what} is {value!r}: give a string")
    return text(value, what)


def truth(value: Any, what: str) -> bool:
    """Returns a bool, also from NumPy's type.

    :raises TypeError: it is none.
    """
    if type(value).__name__ not in ("bool", "bool_"):
        raise TypeError(f"{what} is {value!r}: give True or False")
    return bool(value)


def number(value: Any, what: str) -> float:
    """Returns a number, also from NumPy's types. The caller checks its range.

    :raises TypeError: it is no number, or a bool.
    """
    try:
        # A text has no __float__, and float() would read it.
        if _is_bool(value) or not (hasattr(value, "__float__") or hasattr(value, "__index__")):
            raise TypeError
        return float(value)
    except OverflowError:
        raise ValueError(f"{what} is {value}: give a smaller number") from None
    except (TypeError, ValueError, RuntimeError):  # NumPy and PyTorch refuse arrays of several numbers in their ways
        raise TypeError(f"{what} is {value!r}: give a number") from None


def seconds(value: Any, what: str) -> float:
    """Returns a time in seconds.

    :raises TypeError: it is no number.
    :raises ValueError: it is negative, NaN, or longer than C++ counts.
    """
    given = number(value, what)
    if not 0 <= given <= _MOST_SECONDS:
        raise ValueError(f"{what} is {given:g}: give a number of seconds from 0 to 1e6")
    return given


def _is_bool(value: Any) -> bool:
    """Returns whether it is a bool of Python, NumPy or PyTorch; NumPy's and PyTorch's have an index, too."""
    return type(value).__name__ in ("bool", "bool_") or getattr(value, "dtype", None) == torch.bool


def whole(value: Any, what: str, least: int = -(2**31), most: int = 2**31 - 1) -> int:
    """Returns a whole number, also from NumPy's types.

    :raises TypeError: it is no whole number, or a bool.
    :raises ValueError: it is beyond the limits.
    """
    candidate: Any = None if _is_bool(value) else value
    try:
        number = operator.index(candidate)
    except TypeError:
        raise TypeError(f"{what} is {value!r}: give a whole number") from None
    if not least <= number <= most:
        raise ValueError(f"{what} is {number}: give a number from {least} to {most}")
    return number


def one_line(value: object) -> str:
    """Returns the value's text in one line, and without its end if it is long."""
    words = " ".join(repr(value).split())
    return words if len(words) <= _LONGEST_TEXT else words[:_LONGEST_TEXT] + "…"


def device(value: str | torch.device) -> str:
    """Returns the device as greenlane names it. PyTorch numbers CPUs, too: its ``cpu:0`` is the CPU."""
    if isinstance(value, torch.device) and value.type == "cpu" and value.index in (None, 0):
        return "cpu"
    return text(str(value), "the device")
