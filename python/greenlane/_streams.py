"""Streams of every kind, and the process-wide choice of stream for engines that are not bound."""

import ctypes
import itertools
from typing import Any, Protocol, TypeAlias, runtime_checkable

import torch

from greenlane._lanes import Lane
from greenlane._native import ops


@runtime_checkable
class SupportsCudaStream(Protocol):
    """What CuPy, cuda.core and others call a stream."""

    def __cuda_stream__(self) -> tuple[int, int]:
        """(version of the protocol, handle)."""


StreamLike: TypeAlias = Lane | torch.cuda.Stream | int | SupportsCudaStream
"""A lane, a stream of PyTorch's, a raw handle, or any object with ``__cuda_stream__``."""


def handle_of(stream: StreamLike) -> int:
    """The handle behind a stream of any kind. Whether it can be bound is for the binding to say."""
    if isinstance(stream, Lane):
        return stream.stream
    if isinstance(stream, torch.cuda.Stream):
        return int(stream.cuda_stream)
    if isinstance(stream, int) and not isinstance(stream, bool):
        return stream
    if isinstance(stream, SupportsCudaStream):
        version, handle = stream.__cuda_stream__()
        if version != 0:
            raise TypeError(f"{stream!r} speaks version {version} of __cuda_stream__, and greenlane version 0")
        return int(handle)
    raise TypeError(
        f"{stream!r} is no stream: pass a Lane, a torch.cuda.Stream, a handle, or an object with __cuda_stream__"
    )


# What is bound must live for as long as C++ needs its stream, and C++ says when that is over.
_held: dict[int, object] = {}
_keys = itertools.count(1)


def _release(key: int) -> None:
    _held.pop(key, None)


_RELEASE = ctypes.CFUNCTYPE(None, ctypes.c_int64)(_release)
_RELEASE_ADDRESS = ctypes.cast(_RELEASE, ctypes.c_void_p).value or 0


def native_lane(stream: StreamLike, device: str) -> Any:
    """The lane itself, or one that adopts a stream for as long as anybody needs it; RuntimeError where it must not."""
    if isinstance(stream, Lane):
        return stream._native
    handle = handle_of(stream)
    if isinstance(stream, int):
        return ops.adopt_stream(device, handle, 0, 0)
    key = next(_keys)
    _held[key] = stream
    return ops.adopt_stream(device, handle, key, _RELEASE_ADDRESS)


def set_engine_stream_passthrough(on: bool) -> None:
    """Whether engines that are not bound run on the caller's stream instead of one of their own. Process-wide."""
    ops.set_engine_stream_passthrough(on)


def get_engine_stream_passthrough() -> bool:
    """What :func:`set_engine_stream_passthrough` said last; at first, no.

    >>> import greenlane as gl
    >>> gl.get_engine_stream_passthrough()
    False
    """
    return bool(ops.get_engine_stream_passthrough())
