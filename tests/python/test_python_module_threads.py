"""Modules on lanes that many threads call, bind and wait for."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import greenlane as gl
import pytest
import torch
from torch import Tensor, nn

from python.probes import CALLER, Probe, in_time


def test_threads_may_call_a_module_during_rebinds(a: gl.Lane, b: gl.Lane) -> None:
    probe, done = Probe(), threading.Event()
    gl.set_external_stream(probe, a)

    def call(_: int) -> bool:
        return all(probe(torch.tensor(i)).item() == 2 * i for i in range(100))

    def rebind() -> None:
        while not done.is_set():
            gl.set_external_stream(probe, b)
            with gl.set_external_stream(probe, a):
                pass

    with ThreadPoolExecutor(5) as threads:
        rebinding = threads.submit(rebind)
        try:
            assert all(threads.map(call, range(4), timeout=120))
        finally:
            done.set()
        rebinding.result(60)
    assert len(probe.threads) == 400
    assert set(probe.threads) <= {"a", "b"}


def test_threads_may_bind_and_unbind_one_module(a: gl.Lane) -> None:
    probe = Probe()
    before, interval = dict(vars(probe)), sys.getswitchinterval()

    def change(_: int) -> None:
        for _ in range(200):
            gl.set_external_stream(probe, a)
            probe(torch.ones(1))
            gl.clear_external_stream(probe)

    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(change, range(4), timeout=120))
    finally:
        sys.setswitchinterval(interval)
    assert set(probe.threads) <= {"a", CALLER}
    gl.clear_external_stream(probe)
    assert vars(probe) == before


def test_a_call_may_wait_for_another_lanes_call(a: gl.Lane, b: gl.Lane) -> None:
    """No call holds the interpreter lock while its lane works."""

    class Waits(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            inside.set()
            assert set_by_other.wait(60)
            return x + 1

    class Sets(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            set_by_other.set()
            return x + 2

    inside, set_by_other = threading.Event(), threading.Event()
    waits, sets = Waits(), Sets()
    gl.set_external_stream(waits, a)
    gl.set_external_stream(sets, b)
    results: list[Tensor] = []
    thread = threading.Thread(target=lambda: results.append(waits(torch.zeros(1))), daemon=True)
    thread.start()
    assert inside.wait(60)
    assert in_time(lambda: sets(torch.zeros(1))).item() == 2
    thread.join(60)
    assert [result.item() for result in results] == [1]


class Calls(nn.Module):
    """A module that calls other modules as soon as all modules of the circle are under way."""

    def __init__(self, barrier: threading.Barrier) -> None:
        super().__init__()
        self.barrier = barrier
        self.others: list[nn.Module] = []

    def forward(self, x: Tensor) -> Tensor:
        self.barrier.wait(60)
        for other in self.others:
            x = other(x)
        return x


@pytest.mark.parametrize("count", [2, 3, 5])
def test_lanes_may_call_each_other(count: int) -> None:
    lanes = [gl.lane("cpu", str(i)) for i in range(count)]
    probes = [Probe() for _ in lanes]
    barrier = threading.Barrier(count)
    callers = [Calls(barrier) for _ in lanes]
    for i, lane in enumerate(lanes):
        gl.set_external_stream(probes[i], lane)
        gl.set_external_stream(callers[i], lane)
        callers[i].others = [probes[(i + 1) % count], probes[(i + 2) % count]]
    with ThreadPoolExecutor(count) as threads:
        for _ in range(5):
            results = threads.map(lambda caller: caller(torch.ones(1)), callers, timeout=60)
            assert [result.item() for result in results] == [4] * count
    assert [set(probe.threads) for probe in probes] == [{str(i)} for i in range(count)]


def test_lanes_may_call_each_others_engines(a: gl.Lane, b: gl.Lane, models: Path) -> None:
    x = torch.randn(4, 8)
    engines = [gl.load(models / "affine.pt2", lane=lane) for lane in (a, b)]
    barrier = threading.Barrier(2)
    callers = [Calls(barrier), Calls(barrier)]
    expected = engines[0](x)
    for caller, lane, engine in zip(callers, (a, b), reversed(engines), strict=True):
        caller.others = [engine]
        gl.set_external_stream(caller, {"": lane})
    with ThreadPoolExecutor(2) as threads:
        for result in threads.map(lambda caller: caller(x), callers, timeout=60):
            torch.testing.assert_close(result, expected)


def test_lanes_may_wait_for_each_others_queues(a: gl.Lane, b: gl.Lane) -> None:
    barrier = threading.Barrier(2)

    class Synchronizes(nn.Module):
        def __init__(self, other: gl.Lane) -> None:
            super().__init__()
            self.other = other

        def forward(self) -> str:
            barrier.wait(60)
            self.other.synchronize()
            return "done"

    modules = [Synchronizes(b), Synchronizes(a)]
    for module, lane in zip(modules, (a, b), strict=True):
        gl.set_external_stream(module, lane)
    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(lambda module: module(), modules, timeout=60)) == ["done", "done"]
