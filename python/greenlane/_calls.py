"""The method that a call of a module runs, and that a binding must replace."""

import inspect
import sys
from typing import Any

import torch

_MUTABLE = "torch_tensorrt.dynamo.runtime._MutableTorchTensorRTModule"
# A call of a module reaches its forward through one of these names.
_WAYS_TO_FORWARD = {"forward", "__call__", "_call_impl", "_wrapped_call_impl", "_wrapped_call"}


def is_mutable(module: object) -> bool:
    """Returns whether the module is a MutableTorchTensorRTModule, which compiles its model again when the model
    changes."""
    mutable = sys.modules.get(_MUTABLE)  # loaded if there is such a module
    return mutable is not None and isinstance(module, mutable.MutableTorchTensorRTModule)


def entry_of(module: torch.nn.Module) -> str:
    """Returns the name of the method that a call of the module runs: ``forward``, except for one class.

    ``MutableTorchTensorRTModule.__call__`` calls ``_forward``, which also compiles the model again.
    """
    return "_forward" if is_mutable(module) else "forward"


def call_obstacle(module: torch.nn.Module) -> str:
    """Returns why a call of the module does not reach its forward; empty if it does, as far as its code shows."""
    if is_mutable(module):
        return ""
    code = getattr(inspect.unwrap(type(module).__call__), "__code__", None)
    if code is None or _WAYS_TO_FORWARD.intersection(_names_in(code)):
        return ""
    return (
        f"the class {type(module).__name__!r} has a __call__ of its own that never calls forward, where no binding "
        "reaches: bind the modules that this __call__ calls"
    )


def _names_in(code: Any) -> set[str]:
    """Returns all attributes and globals that a function's code and its inner functions use."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if inspect.iscode(constant):
            names |= _names_in(constant)
    return names
