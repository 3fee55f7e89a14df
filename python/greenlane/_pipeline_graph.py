"""Several engines on several lanes in one CUDA graph."""

from collections.abc import Callable
from typing import Any

import torch
from torch.utils import _pytree as pytree

from greenlane import _checked
from greenlane._exchange import Model
from greenlane._graphs import Outputs, check_options
from greenlane._native import ops
from greenlane._nesting import Nesting, flatten, unflatten
from greenlane._tensors import tensors_in
from greenlane._writes import recorded


class PipelineGraph:
    """A CUDA graph of several engines on several lanes, made by :func:`capture`; called like the captured function."""

    def __init__(self, native: Any, spec: Any, result: "Nesting") -> None:
        self._native = native
        self._spec = spec
        self._result = result

    def __call__(self, *inputs: Any) -> Any:
        """Launches the graph on the current stream.

        :raises TypeError: the inputs are nested otherwise than at capture.
        :raises RuntimeError: the inputs differ in number, shape or dtype from those at capture, or another graph is
            being captured.
        """
        tensors, spec = pytree.tree_flatten(inputs)
        if spec != self._spec:
            given, wanted = _checked.one_line(spec), _checked.one_line(self._spec)
            raise TypeError(f"the inputs are nested otherwise than at capture: {given}, not {wanted}")
        return unflatten(self._result, self._native.run(tensors))

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a PipelineGraph cannot be copied or saved: capture the function again")

    @property
    def bytes(self) -> int:
        """Bytes of device memory that the graph holds."""
        return int(self._native.bytes())


def capture(function: Callable[..., Any], *inputs: Any, outputs: Outputs = "copies") -> PipelineGraph:
    """Captures a function's work with its engines as one CUDA graph, which can be launched on any stream.

    A bound engine's part runs on its lane's SMs wherever the graph is launched; work that is not bound runs on the
    whole device. The function is called once as it is, and once more for the capture. Buffers, inputs and random
    numbers are restored after the first call. Inputs that the function writes to are written back after each launch.
    The function must not wait for the device, and must do nothing on the host that every call needs. Branches that may
    overlap go through :func:`concurrently`, and packages must have been loaded with ``graphs="resident"``.

    ::

        graph = gl.capture(lambda picture, state: head(vision(picture), policy(state)), picture, state)

    Lifetime: the graph keeps the lanes alive, but not the engines.

    :param inputs: tensors of one GPU, nested or not; later calls take others of the same shapes.
    :param outputs: whether a call returns copies, or views of the graph's own tensors, which the next call overwrites.
    :raises ValueError: there is no tensor on a GPU among the inputs, or something else than such tensors. The message
        says what works on a CPU instead.
    :raises RuntimeError: the function's work cannot be captured.
    """
    check_options("off", outputs)
    tensors, spec = pytree.tree_flatten(inputs)
    if not tensors or not all(isinstance(tensor, torch.Tensor) and tensor.is_cuda for tensor in tensors):
        raise ValueError(
            "an input of the graph is no tensor on a GPU, and graphs exist on GPUs alone: pass only tensors on a GPU; "
            "on a CPU call the engines on their lanes (greenlane.bind), with greenlane.concurrently for branches, or "
            "open a greenlane.Pipeline"
        )
    results: list[Nesting] = []

    def model(given: list[torch.Tensor]) -> list[torch.Tensor]:
        called = recorded(lambda: function(*pytree.tree_unflatten(given, spec)), given)
        result, flat = flatten(called)
        results.append(result)
        return flat

    device = str(tensors[0].device)
    native = Model(model).call(lambda exchange: ops.capture_pipeline(device, tensors, exchange, outputs == "views"))
    return PipelineGraph(native, spec, results[-1])


def concurrently(*branches: Callable[[], Any]) -> list[Any]:
    """Calls each function with a CUDA stream of its own as the current one, so that their work may overlap.

    Stream order: all branches begin after the work on the current stream, and work that is enqueued there later waits
    for all of them. The functions are called one after another. In a capture they become branches of the graph, which
    keeps their streams for as long as it exists. Without a GPU they are simply called.

    :raises TypeError: a branch is no function.

    >>> import greenlane as gl
    >>> gl.concurrently(lambda: 1, lambda: 2)
    [1, 2]
    """
    for branch in branches:
        if not callable(branch):
            raise TypeError(f"{branch!r} is no branch: pass functions without arguments")
    results: list[Any] = []

    def next_branch(_: list[torch.Tensor]) -> list[torch.Tensor]:
        results.append(branches[len(results)]())
        return [tensor for tensor in tensors_in(results[-1]) if tensor.is_cuda]

    device = str(torch.cuda.current_stream().device) if torch.cuda.is_available() else "cpu"
    Model(next_branch).call(lambda exchange: ops.concurrently(device, exchange, len(branches)))
    return results
