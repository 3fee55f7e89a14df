"""Green contexts of PyTorch (``torch.cuda.green_contexts``): their streams become lanes, and lanes their partitions.

PyTorch's classes differ between its versions, so they are known by their names, and nothing of them is imported before
the user has.
"""

import importlib
import sys
from typing import Any, Protocol, TypeGuard, runtime_checkable

import torch


@runtime_checkable
class GreenContextLike(Protocol):
    """A ``torch.cuda.green_contexts.GreenContext``."""

    def Stream(self) -> torch.cuda.Stream:  # noqa: N802
        """Returns a stream of the context, which lives as long as the context."""


class GreenStream:
    """A new stream of a green context of PyTorch's. Keeps the context alive, which PyTorch's stream does not."""

    def __init__(self, context: GreenContextLike) -> None:
        self._context = context
        self._stream = context.Stream()

    @property
    def device(self) -> torch.device:
        """The device that the context is on."""
        return self._stream.device

    def __cuda_stream__(self) -> tuple[int, int]:
        """Returns (version of the protocol, handle)."""
        return (0, int(self._stream.cuda_stream))


def is_green_context(value: object) -> TypeGuard[GreenContextLike]:
    """Returns whether it is a green context of PyTorch's."""
    module = sys.modules.get("torch.cuda.green_contexts")
    return module is not None and isinstance(value, module.GreenContext)


def sm_partition(stream: int, device: int, owner: object) -> Any:
    """Returns PyTorch's view of the SMs behind a stream.

    :param owner: kept alive as long as the partition is.
    :raises RuntimeError: this PyTorch has no such class, or the stream is in no green context.
    """
    green_contexts: Any = importlib.import_module("torch.cuda.green_contexts")
    if not hasattr(green_contexts, "SMPartition"):
        raise RuntimeError(
            f"PyTorch {torch.__version__} has no torch.cuda.green_contexts.SMPartition: use PyTorch 2.15 or newer, or "
            "work on the lane's stream (lane.torch_stream)"
        )
    driver: Any = importlib.import_module("cuda.bindings.driver")

    def checked(result: tuple[Any, ...]) -> Any:
        if int(result[0]) != 0:
            raise RuntimeError(f"the driver does not say which SMs the lane has ({result[0].name}): {_NEEDS_GREEN}")
        return result[1]

    context = checked(driver.cuStreamGetGreenCtx(stream))
    if int(context) == 0:
        raise RuntimeError(f"the lane's stream is in no green context: {_NEEDS_GREEN}")
    kind = driver.CUdevResourceType.CU_DEV_RESOURCE_TYPE_SM
    return green_contexts.SMPartition(checked(driver.cuGreenCtxGetDevResource(context, kind)), device, owner)


_NEEDS_GREEN = "take a lane that greenlane.partition made"
