"""An engine's arguments that are no tensors: constants of the export, whose values the package does not keep."""

import warnings
from collections.abc import Sequence
from typing import Any

from torch.utils import _pytree as pytree


def _is_same(one: Any, other: Any) -> bool:
    """Returns whether export would treat both as one constant: the same type, and equal or both NaN."""
    if type(one) is not type(other):
        return False
    try:
        return bool(one == other) or bool(one != one and other != other)
    except Exception:  # they cannot be compared, so nothing says that they differ
        return True


def _type(value: Any) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _name(arguments: tuple[Any, Any], index: int) -> str:
    """Returns the name of the leaf with this number, such as "args[1]" or "kwargs['scale']"."""
    path = pytree.tree_flatten_with_path(arguments)[0][index][0]
    kind = "args" if path[0] == pytree.SequenceKey(0) else "kwargs"
    return kind + pytree.keystr(path[1:])


class Constants:
    """The constants of an engine's first call, which later calls must repeat.

    A package computes the same result whatever constants it is called with. The constants of the first call cannot be
    checked, so one warning lists them. If two calls differ, at least one of them would get the result of other
    arguments than it gave.
    """

    def __init__(self, engine: str, stacklevel: int) -> None:
        self._engine = engine
        self._stacklevel = stacklevel
        self._first: dict[str, dict[int, Any]] = {}  # empty until a call succeeded

    def check(self, constants: dict[int, Any], arguments: tuple[Any, Any]) -> None:
        """Raises RuntimeError unless these constants, by the number of their leaf, equal those of the first call."""
        first = self._first.get("call")
        if first is None:
            return
        for index, value in constants.items():
            if index in first and _is_same(first[index], value):
                continue
            former = repr(first[index]) if index in first else "a tensor"
            raise RuntimeError(
                f"{_name(arguments, index)} does not fit engine {self._engine!r}: it is {value!r}, and the first call "
                f"gave {former}. Arguments that are no tensors are constants of the export, so the result would be the "
                "same for both; export the model once for each value"
            )
        for index in first.keys() - constants.keys():
            raise RuntimeError(
                f"{_name(arguments, index)} does not fit engine {self._engine!r}: it is a tensor, and the first call "
                f"gave {first[index]!r}. Pass tensors where they were at export"
            )

    def no_tensors(self, constants: dict[int, Any], arguments: tuple[Any, Any], tensors: int) -> str:
        """Returns the message for a call that has too few or too many tensors beside arguments that are no tensors."""
        given = ", ".join(f"{_name(arguments, index)} is of type {_type(value)}" for index, value in constants.items())
        return (
            f"engine {self._engine!r} was given {tensors} tensors, and takes another number of them: {given}, and no "
            "tensor; pass tensors where they were at export (torch.as_tensor makes one)"
        )

    def remember(self, constants: dict[int, Any], arguments: tuple[Any, Any], leaves: Sequence[Any]) -> None:
        """Takes the constants of the first call that succeeded as those of the export, with one warning."""
        if "call" in self._first:
            return
        if self._first.setdefault("call", constants) is not constants:
            self.check(constants, arguments)  # another thread's call was first
            return
        given = ", ".join(f"{_name(arguments, index)} = {leaves[index]!r}" for index in constants)
        warnings.warn(
            f"engine {self._engine!r} cannot tell whether it was exported with {given}: its package keeps no values of "
            "arguments that are no tensors. Compare them with the export; later calls must give the same",
            stacklevel=self._stacklevel,
        )
