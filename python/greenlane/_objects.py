"""Engines of other makers: objects of custom classes, and those of Torch-TensorRT's runtime in Python."""

import sys
import weakref
from typing import Any

import torch

from greenlane._native import ops

_PYTHON_RUNTIME = "torch_tensorrt.dynamo.runtime._TRTEngine"
_bound: "weakref.WeakSet[Any]" = weakref.WeakSet()


def is_bindable(value: object) -> bool:
    """Whether it is an engine that has a binding of its own, or can be given one."""
    if isinstance(value, torch.ScriptObject):
        return bool(ops.is_bindable(value))
    return _is_python_engine(value)


def binding_of(value: Any, make: bool) -> Any:
    """The torchbind object of its binding; None where it was never given one, unless it is to be made."""
    if isinstance(value, torch.ScriptObject):
        return next(iter(ops.binding_of(value, make)), None)
    # The address is another object's when this one is gone.
    if make and value not in _bound:
        _bound.add(value)
        weakref.finalize(value, ops.forget_python_engine, id(value)).atexit = False
    device = getattr(value, "_target_device", None) or torch.device("cuda", value.target_device_id)
    return next(iter(ops.python_engine_binding(id(value), str(device), value.name, make)), None)


def _is_python_engine(value: object) -> bool:
    runtime = sys.modules.get(_PYTHON_RUNTIME)  # there if anybody has such an engine
    return runtime is not None and isinstance(value, runtime.TRTEngine)
