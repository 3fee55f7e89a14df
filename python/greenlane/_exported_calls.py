"""Calls of exported models: their arguments and results are nested as at export, and C++ has flat tensors."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch.utils import _pytree as pytree

from greenlane import _checked
from greenlane._constants import Constants
from greenlane._tensor_info import argument_names, result_names

_T = TypeVar("_T")


class ExportedCalls:
    """The nesting of an exported model's arguments and results, and the constants among its arguments."""

    def __init__(self, engine: str, call_spec: Sequence[str], frames: int) -> None:
        """Makes it of the package's two treespecs.

        :param frames: the number of frames between :meth:`run` and the user's own, to whom warnings are shown.
        """
        self._engine = engine
        self._in_spec, self._out_spec = (pytree.treespec_loads(text) for text in call_spec)
        self._constants = Constants(engine, frames + 3)

    def run(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], run: Callable[[list[torch.Tensor]], _T]) -> _T:
        """Returns the result of ``run`` with the tensors among the arguments.

        :raises TypeError: the number of arguments, their names or the nesting differ from the export.
        :raises RuntimeError: the constants differ from the first call's, or ``run`` raises it.
        """
        count, names = self._in_spec.child(0).num_children, self._in_spec.child(1).context
        if count != len(args) or set(names) != set(kwargs):
            raise TypeError(
                f"engine {self._engine!r} takes {_listed(count, names)}, and was given {_listed(len(args), kwargs)}"
            )
        arguments = (args, {name: kwargs[name] for name in names})
        leaves, spec = pytree.tree_flatten(arguments)
        if spec != self._in_spec:
            raise TypeError(self._misfit(spec, names))
        constants = {i: leaf for i, leaf in enumerate(leaves) if not isinstance(leaf, torch.Tensor)}
        if constants:
            self._constants.check(constants, arguments)
        tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
        try:
            result = run(tensors)
        except RuntimeError as error:
            # The number of tensors is wrong because something else was given instead of a tensor.
            if constants and f": {len(tensors)} were given" in str(error):
                raise RuntimeError(self._constants.no_tensors(constants, arguments, len(tensors))) from error
            raise
        if constants:
            self._constants.remember(constants, arguments, leaves)
        return result

    def result(self, outputs: Sequence[torch.Tensor]) -> Any:
        """Returns outputs as the exported model nests them."""
        return pytree.tree_unflatten(outputs, self._out_spec)

    def names(self) -> tuple[list[str], list[str]]:
        """Returns the names of the leaves of arguments and of results."""
        return argument_names(self._in_spec), result_names(self._out_spec)

    def _misfit(self, spec: pytree.TreeSpec, names: Sequence[str]) -> str:
        """Returns the message for the first argument that is nested otherwise than at export."""
        arguments = [(0, i, f"args[{i}]") for i in range(spec.child(0).num_children)]
        arguments += [(1, i, f"kwargs[{name!r}]") for i, name in enumerate(names)]
        pairs = [(where, spec.child(part).child(i), self._in_spec.child(part).child(i)) for part, i, where in arguments]
        argument, was, expected = next(pair for pair in pairs if pair[1] != pair[2])
        return (
            f"{argument} of engine {self._engine!r} is nested otherwise than at export: "
            f"{_checked.one_line(was)}, not {_checked.one_line(expected)}"
        )


def _listed(count: int, names: Iterable[str]) -> str:
    """Describes a call's arguments by the number of the positional ones and the names of the others."""
    listed = ", ".join(map(repr, sorted(names)))
    keywords = f"the keyword argument{'s' if ', ' in listed else ''} {listed}" if listed else "no keyword arguments"
    return f"{count} positional argument{'' if count == 1 else 's'} and {keywords}"
