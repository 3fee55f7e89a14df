"""Calls of a pipeline's modules: their arguments are nested as their recorded inputs, and C++ has flat tensors."""

import os
import pickle
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch.utils import _pytree as pytree

from greenlane import _checked
from greenlane._nesting import Nesting, TensorHere, unflatten, without_tensor
from greenlane._tensor_info import argument_names, result_names

_T = TypeVar("_T")
_CONSTANTS = (bool, int, float, str, type(None))


class RecordedCalls:
    """The nesting of a module's arguments, as recorded, and of its results, as at its first call."""

    def __init__(self, engine: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Makes it of recorded arguments.

        :raises TypeError: one of them is neither a tensor, a number, a text nor None.
        """
        self._engine = engine
        self._names = list(kwargs)
        self._arguments, self.tensors = self._split((args, dict(kwargs)), "its recorded inputs hold")
        """The recorded tensors."""
        self._results: Nesting | None = None

    def run(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], run: Callable[[list[torch.Tensor]], _T]) -> _T:
        """Returns the result of ``run`` with the tensors among the arguments.

        :raises TypeError: the arguments are nested otherwise than recorded, or their constants differ.
        """
        known = {name: kwargs[name] for name in self._names if name in kwargs}
        arguments, tensors = self._split((args, {**known, **kwargs}), "it was given")
        if arguments.spec != self._arguments.spec:
            raise TypeError(
                f"the arguments of engine {self._engine!r} are nested otherwise than its recorded inputs: "
                f"{_checked.one_line(arguments.spec)}, not {_checked.one_line(self._arguments.spec)}; pass them as "
                "recorded, or record other inputs"
            )
        for given, recorded in zip(arguments.leaves, self._arguments.leaves, strict=True):
            if not _is_same(given, recorded):
                raise TypeError(
                    f"an argument of engine {self._engine!r} is {_name(given)}, and the recorded one is "
                    f"{_name(recorded)}: arguments that are no tensors cannot change; record other inputs"
                )
        return run(tensors)

    def call(self, module: Callable[..., Any], tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Returns the tensors in the result of a module on these tensors, without gradients.

        :raises TypeError: the result is nested otherwise than the first one, or its constants differ.
        """
        args, kwargs = unflatten(self._arguments, tensors)
        with torch.no_grad():
            results, outputs = self._split(module(*args, **kwargs), "it returns")
        first = self._results
        if first is None:
            self._results = results
        elif first.spec != results.spec or not all(map(_is_same, first.leaves, results.leaves)):
            raise TypeError(
                "it returns another nesting, or other values that are no tensors, than at its first call; return "
                "tensors"
            )
        return outputs

    def result(self, outputs: Sequence[torch.Tensor]) -> Any:
        """Returns outputs as the module nests them."""
        return unflatten(self._results or Nesting(pytree.tree_flatten([])[1], []), outputs)

    def names(self) -> tuple[list[str], list[str]]:
        """Returns the names of the tensors among the arguments, and among the results of the first call."""
        arguments = _of_tensors(self._arguments, argument_names(self._arguments.spec))
        return arguments, [] if self._results is None else _of_tensors(self._results, result_names(self._results.spec))

    def _split(self, value: Any, does: str) -> tuple[Nesting, list[torch.Tensor]]:
        leaves, spec = pytree.tree_flatten(value)
        for leaf in leaves:
            if not isinstance(leaf, (torch.Tensor, *_CONSTANTS)):
                raise TypeError(
                    f"the module of engine {self._engine!r} cannot be called: {does} a {type(leaf).__name__}; use "
                    "tensors, numbers, texts and None, nested in lists, tuples and dicts"
                )
        tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
        return Nesting(spec, [without_tensor(leaf) for leaf in leaves]), tensors


def _of_tensors(nesting: Nesting, names: Sequence[str]) -> list[str]:
    return [name for name, leaf in zip(names, nesting.leaves, strict=True) if leaf is TensorHere]


def _is_same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other or (one != one and other != other))


def _name(leaf: Any) -> str:
    return "a tensor" if isinstance(leaf, type) else repr(leaf)


def read_arguments(file: str | os.PathLike[str]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Reads the recorded inputs of a module: positional arguments and keyword arguments.

    A list or a tuple holds positional arguments, a dict keyword arguments, and a tuple of a tuple and a dict both. A
    bare tensor is one positional argument.

    :raises ValueError: the file cannot be read, or holds something else.
    """
    how = "save the arguments with torch.save: a list, a dict, or a tuple of a tuple and a dict"
    try:
        value = torch.load(file, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError, OSError) as error:
        reason = _checked.one_line(str(error).partition("\n")[0])
        raise ValueError(f"the recorded inputs in {os.fspath(file)!r} cannot be read: {reason}; {how}") from error
    if isinstance(value, torch.Tensor):
        return (value,), {}
    if isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
        return (), dict(value)
    if isinstance(value, tuple) and list(map(type, value)) == [tuple, dict]:
        return value[0], value[1]
    if isinstance(value, list | tuple):
        return tuple(value), {}
    raise ValueError(f"{os.fspath(file)!r} holds no arguments: it is a {type(value).__name__}; {how}")
