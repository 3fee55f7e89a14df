"""What a pipeline's engine takes and returns: names, dtypes and sizes of its tensors."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils import _pytree as pytree

NO_LIMIT = (1 << 63) - 1


@dataclass(frozen=True)
class TensorInfo:
    """One tensor that an engine takes or returns."""

    name: str
    """Of a keyword argument: its name. Of the second positional argument: ``"input_1"``. Of the second output:
    ``"output_1"``, or its key in a dict. What is nested has its place behind a dot: ``"input_0.left"``. All are
    counted if names are the same, or if a package has arguments that are no tensors."""
    dtype: torch.dtype
    """Its dtype."""
    smallest: tuple[int, ...]
    """The smallest allowed size of each dimension."""
    largest: tuple[int, ...]
    """The largest allowed size of each dimension; 2**63 - 1: no limit is known."""

    @property
    def shape(self) -> tuple[int | None, ...]:
        """The size of each dimension; None: more than one size is allowed."""
        return tuple(low if low == high else None for low, high in zip(self.smallest, self.largest, strict=True))


def tensor_infos(parts: tuple[Any, Any, Any], names: Sequence[str], kind: str) -> tuple[TensorInfo, ...]:
    """Makes it of C++'s examples of the dtypes, smallest sizes and largest ones.

    :param names: of the tensors. The tensors are counted if some leaves are no tensors, or if two names are the same.
    :param kind: ``"input"`` or ``"output"``.
    """
    dtypes, smallest, largest = parts
    if len(names) != len(dtypes) or len(set(names)) != len(names):
        names = [f"{kind}_{i}" for i in range(len(dtypes))]
    return tuple(
        TensorInfo(name, example.dtype, tuple(low), tuple(high))
        for name, example, low, high in zip(names, dtypes, smallest, largest, strict=True)
    )


def argument_names(spec: pytree.TreeSpec) -> list[str]:
    """Returns the names of the leaves of positional and keyword arguments."""
    return [_name(path[1:], "input") for path in _paths(spec)]


def result_names(spec: pytree.TreeSpec) -> list[str]:
    """Returns the names of the leaves of a result."""
    return [_name(path or ["0"], "output") for path in _paths(spec)]


def _paths(spec: pytree.TreeSpec) -> list[list[str]]:
    leaves, _ = pytree.tree_flatten_with_path(pytree.tree_unflatten(range(spec.num_leaves), spec))
    return [[_text(key) for key in path] for path, _ in leaves]


def _text(key: Any) -> str:
    """Returns an index, a dict's key or an attribute's name as text."""
    for part in ("idx", "key", "name"):
        if hasattr(key, part):
            return str(getattr(key, part))
    return str(key)


def _name(path: Sequence[str], kind: str) -> str:
    first = f"{kind}_{path[0]}" if path[0].isdigit() else path[0]
    return ".".join([first, *path[1:]])
