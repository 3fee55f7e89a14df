"""The tensors in a module's arguments and results."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from greenlane._caches import is_cache, tensors_of


def tensors_in(value: Any) -> Iterator[torch.Tensor]:
    """Yields the tensors in nested containers, dataclasses (registered with PyTorch or not), tensor subclasses and
    caches of transformers.

    pytree treats containers of other classes, such as a class derived from dict, as leaves; this function looks inside.
    """
    for leaf in pytree.tree_leaves(value):
        if isinstance(leaf, torch.Tensor):
            if is_traceable_wrapper_subclass(leaf):
                names, _ = leaf.__tensor_flatten__()
                for name in names:
                    yield from tensors_in(getattr(leaf, name))
            else:
                yield leaf
        elif dataclasses.is_dataclass(leaf) and not isinstance(leaf, type):
            for field in dataclasses.fields(leaf):
                yield from tensors_in(getattr(leaf, field.name, None))
        elif isinstance(leaf, Mapping):
            yield from tensors_in(list(leaf.values()))
        elif isinstance(leaf, list | tuple | set | frozenset):
            yield from tensors_in(list(leaf))
        elif is_cache(leaf):
            yield from tensors_of(leaf)
