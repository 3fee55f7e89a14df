"""What comes from the caller, checked before it goes to C++: names and paths, numbers, devices."""

import operator
import os
from typing import Any

import torch


def text(value: str | os.PathLike[str], what: str) -> str:
    """A name or a path as UTF-8 can have it; ValueError where it cannot: C++ gets no other text."""
    given = os.fspath(value)
    if not isinstance(given, str):
        raise TypeError(f"{what} is {given!r}: give a string")
    try:
        given.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{what} {given!r} is not valid UTF-8: give it another name") from None
    return given


def name(value: str, what: str) -> str:
    """A name as UTF-8 can have it. An empty one, where a default stands for it, is the caller's to refuse."""
    if not isinstance(value, str):
        raise TypeError(f"{what} is {value!r}: give a string")
    return text(value, what)


def whole(value: Any, what: str, least: int = -(2**31), most: int = 2**31 - 1) -> int:
    """A whole number, also of NumPy's types; TypeError for others and for bool, ValueError beyond the limits."""
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
    """The device as greenlane names it. PyTorch numbers CPUs, too: its ``cpu:0`` is the CPU."""
    if isinstance(value, torch.device) and value.type == "cpu" and value.index in (None, 0):
        return "cpu"
    return text(str(value), "the device")
