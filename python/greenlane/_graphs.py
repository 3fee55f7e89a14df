"""CUDA graphs: of modules on lanes, and of whole pipelines."""

import contextlib
import itertools
import warnings
import weakref
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import torch
from torch.utils import _pytree as pytree

from greenlane._exchange import Model
from greenlane._native import ops
from greenlane._tensors import tensors_in

Graphs: TypeAlias = Literal["off", "resident"]
"""Whether calls of an engine that is bound to a lane of a GPU are replayed from CUDA graphs."""
Outputs: TypeAlias = Literal["copies", "views"]
"""What a replayed call returns: tensors of its own, or the graph's, which the next call overwrites."""


@dataclass(frozen=True)
class GraphInfo:
    """One graph of an engine."""

    units: int
    """Of the lane that it runs on."""
    kernel_units: int | None
    """For which its kernels were picked; None: for the whole device."""
    replays: int
    slices: int
    """That it is launched in: more than one where it lets urgent engines pass."""


@dataclass(frozen=True)
class GraphReport:
    """The graphs of an engine: those used last first, the device memory that they hold, why some call has none."""

    graphs: tuple[GraphInfo, ...]
    bytes: int
    obstacle: str


@dataclass(frozen=True)
class GraphOptions:
    """How a module's calls are replayed."""

    views: bool
    tune: bool


def report_of(native: Any) -> GraphReport | None:
    """From what C++ gives; None where there are no graphs."""
    if native is None:
        return None
    units, kernel_units, replays, slices, size, obstacle = native
    each = zip(units, kernel_units, replays, slices, strict=True)
    return GraphReport(tuple(GraphInfo(u, None if k < 0 else k, r, s) for u, k, r, s in each), size, obstacle)


def check_options(graphs: str, outputs: str) -> None:
    """ValueError for what is no option."""
    if graphs not in ("off", "resident"):
        raise ValueError(f"graphs={graphs!r}: use 'off' or 'resident'")
    if outputs not in ("copies", "views"):
        raise ValueError(f"outputs={outputs!r}: use 'copies' or 'views'")


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
        self._results: dict[int, _Result] = {}
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
        arguments = _Result(spec, [_without_tensor(leaf) for leaf in leaves])
        eager: list[Any] = []

        def model(inputs: list[torch.Tensor]) -> list[torch.Tensor]:
            new_args, new_kwargs = _unflatten(arguments, inputs)
            if torch.cuda.is_current_stream_capturing():
                self._results[variant], outputs = _flatten(forward(*new_args, **new_kwargs))
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
        return eager.pop() if eager else _unflatten(self._results[variant], replayed)

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
        constants = tuple((type(leaf), _without_tensor(leaf)) for leaf in leaves)
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


class PipelineGraph:
    """Several engines on several lanes as one graph, as :func:`capture` made it: called as the function was."""

    def __init__(self, native: Any, spec: Any, result: "_Result") -> None:
        self._native = native
        self._spec = spec
        self._result = result

    def __call__(self, *inputs: Any) -> Any:
        """Launches it on the current stream. RuntimeError where the inputs are not like those at capture."""
        tensors, spec = pytree.tree_flatten(inputs)
        if spec != self._spec:
            raise TypeError(f"the inputs are nested otherwise than at capture: {spec}, not {self._spec}")
        return _unflatten(self._result, self._native.run(tensors))

    @property
    def bytes(self) -> int:
        """Of the device, that it holds."""
        return int(self._native.bytes())


def capture(function: Callable[..., Any], *inputs: Any, outputs: Outputs = "copies") -> PipelineGraph:
    """Captures what a function does with its engines as one CUDA graph, to be launched on any stream.

    Each bound engine's part runs on its lane's SMs wherever the graph is launched, and what is bound nowhere on the
    whole device. The function is called once as it is, and once more to be captured. It must not wait for the device,
    and do nothing on the host that every call must do. Branches that may overlap go through :func:`concurrently`, and
    packages must have been loaded with ``graphs="resident"``. The graph keeps the lanes alive, but not the engines.

    :param inputs: tensors of one GPU, nested or not; later calls take others of the same shapes.
    :param outputs: whether a call returns copies, or the graph's own tensors, which the next call overwrites.
    :raises ValueError: inputs without a tensor on a GPU, or with anything but tensors.
    :raises RuntimeError: what the function does cannot be captured.

    ``graph = gl.capture(lambda picture, state: head(vision(picture), policy(state)), picture, state)``
    """
    check_options("off", outputs)
    tensors, spec = pytree.tree_flatten(inputs)
    if not tensors or not all(isinstance(tensor, torch.Tensor) and tensor.is_cuda for tensor in tensors):
        raise ValueError("a graph is captured for inputs that are tensors on a GPU: pass those alone, or engines' own")
    results: list[_Result] = []

    def model(given: list[torch.Tensor]) -> list[torch.Tensor]:
        result, flat = _flatten(function(*pytree.tree_unflatten(given, spec)))
        results.append(result)
        return flat

    device = str(tensors[0].device)
    native = Model(model).call(
        lambda exchange, address, key: ops.capture_pipeline(device, tensors, exchange, address, key, outputs == "views")
    )
    return PipelineGraph(native, spec, results[-1])


def concurrently(*branches: Callable[[], Any]) -> list[Any]:
    """Calls each function with a CUDA stream of its own as the current one, so that their work may overlap.

    All begin after what is on the current stream, and what is enqueued there later waits for all of them. They are
    called one after another. In a capture they become its branches. Without a GPU they are simply called.

    >>> import greenlane as gl
    >>> gl.concurrently(lambda: 1, lambda: 2)
    [1, 2]
    """
    if not torch.cuda.is_available():
        return [branch() for branch in branches]
    caller = torch.cuda.current_stream()
    fork = caller.record_event()
    results = []
    # Not PyTorch's own streams, which are everybody's: what others enqueue there would be captured along.
    lanes = [ops.branch_lane(str(caller.device)) for _ in branches]
    if torch.cuda.is_current_stream_capturing():
        _captured.extend(lanes)  # who captures may be PyTorch, and nobody is to take them up before it ends
    forked = [torch.cuda.ExternalStream(lane.stream(), device=caller.device) for lane in lanes]
    try:
        for branch, stream in zip(branches, forked, strict=True):
            stream.wait_event(fork)
            with torch.cuda.stream(stream):
                results.append(branch())
            for tensor in tensors_in(results[-1]):
                if tensor.is_cuda:
                    tensor.record_stream(caller)
    except BaseException:
        # What they enqueued may use memory that the caller frees now. In a capture that failed nothing can be joined.
        with contextlib.suppress(RuntimeError):
            for stream in forked:
                caller.wait_stream(stream)
        raise
    for stream in forked:
        caller.wait_stream(stream)
    return results


_captured: list[Any] = []


class _Tensor:
    """Stands where a tensor was."""


@dataclass(frozen=True)
class _Result:
    """How tensors were nested: leaves that are the class :class:`_Tensor` were tensors, the others are themselves."""

    spec: Any
    leaves: Sequence[Any]


def _without_tensor(leaf: Any) -> Any:
    return _Tensor if isinstance(leaf, torch.Tensor) else leaf


def _flatten(value: Any) -> tuple[_Result, list[torch.Tensor]]:
    leaves, spec = pytree.tree_flatten(value)
    tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
    if not all(leaf is None or isinstance(leaf, torch.Tensor | int | float | str) for leaf in leaves):
        kinds = {type(leaf).__name__ for leaf in leaves if not isinstance(leaf, torch.Tensor | int | float | str)}
        raise TypeError(f"it returns {', '.join(sorted(kinds))}, and a graph has tensors alone")
    return _Result(spec, [_without_tensor(leaf) for leaf in leaves]), tensors


def _unflatten(result: _Result, tensors: Sequence[torch.Tensor]) -> Any:
    given = iter(tensors)
    leaves = [next(given) if leaf is _Tensor else leaf for leaf in result.leaves]
    return pytree.tree_unflatten(leaves, result.spec)


def _weights_of(module: torch.nn.Module) -> list[torch.Tensor]:
    return [*module.parameters(), *module.buffers()]


def _versions(tensors: Sequence[torch.Tensor]) -> list[int]:
    return [0 if tensor.is_inference() else tensor._version for tensor in tensors]
