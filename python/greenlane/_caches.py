"""Caches of transformers that are arguments of modules: keys and values that a model keeps from one token to the next.

transformers is not imported: its classes are known by their names.
"""

import itertools
import weakref
from collections.abc import Callable, Hashable
from typing import Any

import torch

_MODULE = "transformers.cache_utils"
_numbers = itertools.count(1)


def is_cache(value: object) -> bool:
    """Returns whether the value is a cache of transformers."""
    return _has_base(value, "Cache")


def is_static(value: object) -> bool:
    """Returns whether the value is a cache whose tensors stay where they are from call to call."""
    return _has_base(value, "StaticCache") and hasattr(value, "layers")


def obstacle(value: object) -> str:
    """Returns why a call with this cache cannot be captured."""
    return (
        f"an argument is a {type(value).__name__}, whose tensors each call replaces: pass a transformers.StaticCache "
        "(in generate: cache_implementation='static', disable_compile=True)"
    )


def tensors_of(cache: Any) -> list[torch.Tensor]:
    """Returns the tensors of a cache's layers."""
    # The cache of an encoder and a decoder has two caches, and those of old versions have lists instead of layers.
    inner = [getattr(cache, name, None) for name in ("self_attention_cache", "cross_attention_cache")]
    found = [each for part in inner if is_cache(part) for each in tensors_of(part)]
    values = [value for layer in _layers(cache) for value in layer.values()]
    for name in ("key_cache", "value_cache"):
        values += getattr(cache, name, None) or []
    return found + [value for value in values if isinstance(value, torch.Tensor)]


class StaticCaches:
    """The static caches that calls of one module were given, for as long as they exist.

    Memory may be used again when a cache is gone, so an address alone does not tell one cache from another.
    """

    def __init__(self, gone: Callable[[int], None]) -> None:
        """``gone`` is a method, held weakly, because a cache may outlive the module."""
        self._known: dict[int, int] = {}
        self._gone = weakref.WeakMethod(gone)

    def key(self, cache: Any) -> tuple[int, Hashable]:
        """Returns a number that belongs to this cache, and all that a graph of a call with it depends on."""
        address = id(cache)
        number = self._known.get(address)
        if number is None:
            number = self._known[address] = next(_numbers)
            weakref.finalize(cache, _forget, self._known, self._gone, address).atexit = False
        return number, tuple(_fixed(value) for layer in _layers(cache) for value in layer.values())


def _forget(known: dict[int, int], gone: "weakref.WeakMethod[Callable[[int], None]]", address: int) -> None:
    number, tell = known.pop(address, None), gone()
    if number is not None and tell is not None:
        tell(number)


def _fixed(value: object) -> Hashable:
    """Returns what a graph reads of a layer's attribute: the place and form of a tensor, or a number."""
    if isinstance(value, torch.Tensor):
        return value.data_ptr(), value.dtype, value.shape, value.stride()
    return value if isinstance(value, bool | int | float) else None


def _layers(cache: Any) -> list[dict[str, Any]]:
    return [vars(layer) for layer in getattr(cache, "layers", ())]


def _has_base(value: object, name: str) -> bool:
    return any(base.__name__ == name and base.__module__ == _MODULE for base in type(value).__mro__)
