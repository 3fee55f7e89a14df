"""Calls of CUDA's driver from Python, for programs on the GPUs that keep books and compute nothing."""

import ctypes

import torch

_driver = ctypes.CDLL("libcuda.so.1")
Pointer = ctypes.c_void_p


def call(name: str, *arguments: object) -> None:
    """Calls a function of the driver with pointers; fails if it fails."""
    address = Pointer()
    assert _driver.cuGetProcAddress(name.encode(), ctypes.byref(address), 13000, ctypes.c_uint64(0)) == 0
    assert address.value
    function = ctypes.CFUNCTYPE(ctypes.c_int, *[Pointer] * len(arguments))(address.value)
    assert function(*arguments) == 0


def current_context() -> int | None:
    """Returns the CUDA context that is current in the calling thread."""
    context = Pointer()
    call("cuCtxGetCurrent", ctypes.addressof(context))
    return context.value


def green_context(stream: int) -> int | None:
    """Returns the green context of a stream. The GPUs give it and its context one handle."""
    green = Pointer()
    call("cuStreamGetGreenCtx", stream, ctypes.addressof(green))
    return green.value


class Capture:
    """A capture that an application begins on a stream, and the graph that it gives."""

    def __init__(self, stream: torch.cuda.Stream) -> None:
        self._stream = stream.cuda_stream
        self._graph = Pointer()

    def __enter__(self) -> "Capture":
        call("cuStreamBeginCapture", self._stream, 1)  # 1: thread-local
        return self

    def __exit__(self, *_: object) -> None:
        call("cuStreamEndCapture", self._stream, ctypes.addressof(self._graph))

    def destroy(self) -> None:
        """Destroys the graph."""
        call("cuGraphDestroy", self._graph.value)
