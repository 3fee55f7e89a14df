"""The nesting of a call's tensors, apart from the tensors."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils import _pytree as pytree


class TensorHere:
    """A mark that stands for a tensor."""


@dataclass(frozen=True)
class Nesting:
    """The nesting of tensors: a leaf that is the class :class:`TensorHere` stands for a tensor, other leaves for
    themselves."""

    spec: Any
    leaves: Sequence[Any]


def without_tensor(leaf: Any) -> Any:
    """Returns the leaf itself, or :class:`TensorHere` for a tensor."""
    return TensorHere if isinstance(leaf, torch.Tensor) else leaf


def flatten(value: Any) -> tuple[Nesting, list[torch.Tensor]]:
    """Splits a value into its nesting and its tensors.

    :raises TypeError: a leaf is neither a tensor, a number, a text nor None.
    """
    leaves, spec = pytree.tree_flatten(value)
    tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
    if not all(leaf is None or isinstance(leaf, torch.Tensor | int | float | str) for leaf in leaves):
        kinds = {type(leaf).__name__ for leaf in leaves if not isinstance(leaf, torch.Tensor | int | float | str)}
        raise TypeError(f"it returns {', '.join(sorted(kinds))}, and a graph has tensors alone")
    return Nesting(spec, [without_tensor(leaf) for leaf in leaves]), tensors


def unflatten(result: Nesting, tensors: Sequence[torch.Tensor]) -> Any:
    """Rebuilds a value from its nesting and tensors."""
    given = iter(tensors)
    leaves = [next(given) if leaf is TensorHere else leaf for leaf in result.leaves]
    return pytree.tree_unflatten(leaves, result.spec)
