"""Modules that report the lane they ran on, and lanes that can be told apart."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

T = TypeVar("T")

CALLER = "the caller's thread"


def lane_of(thread: int) -> str:
    """Returns the name of the lane whose worker the thread is, or CALLER."""
    name = Path(f"/proc/self/task/{thread}/comm").read_text().strip()
    return name.removeprefix("lane ") if name.startswith("lane ") else CALLER


def this_thread() -> str:
    """Returns the name of the lane whose worker this thread is, or CALLER."""
    return lane_of(threading.get_native_id())


class Probe(nn.Module):
    """A module that doubles its input."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((1,), 2.0))
        self.threads: list[str] = []
        """The lane of each call."""

    def forward(self, x: Tensor) -> Tensor:
        self.threads.append(this_thread())
        return x * self.weight


class Pair(nn.Module):
    """A module with two probes and work of its own between them. Returns the three lanes."""

    def __init__(self) -> None:
        super().__init__()
        self.first = Probe()
        self.second = Probe()

    def forward(self, x: Tensor) -> tuple[str, str, str]:
        self.second(self.first(x))
        return self.first.threads[-1], this_thread(), self.second.threads[-1]


def where(module: nn.Module) -> str:
    """Returns the lane that a call of a probe runs on now."""
    module(torch.ones(1))
    assert isinstance(module, Probe)
    return module.threads[-1]


op_threads: list[str] = []
"""The lane of each call of torch.ops.probes.double."""


@torch.library.custom_op("probes::double", mutates_args=())
def _double(x: Tensor) -> Tensor:
    op_threads.append(this_thread())
    return x * 2


@_double.register_fake
def _(x: Tensor) -> Tensor:
    return torch.empty_like(x)


class Traceable(nn.Module):
    """A module that also reports its lane as a program: scripted, traced, exported or compiled."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.ones(2, 2))

    def forward(self, x: Tensor) -> Tensor:
        doubled: Tensor = torch.ops.probes.double(x)
        return doubled + self.bias


def where_op(module: Callable[[Tensor], Tensor]) -> str:
    """Returns the lane of torch.ops.probes.double in a traceable; fails if the result is wrong."""
    before = len(op_threads)
    torch.testing.assert_close(module(torch.full((2, 2), 3.0)), torch.full((2, 2), 7.0))
    (thread,) = op_threads[before:]
    return thread


def in_time(work: Callable[[], T], seconds: float = 60.0) -> T:
    """Returns the result of `work`, which runs on a thread of its own; fails if it hangs."""
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return done.result(seconds)
