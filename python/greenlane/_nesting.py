"""The nesting of a call's tensors, apart from the tensors."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils import _pytree as pytree


class TensorHere:
    """A mark that stands for a tensor."""


@dataclass(frozen=True)
class GivenHere:
    """A mark that stands for an object among the arguments, which a result holds, too."""

    index: int


@dataclass(frozen=True)
class Nesting:
    """The nesting of tensors: a leaf that is the class :class:`TensorHere` stands for a tensor, a :class:`GivenHere`
    for an argument, other leaves for themselves."""

    spec: Any
    leaves: Sequence[Any]


def without_tensor(leaf: Any) -> Any:
    """Returns the leaf itself, or :class:`TensorHere` for a tensor."""
    return TensorHere if isinstance(leaf, torch.Tensor) else leaf


def flatten(value: Any, given: Sequence[object] = ()) -> tuple[Nesting, list[torch.Tensor]]:
    """Splits a value into its nesting and its tensors.

    :param given: objects among the arguments that the value may hold.
    :raises TypeError: a leaf is neither a tensor, a number, a text, None nor one of ``given``.
    """
    leaves, spec = pytree.tree_flatten(value)
    tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
    places = {id(each): GivenHere(index) for index, each in enumerate(given)}
    leaves = [places.get(id(leaf), leaf) for leaf in leaves]
    known = torch.Tensor | int | float | str | GivenHere
    if not all(leaf is None or isinstance(leaf, known) for leaf in leaves):
        kinds = {type(leaf).__name__ for leaf in leaves if not isinstance(leaf, known)}
        raise TypeError(f"it returns {', '.join(sorted(kinds))}, and a graph has tensors alone")
    return Nesting(spec, [without_tensor(leaf) for leaf in leaves]), tensors


def unflatten(result: Nesting, tensors: Sequence[torch.Tensor], given: Sequence[object] = ()) -> Any:
    """Rebuilds a value from its nesting, its tensors and the objects of :func:`flatten`."""
    there = iter(tensors)
    leaves = [next(there) if leaf is TensorHere else leaf for leaf in result.leaves]
    leaves = [given[leaf.index] if isinstance(leaf, GivenHere) else leaf for leaf in leaves]
    return pytree.tree_unflatten(leaves, result.spec)
