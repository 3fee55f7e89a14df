"""Engines that run on the CPU: a stand-in for Torch-TensorRT's runtime (tests/support/tensorrt_stand_in.cpp).

The stand-in and the real runtime must never be in one process.
"""

import functools
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import torch
from built import BUILD
from python.probes import lane_of
from torch import Tensor, nn
from torch._library.fake_class_registry import register_fake_class

from compat.server import ProcessServer

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = BUILD / "lib" / "libgreenlane_tensorrt_stand_in.so"

NO_THREAD = -1
"""The thread number that a fake call reports."""

Engine: TypeAlias = Any
"""A torch.ScriptObject of the class torch.classes.tensorrt.Engine."""


@functools.cache
def load() -> None:
    """Loads the stand-in, and describes its class and its operator to torch.export."""
    torch.ops.load_library(str(LIBRARY))

    @register_fake_class("tensorrt::Engine")
    class FakeEngine:
        def __init__(self, fields: list[str]) -> None:
            self.fields = fields

        @classmethod
        def __obj_unflatten__(cls, flat: tuple[tuple[str, Any], ...]) -> "FakeEngine":
            return cls(**dict(flat))

    def fake_execute(inputs: list[Tensor], engine: Any) -> list[Tensor]:
        return [*map(torch.empty_like, inputs), torch.full((1,), NO_THREAD)]

    torch.library.register_fake("tensorrt::execute_engine", fake_execute)


STANDARD, SUBGRAPH, WHOLE_GRAPH = range(3)
"""Torch-TensorRT's ways to use CUDA graphs."""


def new_engine(
    name: str = "engine",
    kind: str = "",
    device: str = "cpu",
    *,
    output_allocator: bool = False,
    multi_device: bool = False,
) -> Engine:
    """Returns an engine that doubles its inputs. An engine of kind "broken" throws."""
    fields = ["10", name, f"{device}%0%0%0%stand-in", kind, *[""] * 9]
    fields[9], fields[11] = str(int(output_allocator)), str(int(multi_device))
    return torch.classes.tensorrt.Engine(fields)


@contextmanager
def graphs(mode: int) -> Iterator[None]:
    """Turns on Torch-TensorRT's own CUDA graphs. A stand-in engine then reports where its graph was recorded."""
    torch.ops.tensorrt.set_cudagraphs_mode(mode)
    try:
        yield
    finally:
        assert torch.ops.tensorrt.get_cudagraphs_mode() == mode
        torch.ops.tensorrt.set_cudagraphs_mode(STANDARD)


def another_handle(engine: Engine) -> Engine:
    """Returns another object that holds the same engine. C++ returns such a new object each time."""
    other = torch._C._create_object_with_type(engine._type())
    other.setattr("capsule", engine.getattr("capsule"))
    return other


def live_engines() -> int:
    """Returns the number of engines in this process, including those of which only the memory is left."""
    return int(torch.ops.tensorrt.live_engines())


def eventually(condition: Callable[[], bool], seconds: float = 30.0) -> bool:
    """Returns whether the condition comes true in time: another thread frees engines a little later."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def run(engine: Engine, *inputs: Tensor) -> int:
    """Returns the thread that a call of the engine runs on now; fails if the results are wrong."""
    *outputs, thread = torch.ops.tensorrt.execute_engine(list(inputs), engine)
    assert len(outputs) == len(inputs)
    for output, each in zip(outputs, inputs, strict=True):
        torch.testing.assert_close(output, each * 2)
    return int(thread)


def where(engine: Engine) -> str:
    """Returns the name of the lane that a call of the engine runs on now."""
    return lane_of(run(engine, torch.ones(3)))


FAKE_CUDA = BUILD / "tests" / "compat" / "libcuda.so.1"
"""The library that stands in for two GPUs if preloaded: streams, partitions and guards work, but nothing computes."""


def in_a_process(code: str, *, on_gpus: bool = False, **variables: str) -> list[str]:
    """Returns the lines that code prints in a new process with these environment variables; fails if that fails.

    The process is forked from one that has imported PyTorch, if it needs no variables of its own.
    """
    path = [str(ROOT / "tests"), str(ROOT / "python")]
    whole = f"import sys; sys.path[:0] = {path}\n{code}"
    preloaded = {"LD_PRELOAD": str(FAKE_CUDA)} if on_gpus else {}
    if variables:
        done = subprocess.run(
            [sys.executable, "-c", whole],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            env={**os.environ, **variables, **preloaded},
        )
    else:
        environment = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"} | preloaded
        done = server_with(tuple(sorted(environment.items()))).run(whole)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


@functools.cache
def server_with(environment: tuple[tuple[str, str], ...]) -> ProcessServer:
    """Returns the server whose processes have these environment variables."""
    return ProcessServer(dict(environment))


class Accelerated(nn.Module):
    """A module with its engine as an attribute, as Torch-TensorRT's are."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.engine = engine

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y, thread = torch.ops.tensorrt.execute_engine([x], self.engine)
        return y, thread


class Model(nn.Module):
    """A model as Torch-TensorRT compiles it: two engines, and the part that it left to PyTorch."""

    def __init__(self, first: str = "first", second: str = "second") -> None:
        super().__init__()
        self._run_on_acc_0 = Accelerated(new_engine(first))
        self._run_on_acc_1 = Accelerated(new_engine(second))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, first = self._run_on_acc_0(x)
        x, second = self._run_on_acc_1(x + 1)
        return x, first, second

    @property
    def engines(self) -> tuple[Engine, Engine]:
        return self._run_on_acc_0.engine, self._run_on_acc_1.engine


class Inlined(nn.Module):
    """The same model in Torch-TensorRT's other form: the engines are attributes of the model."""

    def __init__(self) -> None:
        super().__init__()
        self._run_on_acc_0_engine = new_engine("first")
        self._run_on_acc_1_engine = new_engine("second")

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, first = torch.ops.tensorrt.execute_engine([x], self._run_on_acc_0_engine)
        x, second = torch.ops.tensorrt.execute_engine([x + 1], self._run_on_acc_1_engine)
        return x, first, second


def lanes_of(model: Callable[[Tensor], tuple[Tensor, Tensor, Tensor]]) -> tuple[str, str]:
    """Returns the names of the lanes that both engines run on now, in a model of any form."""
    y, first, second = model(torch.ones(4))
    assert y.tolist() == [6.0] * 4
    return lane_of(int(first)), lane_of(int(second))
