"""Checks of the caller's arguments before they go to C++: names and paths, numbers, devices."""

import operator
import os
from typing import Any

import torch


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


def whole(value: Any, what: str, least: int = -(2**31), most: int = 2**31 - 1) -> int:
    """Returns a whole number, also from NumPy's types.

    :raises TypeError: it is no whole number, or a bool.
    :raises ValueError: it is beyond the limits.
    """
    # NumPy's and PyTorch's bools have an index, too.
    is_bool = type(value).__name__ in ("bool", "bool_") or getattr(value, "dtype", None) == torch.bool
    candidate: Any = None if is_bool else value
    try:
        number = operator.index(candidate)
    except TypeError:
        raise TypeError(f"{what} is {value!r}: give a whole number") from None
    if not least <= number <= most:
        raise ValueError(f"{what} is {number}: give a number from {least} to {most}")
    return number


def device(value: str | torch.device) -> str:
    """Returns the device as greenlane names it. PyTorch numbers CPUs, too: its ``cpu:0`` is the CPU."""
    if isinstance(value, torch.device) and value.type == "cpu" and value.index in (None, 0):
        return "cpu"
    return text(str(value), "the device")
