"""After every entry point, the calling thread finds the same device, stream and context as before."""

import contextlib
import ctypes
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import greenlane as gl
import pytest
import torch
from torch import nn

DRIVER = ctypes.CDLL("libcuda.so.1") if torch.cuda.is_available() else None


def context() -> int | None:
    """Returns the current CUcontext."""
    assert DRIVER is not None
    current = ctypes.c_void_p()
    assert DRIVER.cuCtxGetCurrent(ctypes.byref(current)) == 0
    return current.value


def state() -> tuple[Any, ...]:
    """Returns the context, device and streams. Reads the context first, because PyTorch may make one current."""
    now = context()
    streams = [torch.cuda.current_stream(index).cuda_stream for index in range(torch.cuda.device_count())]
    return now, torch.cuda.current_device(), streams


def entry_points(models: Path, device: str) -> dict[str, Callable[[], Any]]:
    """Returns all entry points of the package, and calls that fail in them."""
    x = torch.arange(256, dtype=torch.float32, device=device)
    affine = models / "affine.pt2"
    lane = gl.partition(device, {"lane": 16})["lane"]
    engine = gl.load(affine, lane=lane, graphs="resident")
    urgent = gl.load(affine, lane=lane, graphs="resident", urgent=1.0)
    gated = gl.load(affine, lane=lane, graphs="resident", gates="auto")
    module = nn.Linear(256, 4).to(device)
    gl.set_external_stream(module, lane, graphs="resident")
    stream = torch.cuda.Stream(device)
    torch.cuda.synchronize(device)

    def run(call: Callable[[], Any]) -> Callable[[], None]:
        def work() -> None:
            with torch.no_grad():
                for _ in range(4):
                    call()

        return work

    def audit() -> None:
        with gl.audit():
            engine(x)

    def partition() -> None:
        gl.partition(device, {"some": 8, "more": 24})["more"].synchronize()

    def with_lane() -> None:
        with lane:
            x.add(1)

    return {
        "load": lambda: gl.load(affine, device=device),
        "load, bound, with graphs": lambda: gl.load(affine, lane=lane, graphs="resident"),
        "load what is not there": lambda: gl.load(models / "nothing.pt2"),
        "call": run(lambda: gl.load(affine, device=device)(x)),
        "call, replayed": run(lambda: engine(x)),
        "call, urgent": run(lambda: urgent(x)),
        "call, gated": run(lambda: gated(x)),
        "call with another shape": lambda: engine(x[:3]),
        "module": run(lambda: module(x)),
        "module with another shape": lambda: module(x[:3]),
        "bind": lambda: engine.bind(lane),
        "bind a stream": lambda: gl.load(affine, device=device).set_external_stream(stream),
        "bind what is no stream": lambda: gl.load(affine, device=device).set_external_stream(1),
        "set_external_stream": lambda: gl.set_external_stream(nn.Linear(2, 2).to(device), lane),
        "report": lambda: (gl.graph_report(engine), gl.gate_report(device), gl.devices()),
        "partition": partition,
        "partition too much": lambda: gl.partition(device, {"all": 10_000}),
        "lane": lambda: gl.lane(device).synchronize(),
        "with lane": with_lane,
        "capture": lambda: gl.capture(engine, x)(x),
        "concurrently": lambda: gl.concurrently(lambda: engine(x), lambda: module(x)),
        "audit": audit,
    }


def check(models: Path, before: tuple[Any, ...], device: str | None = None) -> list[str]:
    """Returns the entry points that leave another state behind, on `device` or else on the last device."""
    wrong = []
    entries = entry_points(models, device or f"cuda:{torch.cuda.device_count() - 1}")
    assert state()[1:] == before[1:], "the setup of the check changed the thread's state"
    for name in entries:
        begun = state()
        with contextlib.suppress(RuntimeError, ValueError, torch.AcceleratorError):
            entries[name]()
        if state() != begun:
            wrong.append(f"{name}: {begun} became {state()}")
    return wrong


def test_every_entry_point_restores_the_thread(models: Path) -> None:
    torch.zeros(1, device="cuda:0")
    torch.cuda.set_device(0)
    assert check(models, state()) == []


def test_entry_points_restore_the_callers_stream(models: Path) -> None:
    torch.zeros(1, device="cuda:0")
    with torch.cuda.stream(torch.cuda.Stream(0)):
        assert check(models, state()) == []


def test_a_thread_without_a_context_gets_none(models: Path) -> None:
    """The thread has no context before, and none afterwards."""
    found: list[Any] = []
    kept: list[Any] = []
    x = torch.arange(256, dtype=torch.float32, device="cuda:0")
    lane = gl.partition("cuda:0", {"lane": 16})["lane"]
    engine = gl.load(models / "affine.pt2", lane=lane, graphs="resident")
    torch.cuda.synchronize()

    def work() -> None:
        found.append(context())
        # Kept, because PyTorch makes a context current when it frees a tensor.
        kept.append([engine.run([x]) for _ in range(4)])
        found.append(context())
        gl.load(models / "affine.pt2", lane=lane)
        found.append(context())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [None, None, None]


def test_a_green_context_of_pytorch_stays_current(models: Path) -> None:
    """PyTorch's green context stays current after calls. PyTorch loses it by work on another device than cuda:0."""
    green_contexts = pytest.importorskip("torch.cuda.green_contexts")
    torch.zeros(1, device="cuda:0")
    green = green_contexts.GreenContext.create(num_sms=32, device_id=0)
    before = state()
    green.set_context()
    try:
        assert check(models, state(), "cuda:0") == []
    finally:
        green.pop_context()
    assert state() == before
