"""Streams that the program makes and destroys by the CUDA driver itself."""

import ctypes
import functools

NON_BLOCKING = 1
SMS = 1  # CU_DEV_RESOURCE_TYPE_SM
RESOURCE = 512  # bytes, more than a CUdevResource has


@functools.cache
def _driver() -> ctypes.CDLL:
    return ctypes.CDLL("libcuda.so.1")


def _call(name: str, *arguments: object) -> None:
    result = getattr(_driver(), name)(*arguments)
    if result != 0:
        raise RuntimeError(f"{name}: CUDA error {result}")


class GreenContext:
    """A green context on the first device, which may overlap with every partition. It lives until the process ends."""

    def __init__(self, units: int) -> None:
        whole, group = (ctypes.create_string_buffer(RESOURCE) for _ in range(2))
        groups, description = ctypes.c_uint(1), ctypes.c_void_p()
        self._context = ctypes.c_void_p()
        _call("cuDeviceGetDevResource", 0, whole, SMS)
        _call("cuDevSmResourceSplitByCount", group, ctypes.byref(groups), whole, None, 0, units)
        _call("cuDevResourceGenerateDesc", ctypes.byref(description), group, 1)
        _call("cuGreenCtxCreate", ctypes.byref(self._context), description, 0, 1)

    def new_stream(self) -> int:
        """Returns the handle of a new stream in the green context."""
        stream = ctypes.c_void_p()
        _call("cuGreenCtxStreamCreate", ctypes.byref(stream), self._context, NON_BLOCKING, 0)
        assert stream.value
        return stream.value


def destroy(stream: int) -> None:
    """Destroys a stream that nothing uses any more."""
    _call("cuStreamDestroy_v2", ctypes.c_void_p(stream))
