"""Tells C++ of the operators' writes before they happen, so that a graph can have the same effects as the calls."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from greenlane._native import ops

# Arguments that batch norms write to without declaring it.
_UNDECLARED = ("running_mean", "running_var")
_written_arguments: dict[Any, tuple[tuple[int, str], ...]] = {}


def recorded(function: Callable[[], Any], tensors: Sequence[torch.Tensor]) -> Any:
    """Calls a function, and tells C++ of its operators' writes if C++ asks for them.

    :param tensors: inputs and buffers, which are compared after the call, because kernels that no operator launches
        write as well: kernels of Triton, or of a compiled function. They are small beside the weights.
    """
    if not ops.collects_writes():
        return function()
    before = [(tensor, _copy(tensor)) for tensor in tensors if _has_memory(tensor)]
    with _WriteMode():
        result = function()
    for tensor, copy in before:
        if not torch.equal(_bits(tensor), _bits(copy)):
            written = _copy(tensor)
            _put(tensor, copy)  # noted with its values from before the write
            ops.note_write(tensor)
            _put(tensor, written)
    return result


class _WriteMode(TorchDispatchMode):
    """A mode that notes each tensor that is written to and was not made inside the mode."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._made_here: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        for tensor in _written(func, args, kwargs):
            if _has_memory(tensor) and _address(tensor) not in self._made_here:
                ops.note_write(tensor)
        result = func(*args, **kwargs)
        given = {_address(tensor) for tensor in _tensors_in((*args, *kwargs.values())) if _has_memory(tensor)}
        for tensor in _tensors_in(result):
            if _has_memory(tensor) and _address(tensor) not in given:
                self._made_here.add(_address(tensor))
        return result


def _written(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterator[torch.Tensor]:
    known = _written_arguments.get(func)
    if known is None:
        known = tuple(
            (index, argument.name)
            for index, argument in enumerate(func._schema.arguments)
            if (argument.alias_info is not None and argument.alias_info.is_write) or argument.name in _UNDECLARED
        )
        _written_arguments[func] = known
    for index, name in known:
        value = args[index] if index < len(args) else kwargs.get(name)
        yield from _tensors_in(value)


def _tensors_in(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _tensors_in(each)


def _has_memory(tensor: torch.Tensor) -> bool:
    return tensor.layout == torch.strided and tensor.device.type in ("cpu", "cuda") and _address(tensor) != 0


def _address(tensor: torch.Tensor) -> int:
    try:
        return int(tensor.untyped_storage().data_ptr())
    except (RuntimeError, NotImplementedError):  # a subclass without memory of its own
        return 0


def _copy(tensor: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode(False), torch.no_grad():
        return tensor.detach().clone()


def _put(tensor: torch.Tensor, values: torch.Tensor) -> None:
    with torch.inference_mode(tensor.is_inference()), torch.no_grad():
        tensor.copy_(values)


def _bits(tensor: torch.Tensor) -> torch.Tensor:
    """Returns the tensor's bytes; as bytes, NaN equals NaN."""
    with torch.no_grad():
        flat = tensor.detach().contiguous().reshape(-1)
        return flat.view(torch.uint8) if flat.numel() else flat
