"""CUDA graphs of modules: what may be captured, and which call is like which."""

import itertools
import warnings
import weakref
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import torch
from torch.utils import _pytree as pytree

from greenlane._exchange import Model
from greenlane._nesting import Nesting, flatten, unflatten, without_tensor

_MOST_VARIANTS = 256
_numbers = itertools.count(1)
_changes = 0
_CONSTANTS = (bool, int, float, str, type(None), torch.dtype, torch.device, torch.layout)


def note_change() -> None:
    """Some module was bound that was not, or is not any more."""
    global _changes
    _changes += 1


class ModuleGraphs:
    """The graphs of a bound module. What is baked into one, beside the lane and the tensors' shapes, is its variant."""

    def __init__(self, module: torch.nn.Module, binding: Any, is_bound: Callable[[torch.nn.Module], bool]) -> None:
        self._module = weakref.ref(module)
        self._inside = list(module.modules())[1:]
        self._is_bound = is_bound
        self._binding = binding
        # With them alive, their memory is no other tensor's, and its address tells whether they moved.
        self._weights = _weights_of(module)
        self._variants: dict[Hashable, int] = {}
        self._results: dict[int, Nesting] = {}
        self._unrepeatable: set[int] = set()
        self._refused: set[int] = set()
        self._seen_changes = -1
        self._bound_inside: tuple[bool, ...] = ()
        self.obstacle = ""
        """Why some call has no graph, for reasons that C++ does not know; empty where there are none."""

    def run(self, call: Any, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """One call of the module, within ``call``."""
        module = self._module()
        if module is None or torch.cuda.is_current_stream_capturing():
            return forward(*args, **kwargs)
        leaves, spec = pytree.tree_flatten((args, kwargs))
        tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
        variant = self._variant_of(module, leaves, spec, tensors)
        if variant is None or variant in self._refused:
            return forward(*args, **kwargs)
        arguments = Nesting(spec, [without_tensor(leaf) for leaf in leaves])
        eager: list[Any] = []

        def model(inputs: list[torch.Tensor]) -> list[torch.Tensor]:
            new_args, new_kwargs = unflatten(arguments, inputs)
            if torch.cuda.is_current_stream_capturing():
                self._results[variant], outputs = flatten(forward(*new_args, **new_kwargs))
                return outputs
            if variant in self._results or variant in self._refused:
                eager.append(forward(*new_args, **new_kwargs))
            else:
                eager.append(self._first_call(module, variant, forward, inputs, new_args, new_kwargs))
            return []

        repeatable = variant not in self._unrepeatable
        replayed = Model(model).call(
            lambda exchange, address, key: self._binding.run_graphs(
                call, exchange, address, key, tensors, variant, repeatable
            )
        )
        return eager.pop() if eager else unflatten(self._results[variant], replayed)

    def _first_call(
        self,
        module: torch.nn.Module,
        variant: int,
        forward: Callable[..., Any],
        inputs: list[torch.Tensor],
        args: Any,
        kwargs: Any,
    ) -> Any:
        """What an eager call does to tensors tells what every call does; in a graph nobody can see it."""
        before = [tensor.clone() if tensor.is_inference() else tensor._version for tensor in inputs]
        versions = _versions(self._weights)
        result = forward(*args, **kwargs)
        if not all(
            torch.equal(was, tensor) if isinstance(was, torch.Tensor) else was == tensor._version
            for was, tensor in zip(before, inputs, strict=True)
        ):
            self._refused.add(variant)
            self._warn("it changes its inputs")
        now = _weights_of(module)
        if len(now) != len(self._weights) or any(a is not b for a, b in zip(now, self._weights, strict=True)):
            self._refused.add(variant)
            self._warn("it replaces its parameters or buffers")
        if _versions(self._weights) != versions or any(weight.is_inference() for weight in self._weights):
            self._unrepeatable.add(variant)
        return result

    def _variant_of(
        self, module: torch.nn.Module, leaves: list[Any], spec: Any, tensors: list[torch.Tensor]
    ) -> int | None:
        if torch.is_grad_enabled() and any(t.requires_grad for t in itertools.chain(tensors, self._weights)):
            self._warn("gradients are recorded: call it under torch.inference_mode() or torch.no_grad()")
            return None
        for leaf in leaves:
            if type(leaf) not in (torch.Tensor, torch.nn.Parameter, *_CONSTANTS):
                self._warn(f"an argument is a {type(leaf).__name__}, which may change without notice")
                return None
        if self._seen_changes != _changes:
            self._seen_changes = _changes
            self._bound_inside = tuple(map(self._is_bound, self._inside))
        constants = tuple((type(leaf), without_tensor(leaf)) for leaf in leaves)
        autocast = torch.get_autocast_dtype("cuda") if torch.is_autocast_enabled("cuda") else None
        weights = tuple(weight.data_ptr() for weight in self._weights)
        training = module.training, tuple(inner.training for inner in self._inside)
        modes = autocast, torch.is_inference_mode_enabled(), torch.is_grad_enabled()
        key = (str(spec), constants, weights, modes, training, self._bound_inside)
        if len(self._variants) > _MOST_VARIANTS:
            # Somebody passes ever new numbers: what was captured for the old ones is not found again.
            for known in (self._variants, self._results, self._unrepeatable, self._refused):
                known.clear()
        return self._variants.setdefault(key, next(_numbers))

    def _warn(self, why: str) -> None:
        if not self.obstacle:
            self.obstacle = why
            warnings.warn(f"{self._binding.name()!r} runs without a CUDA graph: {why}", stacklevel=5)


def _weights_of(module: torch.nn.Module) -> list[torch.Tensor]:
    return [*module.parameters(), *module.buffers()]


def _versions(tensors: Sequence[torch.Tensor]) -> list[int]:
    return [0 if tensor.is_inference() else tensor._version for tensor in tensors]
