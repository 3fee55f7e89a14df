"""Engines of other makers: objects of custom classes, and engines of Torch-TensorRT's runtime in Python."""

import sys
import warnings
import weakref
from typing import Any

import torch

from greenlane._native import ops

_PYTHON_RUNTIME = "torch_tensorrt.dynamo.runtime._TRTEngine"
_bound: "weakref.WeakSet[Any]" = weakref.WeakSet()


def is_bindable(value: object) -> bool:
    """Returns whether the value is an engine that has a binding of its own, or can be given one."""
    if isinstance(value, torch.ScriptObject):
        return bool(ops.is_bindable(value))
    return _is_python_engine(value)


def binding_of(value: Any, make: bool) -> Any:
    """Returns the torchbind object of the engine's binding; None if it was never given one and ``make`` is false."""
    if isinstance(value, torch.ScriptObject):
        return ops.binding_of(value, make)
    # Another object may get the address when this one is gone.
    if make and value not in _bound:
        _bound.add(value)
        weakref.finalize(value, ops.forget_python_engine, id(value)).atexit = False
    device = getattr(value, "_target_device", None) or torch.device("cuda", value.target_device_id)
    multi_device = bool(getattr(value, "requires_native_multidevice", False))
    # Once it is loaded, TensorRT's engine knows its number of auxiliary streams.
    auxiliary = getattr(getattr(value, "cuda_engine", None), "num_aux_streams", None) != 0
    binding = ops.python_engine_binding(
        id(value), make, device=str(device), name=value.name, multi_device=multi_device, auxiliary_streams=auxiliary
    )
    if make and binding is not None:
        _record_anew_after_changes(value, binding)
    return binding


def graphs_obstacle(value: object) -> str:
    """Returns why an engine of the runtime in Python, or a lazy module, would leave its lane; empty if it stays there.

    TensorRT-RTX captures CUDA graphs inside its own calls. Engines of the runtime in C++ are asked in C++.
    """
    features = sys.modules.get("torch_tensorrt._features")
    if features is None or not features.ENABLED_FEATURES.tensorrt_rtx:
        return ""
    settings = getattr(value, "runtime_settings", None)
    if getattr(settings, "cuda_graph_strategy", "disabled") == "disabled":
        return ""
    return (
        "TensorRT-RTX captures CUDA graphs of its own in it (cuda_graph_strategy), which run where they were captured, "
        "and which nothing can drop: set cuda_graph_strategy to 'disabled', and capture the model with gl.capture"
    )


def forget_graphs(module: torch.nn.Module) -> None:
    """Makes the engines inside a module record their graphs again in the next calls: the module's own binding has
    changed."""
    for inner in module.modules():
        for value in list(vars(inner).values()):
            if isinstance(value, torch.ScriptObject):
                ops.forget_graphs(value)
            elif _is_python_engine(value) and hasattr(value, "runtime_states"):
                value.runtime_states.context_changed = True


def _record_anew_after_changes(engine: Any, binding: Any) -> None:
    """Makes the runtime in Python drop its CUDA graph in the first call after each change of the binding.

    The runtime compares streams, and a new stream may look like a destroyed one. Its check in each call runs under the
    binding's lock.
    """
    states = getattr(engine, "runtime_states", None)
    if states is None or isinstance(states.__dict__.get("set_runtime_states"), _RecordAnew):
        return
    states.set_runtime_states = _RecordAnew(engine, binding)


class _RecordAnew:
    def __init__(self, engine: Any, binding: Any) -> None:
        states = engine.runtime_states
        self._engine = weakref.ref(engine)  # weak, because both hold this object
        self._states = weakref.ref(states)
        self._own = type(states).set_runtime_states
        self._binding = binding
        self._seen = binding.generation()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        states = self._states()
        generation = self._binding.generation()
        if generation != self._seen:
            states.context_changed = True  # type: ignore[union-attr]
            if graphs_obstacle(self._engine()):
                warnings.warn(
                    f"the Torch-TensorRT engine {self._binding.name()!r} was bound otherwise after TensorRT-RTX "
                    "captured CUDA graphs of its own in it (cuda_graph_strategy): they run where they were "
                    "captured until its runtime settings change",
                    stacklevel=2,
                )
        answer = self._own(states, *args, **kwargs)
        self._seen = generation
        return answer


def _is_python_engine(value: object) -> bool:
    runtime = sys.modules.get(_PYTHON_RUNTIME)  # loaded if there is such an engine
    return runtime is not None and isinstance(value, runtime.TRTEngine)
