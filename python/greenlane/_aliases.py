"""Adds the names of pytorch/TensorRT#4232 to Torch-TensorRT's own modules."""

import importlib
import sys
from collections.abc import Callable
from typing import Any

import torch

from greenlane import _streams
from greenlane._bindings import (
    clear_external_stream,
    get_external_stream,
    is_external_stream_set,
    set_external_stream,
)
from greenlane._native import ops

_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "set_external_stream": set_external_stream,
    "clear_external_stream": clear_external_stream,
    "get_external_stream": get_external_stream,
    "is_external_stream_set": is_external_stream_set,
    "set_engine_stream_passthrough": _streams.set_engine_stream_passthrough,
    "get_engine_stream_passthrough": _streams.get_engine_stream_passthrough,
}
_MODULE = ("torch_tensorrt.dynamo.runtime._TorchTensorRTModule", "TorchTensorRTModule")
_PYTHON_ENGINE = ("torch_tensorrt.dynamo.runtime._TRTEngine", "TRTEngine")
_libraries: list[torch.library.Library] = []  # what a library defines lasts as long as the library


def install_torch_tensorrt_aliases() -> tuple[str, ...]:
    """Puts the names of pytorch/TensorRT#4232 into Torch-TensorRT, so that code written for it runs unchanged.

    * ``torch_tensorrt.runtime``: the four functions ``set_external_stream``, ``clear_external_stream``,
      ``get_external_stream`` and ``is_external_stream_set``, and the two on the passthrough.
    * ``torch.ops.tensorrt``: ``set_engine_stream_passthrough`` and ``get_engine_stream_passthrough``.
    * ``TorchTensorRTModule``, and engines of the runtime in Python: the four functions as methods. Engines of the
      runtime in C++ have these methods as soon as greenlane is imported.

    A name that exists already is left as it is. A second call installs nothing.

    Thread safety: call it from one thread, before other threads use Torch-TensorRT.

    :return: the full names that were installed.
    :raises ImportError: Torch-TensorRT cannot be imported.
    """
    try:
        runtime = importlib.import_module("torch_tensorrt.runtime")
    except ImportError as error:
        raise ImportError(
            f"the names of Torch-TensorRT cannot be installed, because torch_tensorrt.runtime cannot be imported "
            f"({error}): install Torch-TensorRT 2.13 or newer, or call greenlane's own functions"
        ) from error
    installed = [f"torch_tensorrt.runtime.{name}" for name in _FUNCTIONS if _add(runtime, name, _FUNCTIONS[name])]
    installed += _add_operators()
    for module, kind in (_MODULE, _PYTHON_ENGINE):
        found = getattr(sys.modules.get(module), kind, None)
        if found is not None:
            methods = {name: _as_method(function, kind) for name, function in _METHODS.items()}
            installed += [f"{module}.{kind}.{name}" for name, method in methods.items() if _add(found, name, method)]
    return tuple(installed)


_METHODS = {name: function for name, function in _FUNCTIONS.items() if name.endswith(("_stream", "_stream_set"))}


def _add(owner: Any, name: str, value: object) -> bool:
    """Adds a value under a name unless the name is taken; returns whether it was added."""
    if hasattr(owner, name):
        return False
    setattr(owner, name, value)
    return True


def _as_method(function: Callable[..., Any], kind: str) -> Callable[..., Any]:
    """Returns the function as a method; on a module, it applies to the engine inside."""

    def method(self: Any, *stream: Any) -> Any:
        engine = self.get_engine() if kind == "TorchTensorRTModule" else self
        result = function(engine, *stream)
        return None if function is set_external_stream else result  # like the methods of engines in C++

    method.__name__ = function.__name__
    method.__doc__ = function.__doc__
    return method


def _add_operators() -> list[str]:
    installed = []
    schemas = {
        "set_engine_stream_passthrough": ("(bool on) -> ()", ops.set_engine_stream_passthrough),
        "get_engine_stream_passthrough": ("() -> bool", ops.get_engine_stream_passthrough),
    }
    for name, (schema, function) in schemas.items():
        if hasattr(torch.ops.tensorrt, name):
            continue
        library = torch.library.Library("tensorrt", "FRAGMENT")
        library.define(name + schema)
        library.impl(name, function, "CompositeExplicitAutograd")
        _libraries.append(library)
        installed.append(f"torch.ops.tensorrt.{name}")
    return installed
