"""Streams of every kind, and the process-wide choice of stream for engines that are not bound."""

import ctypes
import itertools
from typing import Any, Protocol, SupportsIndex, TypeAlias, runtime_checkable

import torch

from greenlane import _checked
from greenlane._green_contexts import GreenContextLike, GreenStream, is_green_context
from greenlane._lanes import Lane
from greenlane._native import ops


@runtime_checkable
class SupportsCudaStream(Protocol):
    """A stream of CuPy, cuda.core and others."""

    def __cuda_stream__(self) -> tuple[int, int]:
        """Returns (version of the protocol, handle)."""


StreamLike: TypeAlias = Lane | torch.Stream | SupportsIndex | SupportsCudaStream | GreenContextLike
"""A lane, a stream of PyTorch's (``torch.cuda.Stream`` or ``torch.Stream``), a raw handle (any whole number, also
NumPy's), any object with ``__cuda_stream__``, or a ``torch.cuda.green_contexts.GreenContext``, of which a new stream is
taken. A stream that such a context made does not keep the context alive, so pass the context itself."""

_HIGHEST_HANDLE = 2**63 - 1


def handle_of(stream: StreamLike) -> int:
    """Returns the handle behind a stream of any kind; the binding decides whether it can be bound.

    :raises TypeError: it is no stream.
    :raises ValueError: the number cannot be a handle.
    """
    if isinstance(stream, Lane):
        return stream.stream
    if isinstance(stream, torch.cuda.Stream):
        return int(stream.cuda_stream)
    if isinstance(stream, torch.Stream):
        return int(_cuda_stream(stream).cuda_stream)
    if isinstance(stream, SupportsCudaStream):
        return _handle_by_protocol(stream)
    if isinstance(stream, SupportsIndex) and not isinstance(stream, torch.Tensor):
        try:
            return _checked.whole(stream, "the stream's handle", 0, _HIGHEST_HANDLE)
        except TypeError:  # bools and arrays have an index, too
            pass
    raise TypeError(
        f"{stream!r} is no stream: pass a Lane, a torch.cuda.Stream, a torch.Stream of a GPU, a handle (a whole "
        "number), an object with __cuda_stream__, or a GreenContext of PyTorch's"
    )


def _handle_by_protocol(stream: SupportsCudaStream) -> int:
    answer: object = stream.__cuda_stream__()
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        raise TypeError(f"__cuda_stream__ of {stream!r} must return (version, handle), and returned {answer!r}")
    version = _checked.whole(answer[0], "the version of __cuda_stream__", 0, _HIGHEST_HANDLE)
    if version != 0:
        raise TypeError(f"{stream!r} speaks version {version} of __cuda_stream__, and greenlane version 0")
    return _checked.whole(answer[1], "the handle of __cuda_stream__", 0, _HIGHEST_HANDLE)


def require_lane(lane: object) -> None:
    """Raises TypeError unless it is a lane."""
    if not isinstance(lane, Lane):
        raise TypeError(
            f"{lane!r} is no lane: pass a Lane; set_external_stream takes streams of other kinds, and gl.bind mappings"
        )


def checked_stream(stream: StreamLike) -> StreamLike:
    """Returns the stream; of a green context a new stream, which keeps the context alive.

    :raises TypeError, ValueError: it is no stream; see :func:`handle_of`.
    """
    if is_green_context(stream):
        return GreenStream(stream)
    if not isinstance(stream, Lane):  # a lane of the CPU has no handle
        handle_of(stream)
    return stream


def device_of_stream(stream: StreamLike) -> torch.device | None:
    """Returns the device of a lane or a stream of PyTorch's; None for a handle and for foreign objects."""
    return torch.device(stream.device) if isinstance(stream, Lane | torch.Stream | GreenStream) else None


def _cuda_stream(stream: torch.Stream) -> torch.cuda.Stream:
    """Returns the same stream as PyTorch's class for GPUs, the only class that has a handle in every version."""
    if stream.device.type != "cuda":
        raise TypeError(f"{stream!r} is a stream of {stream.device}: pass a torch.Stream of a GPU, or a Lane")
    return torch.cuda.Stream(
        stream_id=stream.stream_id, device_index=stream.device_index, device_type=stream.device_type
    )


# A bound object must live as long as C++ needs its stream, and C++ says when that time is over.
_held: dict[int, object] = {}
_keys = itertools.count(1)


def _release(key: int) -> None:
    _held.pop(key, None)


_RELEASE = ctypes.CFUNCTYPE(None, ctypes.c_int64)(_release)
_RELEASE_ADDRESS = ctypes.cast(_RELEASE, ctypes.c_void_p).value or 0


def native_lane(stream: StreamLike, device: str, name: str = "") -> Any:
    """Returns the lane itself, or a lane that adopts the stream and keeps it alive.

    :param name: an adopted stream's name for messages and reports.
    :raises RuntimeError: the stream cannot be adopted.
    """
    if isinstance(stream, Lane):
        return stream._native
    handle = handle_of(stream)
    if isinstance(stream, SupportsIndex) and not isinstance(stream, SupportsCudaStream):
        return ops.adopt_stream(device, handle, None, _RELEASE_ADDRESS, name)
    key = next(_keys)
    _held[key] = stream
    return ops.adopt_stream(device, handle, key, _RELEASE_ADDRESS, name)


def adopt(stream: StreamLike, name: str = "", *, device: str | torch.device | None = None) -> Lane:
    """Makes a lane of a stream that somebody else made, for example in a green context of PyTorch's.

    Its units are those of the stream's context; greenlane neither reserves them nor gives them to others. The stream
    is kept alive as long as the lane needs it; the caller must keep a raw handle valid for that long.

    :param name: the name for messages and reports.
    :param device: needed for handles and objects with ``__cuda_stream__``, which do not say their device.
    :raises TypeError, ValueError: it is no stream, or nothing says its device.
    :raises RuntimeError: the handle is a reserved one, or the stream is of another device or is being captured.
    """
    label = _checked.name(name, "the lane's name")
    stream = checked_stream(stream)
    if isinstance(stream, Lane):
        raise TypeError(f"{stream!r} is a lane already")
    found = device_of_stream(stream) if device is None else torch.device(_checked.device(device))
    if found is None:
        raise ValueError(f"{stream!r} does not say its device: pass it, as in adopt(stream, device='cuda:0')")
    return Lane(native_lane(stream, str(found), label))


def set_engine_stream_passthrough(on: bool) -> None:
    """Sets whether engines that are not bound run on the caller's stream instead of one of their own. Process-wide.

    Packages and modules always do. Engines of Torch-TensorRT do so from every stream except the default one. With this
    setting on, an engine of its runtime in C++ that is called from the default stream runs in that stream's order, on
    no stream of PyTorch's pool. It has no effect while Torch-TensorRT's own CUDA graphs are on.

    :raises TypeError: ``on`` is no bool.
    """
    ops.set_engine_stream_passthrough(_checked.truth(on, "on"))


def get_engine_stream_passthrough() -> bool:
    """Returns the last setting of :func:`set_engine_stream_passthrough`; False at first.

    >>> import greenlane as gl
    >>> gl.get_engine_stream_passthrough()
    False
    """
    return bool(ops.get_engine_stream_passthrough())
