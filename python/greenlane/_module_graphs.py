"""CUDA graphs of modules: which calls may be captured, and which of them share a graph."""

import itertools
import operator
import warnings
import weakref
from collections.abc import Callable, Hashable
from typing import Any

import torch
from torch.utils import _pytree as pytree

from greenlane._caches import StaticCaches, is_cache, is_static
from greenlane._caches import obstacle as cache_obstacle
from greenlane._exchange import Model
from greenlane._held import difference, holdings
from greenlane._nesting import Nesting, flatten, unflatten, without_tensor
from greenlane._writes import recorded

_MOST_VARIANTS = 256
_MOST_CHANGES = 3
_numbers = itertools.count(1)
_changes = 0
_PLAIN = frozenset(
    (torch.Tensor, torch.nn.Parameter, bool, int, float, str, type(None), torch.dtype, torch.device, torch.layout)
)


def note_change() -> None:
    """Notes that a module was bound or unbound."""
    global _changes
    _changes += 1


class ModuleGraphs:
    """The graphs of a bound module.

    A variant is a number for everything that is fixed in a graph beside the lane and the tensors' shapes.
    """

    def __init__(self, module: torch.nn.Module, binding: Any, is_bound: Callable[[torch.nn.Module], bool]) -> None:
        self._module = weakref.ref(module)
        self._is_bound = is_bound
        self._binding = binding
        self._take_weights(module)
        self._variants: dict[Hashable, int] = {}
        self._caches = StaticCaches(self._note_gone)
        self._of_caches: dict[int, set[Hashable]] = {}  # keys of variants, by the number of a cache
        self._gone: list[int] = []  # numbers of caches, noted by whatever thread frees them
        self._dropped: list[int] = []  # variants that are not called again, and that C++ does not know of
        self._results: dict[int, Nesting] = {}
        self._unsteady: set[int] = set()
        self._changes_in_a_row = 0
        self._is_refused = False
        self._bound_inside: tuple[bool, ...] = ()
        self.obstacle = ""
        """The reason why some calls have no graph, if C++ does not know it; empty if there is none."""

    def _take_weights(self, module: torch.nn.Module) -> None:
        self._inside = list(module.modules())[1:]
        # While they are alive, no other tensor has their memory, so an address tells whether a weight moved.
        self._weights = _weights_of(module)
        self._owners = _owners_of(module)
        self._owned = [value for owner in self._owners for value in owner.values() if value is not None]
        self._seen_changes = -1

    def run(self, call: Any, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Runs one call of the module, within ``call``."""
        module = self._module()
        is_captured = torch.cuda.is_current_stream_capturing()
        if not is_captured:
            self._forget_gone(call)
        if module is None or self._is_refused or is_captured:
            call.close_gate()
            return forward(*args, **kwargs)
        leaves, spec = pytree.tree_flatten((args, kwargs))
        tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
        caches = [leaf for leaf in leaves if type(leaf) not in _PLAIN and is_static(leaf)]
        variant = self._variant_of(module, leaves, spec, tensors, caches)
        if variant is None:
            call.close_gate()
            return forward(*args, **kwargs)
        if variant in self._unsteady:
            call.close_gate()
            return self._observed(module, caches, variant, forward, args, kwargs)
        arguments = Nesting(spec, [without_tensor(leaf) for leaf in leaves])
        eager: list[Any] = []

        def model(inputs: list[torch.Tensor]) -> list[torch.Tensor]:
            new_args, new_kwargs = unflatten(arguments, inputs)
            if torch.cuda.is_current_stream_capturing():
                self._results[variant], outputs = flatten(forward(*new_args, **new_kwargs), caches)
                return outputs
            looked_at = [*inputs, *module.buffers()]
            result = recorded(lambda: self._observed(module, caches, variant, forward, new_args, new_kwargs), looked_at)
            eager.append(result)
            return []

        replayed = Model(model).call(lambda exchange: call.run_graphs(exchange, tensors, variant))
        return eager.pop() if eager else unflatten(self._results[variant], replayed, caches)

    def _observed(
        self,
        module: torch.nn.Module,
        caches: list[Any],
        variant: int,
        forward: Callable[..., Any],
        args: Any,
        kwargs: Any,
    ) -> Any:
        """Runs an eager call and compares the state before and after; a replayed call cannot be compared."""
        if variant in self._results:
            return forward(*args, **kwargs)
        before = [holdings(each) for each in (module, *caches)]
        result = forward(*args, **kwargs)
        after = [holdings(each) for each in (module, *caches)]
        changes = map(difference, before, after)
        self._judge(variant, next(filter(None, changes), ""))
        return result

    def _note_gone(self, cache: int) -> None:
        """Notes that a cache was freed; in any thread, at any time, so that it must not wait for a lock."""
        self._gone.append(cache)

    def _forget_gone(self, call: Any) -> None:
        """Frees the graphs of calls whose caches are gone, because they hold the caches' memory."""
        while self._gone:
            for key in self._of_caches.pop(self._gone.pop(), ()):
                variant = self._variants.pop(key, None)
                if variant is not None:
                    self._results.pop(variant, None)
                    self._unsteady.discard(variant)
                    self._dropped.append(variant)
        while self._dropped:
            call.forget(self._dropped.pop())

    def _judge(self, variant: int, change: str) -> None:
        """Judges a variant by the change that its call made.

        A single change may come from a table that the first call makes. More than ``_MOST_CHANGES`` calls with changes
        one after another refuse the module.
        """
        if not change:
            self._changes_in_a_row = 0
            if variant in self._unsteady:
                self._unsteady.discard(variant)
                # A new number makes the next call count as a first one.
                self._dropped.append(variant)
                key = next(key for key, known in self._variants.items() if known == variant)
                self._variants[key] = next(_numbers)
            return
        self._unsteady.add(variant)
        self._changes_in_a_row += 1
        if self._changes_in_a_row > _MOST_CHANGES:
            self._is_refused = True
            self._warn(change)

    def _variant_of(
        self, module: torch.nn.Module, leaves: list[Any], spec: Any, tensors: list[torch.Tensor], caches: list[Any]
    ) -> int | None:
        owned = [value for owner in self._owners for value in owner.values() if value is not None]
        if len(owned) != len(self._owned) or any(map(operator.is_not, owned, self._owned)):
            # Other parameters, buffers or modules were assigned. Graphs of the former ones are not found again.
            self._take_weights(module)
        if torch.is_grad_enabled() and any(t.requires_grad for t in itertools.chain(tensors, self._weights)):
            self._warn("gradients are recorded: call it under torch.inference_mode() or torch.no_grad()")
            return None
        for leaf in leaves:
            if type(leaf) in _PLAIN or any(leaf is cache for cache in caches):
                continue
            kind = type(leaf).__name__
            self._warn(
                cache_obstacle(leaf) if is_cache(leaf) else f"an argument is a {kind}, which may change without notice"
            )
            return None
        if self._seen_changes != _changes:
            self._seen_changes = _changes
            self._bound_inside = tuple(map(self._is_bound, self._inside))
        keys = {id(cache): self._caches.key(cache) for cache in caches}
        constants = tuple((type(leaf), keys.get(id(leaf)) or without_tensor(leaf)) for leaf in leaves)
        autocast = torch.get_autocast_dtype("cuda") if torch.is_autocast_enabled("cuda") else None
        weights = tuple(weight.data_ptr() for weight in self._weights)
        training = module.training, tuple(inner.training for inner in self._inside)
        modes = autocast, torch.is_inference_mode_enabled(), torch.is_grad_enabled()
        key = (str(spec), constants, weights, modes, training, self._bound_inside)
        if len(self._variants) > _MOST_VARIANTS:
            # The caller keeps passing new numbers, and graphs of the old ones are not found again.
            self._dropped += self._variants.values()
            self._variants.clear()
            self._results.clear()
            self._unsteady.clear()
            self._of_caches.clear()
        for number, _ in keys.values():
            self._of_caches.setdefault(number, set()).add(key)
        return self._variants.setdefault(key, next(_numbers))

    def _warn(self, why: str) -> None:
        if not self.obstacle:
            self.obstacle = why
            warnings.warn(f"{self._binding.name()!r} runs without a CUDA graph: {why}", stacklevel=5)


def _weights_of(module: torch.nn.Module) -> list[torch.Tensor]:
    return [*module.parameters(), *module.buffers()]


def _owners_of(module: torch.nn.Module) -> list[dict[str, Any]]:
    """Returns the dicts that hold the module's parameters, buffers and inner modules."""
    dicts = (owned for inner in module.modules() for owned in (inner._parameters, inner._buffers, inner._modules))
    return [owned for owned in dicts if owned]
