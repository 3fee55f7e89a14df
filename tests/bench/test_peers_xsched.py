"""bench/peers/ways/xsched.py, over a double of XSched's libraries."""

import ctypes
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from ways import xsched

from bench.peer_rows import mix


class Double:
    """A double of XSched's libraries. Setting the scheduler makes it forget all former queues and hints."""

    def __init__(self) -> None:
        self.scheduler: tuple[int, int] | None = None
        self.known: dict[int, int | None] = {}  # priorities by queue; None at first
        self.streams: dict[int, int] = {}  # by hardware queue
        self.queues: dict[int, int] = {}  # streams by queue

    def CudaQueueCreate(self, out: Any, stream: ctypes.c_void_p) -> int:  # noqa: N802
        out._obj.value = len(self.streams) + 100
        self.streams[out._obj.value] = stream.value or 0
        return 0

    def XQueueCreate(self, out: Any, hardware: ctypes.c_uint64, level: Any, flags: Any) -> int:  # noqa: N802
        out._obj.value = len(self.queues) + 1
        self.queues[out._obj.value] = self.streams[hardware.value]
        self.known[out._obj.value] = None
        return 0

    def XQueueSetLaunchConfig(self, queue: ctypes.c_uint64, threshold: Any, batch: Any) -> int:  # noqa: N802
        return 0 if queue.value in self.queues else 1

    def XHintPriority(self, queue: ctypes.c_uint64, priority: ctypes.c_int32) -> int:  # noqa: N802
        self.known[queue.value] = priority.value
        return 0

    def XHintSetScheduler(self, kind: int, policy: int) -> int:  # noqa: N802
        self.scheduler = (kind, policy)
        self.known.clear()
        return 0


def test_the_scheduler_knows_every_priority(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    double = Double()
    handles = iter(range(1000, 2000))
    monkeypatch.setattr(ctypes, "CDLL", lambda name: double)
    monkeypatch.setattr(torch, "zeros", lambda *_, **__: None)
    monkeypatch.setattr(torch.cuda, "Stream", lambda: SimpleNamespace(cuda_stream=next(handles)))
    seen: list[tuple[dict[str, int], dict[str, Any]]] = []
    xsched.lend(mix(tmp_path), lambda streams, notes: seen.append((streams, notes)))
    [(streams, notes)] = seen
    names = {handle: name for name, handle in streams.items()}
    known = {names[double.queues[queue]]: priority for queue, priority in double.known.items()}
    assert known == {"head": 0, "vision": 1, "policy": 2} == notes["priorities"]
    assert double.scheduler == (xsched.SCHEDULER_LOCAL, xsched.HIGHEST_PRIORITY_FIRST)
