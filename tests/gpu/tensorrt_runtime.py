"""The unmodified runtime of Torch-TensorRT over a double of TensorRT (tensorrt_double), and engines for it.

Both are libraries in the folder that the variable GREENLANE_TENSORRT_RUNTIME names.
"""

import ctypes
import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

VARIABLE = "GREENLANE_TENSORRT_RUNTIME"

Engine: TypeAlias = Any
"""A torch.ScriptObject of the class torch.classes.tensorrt.Engine."""

STANDARD, SUBGRAPH, WHOLE_GRAPH = range(3)
"""Torch-TensorRT's ways to use CUDA graphs."""

BLOCKS = 2048
HOLD = 20_000
"""Enough thread blocks, for enough nanoseconds, to be on every SM of the device."""


@functools.cache
def load() -> None:
    """Loads the libraries."""
    folder = Path(os.environ[VARIABLE])
    for double in ("libnvinfer.so.11", "libnvinfer_plugin.so.11"):
        ctypes.CDLL(str(folder / double), mode=ctypes.RTLD_GLOBAL)
    torch.ops.load_library(str(folder / "libtorchtrt_runtime.so"))


@functools.cache
def load_for_export() -> None:
    """Describes the class and its operator to torch.export, as Torch-TensorRT's Python package does."""
    from torch._library.fake_class_registry import register_fake_class

    @register_fake_class("tensorrt::Engine")
    class FakeEngine:
        def __init__(self, **fields: str) -> None:
            self.fields = fields

        @classmethod
        def __obj_unflatten__(cls, flat: tuple[tuple[str, Any], ...]) -> "FakeEngine":
            return cls(**dict(flat))

    def fake_execute(inputs: list[Tensor], engine: Any) -> list[Tensor]:
        return [inputs[0].new_empty(BLOCKS, dtype=torch.int32), torch.empty_like(inputs[0])]

    torch.library.register_fake("tensorrt::execute_engine", fake_execute)


def text_of(**options: int | str) -> str:
    """Returns the text of an engine of the double; see tensorrt_double/engine_text.hpp."""
    return "\n".join(f"{key}={value}" for key, value in options.items())


def new_engine(
    name: str = "engine", *, device: int = 0, output_allocator: bool = False, **options: int | str
) -> Engine:
    """Returns an engine. By default it takes "x" and gives the SMs that it ran on, and twice "x"."""
    options = {"blocks": BLOCKS, "hold": HOLD, "input": 1, **options}
    if device < torch.cuda.device_count():
        gpu = torch.cuda.get_device_properties(device)
        target = f"{device}%{gpu.major}%{gpu.minor}%0%{gpu.name}"
    else:
        target = f"{device}%9%0%0%NVIDIA H200"
    inputs = [tensor for tensor, option in (("x", "input"), ("n", "shape")) if options.get(option)]
    outputs = ["where"] + [tensor for tensor, option in (("twice", "input"), ("count", "count")) if options.get(option)]
    # The fields are in the order of SerializedInfoIndex in Torch-TensorRT's core/runtime/runtime.h.
    fields = [
        torch.ops.tensorrt.ABI_VERSION(),
        name,
        target,
        text_of(**options),
        "%".join(inputs),
        "%".join(outputs),
        "0",  # compatible with other hardware
        "",  # metadata
        torch.ops.tensorrt.get_current_platform(),
        str(int(output_allocator)),
        "0",  # resources are static
        "0",  # native multi-device
        "",  # aliases: TensorRT itself knows them
    ]
    assert len(fields) == torch.ops.tensorrt.SERIALIZATION_LEN()
    with torch.cuda.device(device):  # the current device is taken if several are of the same kind
        return torch.classes.tensorrt.Engine(fields)


def run(engine: Engine, *inputs: Tensor) -> list[Tensor]:
    """Returns the outputs that the engine has, in this order: the SMs, twice the input, and the number of calls."""
    outputs: list[Tensor] = torch.ops.tensorrt.execute_engine(list(inputs), engine)
    return outputs


@contextmanager
def graphs(mode: int) -> Iterator[None]:
    """Turns on Torch-TensorRT's own CUDA graphs."""
    torch.ops.tensorrt.set_cudagraphs_mode(mode)
    try:
        yield
    finally:
        torch.ops.tensorrt.set_cudagraphs_mode(STANDARD)


class Accelerated(nn.Module):
    """A module with its engine as an attribute, as Torch-TensorRT's are."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.engine = engine

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the SMs that the engine ran on, and twice x."""
        where, twice = torch.ops.tensorrt.execute_engine([x], self.engine)
        return where, twice


class Model(nn.Module):
    """A model as Torch-TensorRT compiles it: two engines, and the part that it left to PyTorch."""

    def __init__(self, first: Engine, second: Engine) -> None:
        super().__init__()
        self._run_on_acc_0 = Accelerated(first)
        self._run_on_acc_1 = Accelerated(second)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns the SMs that both engines ran on, and 4 x + 2."""
        first, x = self._run_on_acc_0(x)
        second, x = self._run_on_acc_1(x + 1)
        return first, second, x


class Inlined(nn.Module):
    """The same model in Torch-TensorRT's other form: the engines are attributes of the model."""

    def __init__(self, first: Engine, second: Engine) -> None:
        super().__init__()
        self._run_on_acc_0_engine = first
        self._run_on_acc_1_engine = second

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns the SMs that both engines ran on, and 4 x + 2."""
        first, x = torch.ops.tensorrt.execute_engine([x], self._run_on_acc_0_engine)
        second, x = torch.ops.tensorrt.execute_engine([x + 1], self._run_on_acc_1_engine)
        return first, second, x
