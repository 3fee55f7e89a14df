"""The real modules of Torch-TensorRT's Python packages, over the stand-in for the runtime.

The packages cannot be imported without TensorRT and a GPU. Substitutes for both are made here, once in a process.
"""

import importlib
import sys
import types
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import torch
from torch import nn

from compat import stand_in

PACKAGES = {
    "Torch-TensorRT": Path(sys.prefix) / "compat",
    "Torch-TensorRT-RTX": Path(sys.prefix) / "compat-rtx",
}
"""The folders into which tools/setup.sh unpacks the packages."""

FIELDS = [
    *("ABI_TARGET", "NAME", "DEVICE", "ENGINE", "INPUT_BINDING_NAMES", "OUTPUT_BINDING_NAMES", "HW_COMPATIBLE"),
    *("SERIALIZED_METADATA", "TARGET_PLATFORM", "REQUIRES_OUTPUT_ALLOCATOR", "RESOURCE_ALLOCATION_STRATEGY"),
    *("REQUIRES_NATIVE_MULTIDEVICE", "ALIASED_IO"),
]
CONSTANTS: dict[str, int | str] = {
    **{f"{name}_IDX": i for i, name in enumerate(FIELDS)},
    "SERIALIZED_ENGINE_BINDING_DELIM": "%",
    "SERIALIZED_RT_DEVICE_DELIM": "%",
    "get_current_platform": "linux_x86_64",
    "_platform_linux_x86_64": "linux_x86_64",
}


# These packages are imported without the imports of their __init__.
PACKAGES_INSIDE = (
    "torch_tensorrt",
    "torch_tensorrt.dynamo",
    "torch_tensorrt.dynamo.lowering",
    "torch_tensorrt.dynamo.runtime",
    "torch_tensorrt.runtime",
)


_KEPT: list[Any] = []  # registrations, which end when their library object is freed


class _Anything(types.ModuleType):
    """A module that has every attribute."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return MagicMock(name=name)


def load(package: str) -> Any:
    """Returns the package's module with the class TorchTensorRTModule."""
    stand_in.load()
    library = torch.library.Library("tensorrt", "FRAGMENT")
    for name, value in CONSTANTS.items():
        if not hasattr(torch.ops.tensorrt, name):
            library.define(f"{name}() -> {type(value).__name__}")
            library.impl(name, lambda value=value: value, "CompositeExplicitAutograd")
    _KEPT.append(library)
    gpu = types.SimpleNamespace(name="stand-in", major=0, minor=0)
    for name, function in {
        "current_device": lambda: 0,
        "get_device_properties": lambda device=None: gpu,
        "get_device_name": lambda device=None: gpu.name,
        "get_device_capability": lambda device=None: (0, 0),
    }.items():
        setattr(torch.cuda, name, function)
    torch.Tensor.cuda = lambda self, *arguments: self  # type: ignore[method-assign]

    tensorrt: Any = _Anything("tensorrt")
    tensorrt._package_name = "tensorrt_rtx" if package.endswith("RTX") else "tensorrt"
    tensorrt.__version__ = "1.6.1"
    tensorrt.__path__ = []
    tensorrt.__spec__ = ModuleSpec("tensorrt", None, is_package=True)
    dllist = types.ModuleType("dllist")
    dllist.dllist = list  # type: ignore[attr-defined]
    sys.modules.update({"tensorrt": tensorrt, "dllist": dllist})
    for name in PACKAGES_INSIDE:
        inner = types.ModuleType(name)
        inner.__spec__ = ModuleSpec(name, None, is_package=True)
        inner.__path__ = [str(PACKAGES[package].joinpath(*name.split(".")))]
        sys.modules[name] = inner
    python_runtime = types.ModuleType("torch_tensorrt.dynamo.runtime._TRTEngine")
    python_runtime.TRTEngine = type("TRTEngine", (), {})  # type: ignore[attr-defined]
    sys.modules[python_runtime.__name__] = python_runtime
    stock = importlib.import_module("torch_tensorrt.dynamo.runtime._TorchTensorRTModule")
    # The originals of these two need the compiler.
    stock.CompilationSettings.__getstate__ = lambda self: dict(vars(self))
    stock.Device._to_serialized_rt_device = lambda self: "cpu%0%0%0%stand-in"  # the device of the stand-in's engines
    return stock


class Model(nn.Module):
    """A model as Torch-TensorRT compiles it with lazy_engine_init: two engines to set up later, PyTorch between."""

    def __init__(self, stock: Any) -> None:
        super().__init__()
        settings = stock.CompilationSettings(lazy_engine_init=True)
        for name in ("_run_on_acc_0", "_run_on_acc_1"):
            module = stock.TorchTensorRTModule(
                b"", ["x"], ["y", "thread"], name=name, settings=settings, requires_output_allocator=False
            )
            module.serialized_engine = "stand-in"  # the stand-in's engine is text
            module.target_device = torch.device("cpu")  # the device of the stand-in's engines
            module.runtime_settings = stock.RuntimeSettings(runtime_cache=None)
            setattr(self, name, module)

    def set_up(self) -> None:
        """Sets up the engines."""
        for module in self.children():
            module.setup_engine()  # type: ignore[operator]

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        x, first = self._run_on_acc_0(x)  # type: ignore[operator]
        x, second = self._run_on_acc_1(x + 1)  # type: ignore[operator]
        return x, first, second
