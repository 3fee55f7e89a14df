"""Ctrl-C, and the end of the program, while lanes of the CPU are at work."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import greenlane as gl
import pytest
import torch
from torch import Tensor, nn

from python.children import run_program
from python.probes import Probe, in_time, where

LONG = 60.0


class Stuck(nn.Module):
    """A module that works until it is released. Meanwhile it runs no Python code that an exception could end."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = threading.Event()
        self.release = threading.Event()
        self.left = threading.Event()

    def forward(self) -> None:
        self.inside.set()
        try:
            self.release.wait(LONG)
        finally:
            self.left.set()


@pytest.fixture
def stuck() -> Iterator[Stuck]:
    module = Stuck()
    yield module
    module.release.set()


def interrupt_when(event: threading.Event) -> None:
    """Sends the signal of Ctrl-C after the event, once the main thread waits for a lane."""

    def is_waiting() -> bool:
        frame = sys._current_frames().get(threading.main_thread().ident or 0)
        while frame is not None and frame.f_code.co_name != "outputs_of":
            frame = frame.f_back
        return frame is not None

    def send() -> None:
        assert event.wait(LONG)
        while not is_waiting():
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=send, daemon=True).start()


def waits(stuck: Stuck, lane: gl.Lane, models: Path) -> dict[str, Callable[[], object]]:
    """Returns every call that waits for a busy lane."""
    probe = Probe()
    gl.set_external_stream(probe, lane)
    engine = gl.load(models / "affine.pt2", lane=lane)
    x = torch.randn(4, 8)
    return {
        "module": lambda: probe(torch.ones(1)),
        "engine": lambda: engine(x),
        "run": lambda: engine.run([x]),
        "synchronize": lane.synchronize,
    }


def test_an_interrupt_leaves_a_running_call_at_once(a: gl.Lane, stuck: Stuck) -> None:
    gl.set_external_stream(stuck, a)
    interrupt_when(stuck.inside)
    with pytest.raises(KeyboardInterrupt):
        stuck()
    assert not stuck.release.is_set()
    assert not stuck.left.is_set(), "the interrupted work ended before it was released"
    stuck.release.set()
    assert stuck.left.wait(LONG)
    probe = Probe()
    gl.set_external_stream(probe, a)
    assert in_time(lambda: where(probe)) == "a", "the lane does not work after the interrupt"


@pytest.mark.parametrize("kind", ["module", "engine", "run", "synchronize"])
def test_an_interrupt_leaves_a_wait_for_a_busy_lane(a: gl.Lane, stuck: Stuck, models: Path, kind: str) -> None:
    gl.set_external_stream(stuck, a)
    wait = waits(stuck, a, models)[kind]
    thread = threading.Thread(target=stuck, daemon=True)
    thread.start()
    assert stuck.inside.wait(LONG)
    interrupt_when(stuck.inside)
    with pytest.raises(KeyboardInterrupt):
        wait()
    assert not stuck.left.is_set()
    stuck.release.set()
    thread.join(LONG)
    in_time(wait)


def test_an_interrupt_drops_queued_work(a: gl.Lane, stuck: Stuck) -> None:
    probe = Probe()
    gl.set_external_stream(stuck, a)
    gl.set_external_stream(probe, a)
    thread = threading.Thread(target=stuck, daemon=True)
    thread.start()
    assert stuck.inside.wait(LONG)
    interrupt_when(stuck.inside)
    with pytest.raises(KeyboardInterrupt):
        probe(torch.ones(1))
    stuck.release.set()
    thread.join(LONG)
    a.synchronize()
    assert probe.threads == []


def test_an_interrupt_ends_the_modules_python_code(a: gl.Lane) -> None:
    class Loops(nn.Module):
        def forward(self) -> None:
            inside.set()
            try:
                while True:
                    time.sleep(0.001)
            finally:
                ended.set()

    inside, ended = threading.Event(), threading.Event()
    loops = Loops()
    gl.set_external_stream(loops, a)
    interrupt_when(inside)
    with pytest.raises(KeyboardInterrupt):
        loops()
    assert ended.wait(LONG), "the module's Python code goes on after the interrupt"
    in_time(a.synchronize)


def test_lanes_work_after_an_interrupted_nested_call(a: gl.Lane, b: gl.Lane) -> None:
    class Loops(nn.Module):
        def forward(self) -> None:
            inside.set()
            while True:
                time.sleep(0.001)

    class Outer(nn.Module):
        def forward(self) -> None:
            call_inner()

    inside = threading.Event()
    inner, outer = Loops(), Outer()
    call_inner = inner.__call__
    gl.set_external_stream(inner, b)
    gl.set_external_stream(outer, a)
    interrupt_when(inside)
    with pytest.raises(KeyboardInterrupt):
        outer()
    in_time(a.synchronize)
    in_time(b.synchronize)


def test_an_interrupted_program_ends_during_its_lanes_work() -> None:
    done = run_program(
        """
import os, signal, threading, time, torch, greenlane as gl

class Slow(torch.nn.Module):
    def forward(self):
        inside.set()
        time.sleep(100)

inside = threading.Event()
module = Slow()
gl.set_external_stream(module, gl.lane("cpu"))
def interrupt():
    inside.wait()
    time.sleep(0.1)
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=interrupt, daemon=True).start()
try:
    module()
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "interrupted\n", "")


LOOP = """
import sys, threading, time, torch, greenlane as gl

class Model(torch.nn.Module):
    def forward(self, x):
        time.sleep(0.001)
        return x

lanes = gl.partition("cpu", {"a": 1})
module = Model()
gl.set_external_stream(module, lanes["a"])
x = torch.randn(4, 8)
%s

def loop():
    while True:
        call()

for _ in range(3):
    threading.Thread(target=loop, daemon=True).start()
time.sleep(0.3)
"""


@pytest.mark.parametrize("attempt", range(3))
@pytest.mark.parametrize(
    "call",
    [
        "call = lambda: module(x)",
        "engine = gl.load(sys.argv[1], lane=lanes['a']); call = lambda: engine(x)",
        "call = lanes['a'].synchronize",
    ],
)
def test_daemon_threads_may_call_during_the_exit(call: str, attempt: int, models: Path) -> None:
    assert attempt >= 0
    done = run_program(LOOP % call, models / "affine.pt2")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_daemon_thread_may_run_a_module_during_the_exit() -> None:
    done = run_program(LOOP.replace("time.sleep(0.001)", "time.sleep(0.4); torch.ones(1)") % "call = lambda: module(x)")
    assert (done.returncode, done.stderr) == (0, "")


def test_long_work_returns_its_tensors(a: gl.Lane) -> None:
    """Long work is waited for in short steps, but to its end."""

    class Sleeps(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            time.sleep(0.1)
            return x + 1

    sleeps = Sleeps()
    gl.set_external_stream(sleeps, a)
    assert sleeps(torch.ones(1)).tolist() == [2]
