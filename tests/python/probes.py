"""Modules that tell which lane they ran on, and lanes that can be told apart."""

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
    """The name of the lane whose worker a thread is."""
    name = Path(f"/proc/self/task/{thread}/comm").read_text().strip()
    return name.removeprefix("lane ") if name.startswith("lane ") else CALLER


def this_thread() -> str:
    """The name of the lane whose worker this is."""
    return lane_of(threading.get_native_id())


class Probe(nn.Module):
    """Doubles its input."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((1,), 2.0))
        self.threads: list[str] = []
        """What it ran on, one entry for each call."""

    def forward(self, x: Tensor) -> Tensor:
        self.threads.append(this_thread())
        return x * self.weight


class Pair(nn.Module):
    """Two probes with one of its own between them; gives where each ran."""

    def __init__(self) -> None:
        super().__init__()
        self.first = Probe()
        self.second = Probe()

    def forward(self, x: Tensor) -> tuple[str, str, str]:
        self.second(self.first(x))
        return self.first.threads[-1], this_thread(), self.second.threads[-1]


def where(module: nn.Module) -> str:
    """What a probe runs on when it is called now."""
    module(torch.ones(1))
    assert isinstance(module, Probe)
    return module.threads[-1]


op_threads: list[str] = []
"""What torch.ops.probes.double ran on, one entry for each call."""


@torch.library.custom_op("probes::double", mutates_args=())
def _double(x: Tensor) -> Tensor:
    op_threads.append(this_thread())
    return x * 2


@_double.register_fake
def _(x: Tensor) -> Tensor:
    return torch.empty_like(x)


class Traceable(nn.Module):
    """A probe that keeps telling where it runs as a program: scripted, traced, exported or compiled."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.ones(2, 2))

    def forward(self, x: Tensor) -> Tensor:
        doubled: Tensor = torch.ops.probes.double(x)
        return doubled + self.bias


def where_op(module: Callable[[Tensor], Tensor]) -> str:
    """What torch.ops.probes.double in a traceable runs on; fails where the result is wrong."""
    before = len(op_threads)
    torch.testing.assert_close(module(torch.full((2, 2), 3.0)), torch.full((2, 2), 7.0))
    (thread,) = op_threads[before:]
    return thread


def in_time(work: Callable[[], T], seconds: float = 60.0) -> T:
    """What `work` gives on a thread of its own; fails where that hangs."""
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return done.result(seconds)
