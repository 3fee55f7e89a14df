"""The state that a module holds from one call to the next: tensors, and numbers that its work may depend on."""

from collections.abc import Iterator
from typing import Any

import torch

_MOST_OBJECTS = 50_000
_OF_MODULES = ("_backward", "_forward", "_state_dict", "_load_state_dict", "_is_full", "_non_persistent")
_NUMBERS = (bool, int, float, str)

Holdings = dict[tuple[Any, ...], Any]
"""Maps the path of each tensor or number to the tensor itself, or the number."""


def holdings(module: object) -> Holdings:
    """Returns all tensors and numbers that can be reached through attributes, lists and dicts of the module, or of an
    object that it was given."""
    found: Holdings = {}
    seen: set[int] = set()
    stack: list[tuple[tuple[Any, ...], Any]] = [((), module)]
    while stack and len(seen) < _MOST_OBJECTS:
        path, value = stack.pop()
        if isinstance(value, torch.Tensor) or type(value) in _NUMBERS:
            found[path] = value
            continue
        if id(value) in seen:
            continue
        seen.add(id(value))
        stack.extend(((*path, name), inner) for name, inner in _parts(value))
    return found


def difference(before: Holdings, after: Holdings) -> str:
    """Describes the first change between two states; empty if there is none.

    A tensor counts as unchanged as long as it is the same object.
    """
    for path in before.keys() | after.keys():
        was, now = before.get(path), after.get(path)
        if was is now or (type(was) is type(now) and type(was) in _NUMBERS and (was == now or was != was)):
            continue
        name = ".".join(map(str, path))
        if isinstance(was, torch.Tensor) or isinstance(now, torch.Tensor):
            return f"a call replaces the tensor {name!r}"
        return f"a call changes {name!r}"
    return ""


def _parts(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list | tuple):
        yield from enumerate(value)
    elif isinstance(value, torch.nn.Module):
        for name, inner in value.__dict__.items():
            if name in ("_parameters", "_buffers", "_modules"):
                yield from inner.items()
            elif name not in ("forward", "training") and not name.startswith(_OF_MODULES):
                yield name, inner
    elif not isinstance(value, type) and not callable(value) and type(value).__module__ not in ("builtins", "torch"):
        yield from getattr(value, "__dict__", {}).items()
