"""Forked children: objects of the parent are refused there, nothing hangs, and new lanes can be made."""

import multiprocessing
import threading
from collections.abc import Callable
from pathlib import Path

import greenlane as gl
import pytest
import torch
from torch import Tensor, nn

from python.children import HUNG, in_child, run_program
from python.probes import Probe, where

X = torch.randn(4, 8)


@pytest.fixture
def lanes() -> dict[str, gl.Lane]:
    return gl.partition("cpu", {"first": 1})


@pytest.fixture
def engine(models: Path) -> gl.Engine:
    return gl.load(models / "affine.pt2")


def is_refused(text: str) -> bool:
    return (
        "made before fork() in the parent process" in text
        and "after the fork" in text
        and text.startswith("RuntimeError: ")
    )


def test_a_bound_module_is_refused(lanes: dict[str, gl.Lane]) -> None:
    probe = Probe()
    gl.set_external_stream(probe, lanes["first"])
    where(probe)
    text = in_child(lambda: where(probe))
    assert is_refused(text), text
    assert "lane 'first'" in text
    assert where(probe) == "first", "the fork stopped the parent's lane"


def test_a_bound_engine_is_refused(lanes: dict[str, gl.Lane], engine: gl.Engine) -> None:
    engine.bind(lanes["first"])
    engine(X)
    assert is_refused(in_child(lambda: engine(X)))
    assert is_refused(in_child(lambda: engine.run([X])))


@pytest.mark.parametrize(
    "use",
    [
        lambda lane, probe, engine: lane.synchronize(),
        lambda lane, probe, engine: gl.set_external_stream(probe, lane),
        lambda lane, probe, engine: gl.set_external_stream(engine, lane),
        lambda lane, probe, engine: engine.bind(lane),
        lambda lane, probe, engine: gl.set_external_stream(nn.Sequential(probe), {"0": lane}),
    ],
)
def test_every_use_of_a_lane_is_refused(
    use: Callable[[gl.Lane, Probe, gl.Engine], object], lanes: dict[str, gl.Lane], engine: gl.Engine
) -> None:
    text = in_child(lambda: use(lanes["first"], Probe(), engine))
    assert is_refused(text), text


def test_loading_onto_a_lane_is_refused(lanes: dict[str, gl.Lane], models: Path) -> None:
    assert is_refused(in_child(lambda: gl.load(models / "affine.pt2", lane=lanes["first"])))


def test_calls_without_a_worker_work(lanes: dict[str, gl.Lane], engine: gl.Engine) -> None:
    def ask() -> tuple[object, ...]:
        lane = lanes["first"]
        lane.close()
        gl.set_engine_stream_passthrough(True)
        engine.set_urgent(1.0)
        engine.set_gates("auto")
        return lane.name, lane.units, lane.closed, gl.get_engine_stream_passthrough(), len(gl.devices()) > 0

    assert in_child(ask) == "('first', 1, True, True, True)"
    assert not lanes["first"].closed
    assert not gl.get_engine_stream_passthrough()


def test_an_unbound_engine_works(engine: gl.Engine) -> None:
    expected = engine(X)
    assert in_child(lambda: torch.equal(engine(X), expected)) == "True"


def test_a_cleared_module_works(lanes: dict[str, gl.Lane]) -> None:
    probe = Probe()
    gl.set_external_stream(probe, lanes["first"])
    where(probe)

    def clear() -> str:
        gl.clear_external_stream(probe)
        return str(probe(torch.ones(1)).tolist())

    assert in_child(clear) == "[2.0]"


def test_new_lanes_can_be_made_and_bound(lanes: dict[str, gl.Lane], engine: gl.Engine, models: Path) -> None:
    probe = Probe()
    gl.set_external_stream(probe, lanes["first"])
    engine.bind(lanes["first"])
    expected = engine(X)

    def begin_anew() -> tuple[object, ...]:
        own = gl.partition("cpu", {"own": gl.REST})["own"]
        gl.set_external_stream(probe, own)
        engine.bind(own)
        loaded = gl.load(models / "affine.pt2", lane=own)
        return where(probe), torch.equal(engine(X), expected), torch.equal(loaded(X), expected), own.units

    assert in_child(begin_anew) == f"('own', True, True, {gl.devices()[-1].units})"


def test_a_fork_during_a_lanes_work_does_not_hang(lanes: dict[str, gl.Lane]) -> None:
    class Waits(nn.Module):
        def forward(self) -> None:
            inside.set()
            assert done.wait(60)

    inside, done = threading.Event(), threading.Event()
    waits, probe = Waits(), Probe()
    gl.set_external_stream(waits, lanes["first"])
    gl.set_external_stream(probe, lanes["first"])
    thread = threading.Thread(target=waits, daemon=True)
    thread.start()
    assert inside.wait(60)
    try:
        assert is_refused(in_child(lambda: where(probe)))
        assert in_child(lambda: gl.clear_external_stream(waits)) == "None"
    finally:
        done.set()
        thread.join(60)


def test_an_audit_is_an_error_without_a_gpu(lanes: dict[str, gl.Lane]) -> None:
    assert lanes
    text = in_child(lambda: gl.audit().__enter__())
    assert text != HUNG
    assert text.startswith("RuntimeError: ")


@pytest.mark.parametrize(
    "ending",
    [
        "os._exit(0)",
        "sys.exit(0)",
        "del module, engine; lanes.clear(); os._exit(0)",
        "gl.clear_external_stream(module); sys.exit(0)",
        "del module, engine; lanes.clear(); gc.collect(); sys.exit(0)",
    ],
)
def test_a_child_can_end_in_every_way(ending: str, models: Path) -> None:
    done = run_program(
        f"""
import gc, os, signal, sys, torch, greenlane as gl
lanes = gl.partition("cpu", {{"a": 1}})
module = torch.nn.Linear(8, 8)
gl.set_external_stream(module, lanes["a"])
engine = gl.load(sys.argv[1], lane=lanes["a"])
engine(module(torch.randn(4, 8)))
child = os.fork()
if child == 0:
    signal.alarm(20)
    {ending}
status = os.waitpid(child, 0)[1]
print(status, flush=True)
""",
        models / "affine.pt2",
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "0\n", "")


def call(module: nn.Module, x: Tensor) -> str:
    try:
        return str(module(x).tolist())
    except RuntimeError as error:
        return f"RuntimeError: {error}"


def test_multiprocessing_processes_get_the_error(lanes: dict[str, gl.Lane]) -> None:
    probe = Probe()
    gl.set_external_stream(probe, lanes["first"])
    where(probe)
    context = multiprocessing.get_context("fork")
    with context.Pool(2) as pool:
        for text in pool.starmap_async(call, [(probe, torch.ones(1))] * 4).get(60):
            # A pool pickles the module, and a pickled module is bound to nothing.
            assert text == "[2.0]"
    queue = context.SimpleQueue()
    process = context.Process(target=lambda: queue.put(call(probe, torch.ones(1))))
    process.start()
    assert is_refused(queue.get())
    process.join(60)
    assert process.exitcode == 0


class Doubled(torch.utils.data.Dataset[Tensor]):
    """A data set that calls a module."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Tensor:
        doubled: Tensor = self.module(torch.full((1,), float(index)))
        return doubled.detach()


def test_data_loader_workers_get_the_error_and_end(lanes: dict[str, gl.Lane]) -> None:
    probe = Probe()
    gl.set_external_stream(probe, lanes["first"])
    where(probe)
    loader = torch.utils.data.DataLoader(
        Doubled(probe), num_workers=2, multiprocessing_context="fork", timeout=60, batch_size=2
    )
    with pytest.raises(RuntimeError, match=r"made before fork\(\) in the parent process"):
        list(loader)


def test_data_loader_workers_may_work_beside_lanes(lanes: dict[str, gl.Lane]) -> None:
    probe, free = Probe(), Probe()
    gl.set_external_stream(probe, lanes["first"])
    where(probe)
    loader = torch.utils.data.DataLoader(
        Doubled(free), num_workers=2, multiprocessing_context="fork", timeout=60, batch_size=2
    )
    assert [batch.flatten().tolist() for batch in loader] == [[0, 2], [4, 6]]
    assert where(probe) == "first"


def test_a_forkserver_process_makes_new_lanes(tmp_path: Path) -> None:
    file = tmp_path / "program.py"
    file.write_text(
        """
import multiprocessing
import torch
import greenlane as gl
from python.probes import Probe, where

def work(queue):
    probe = Probe()
    gl.set_external_stream(probe, gl.lane("cpu", "own"))
    queue.put(where(probe))

if __name__ == "__main__":
    probe = Probe()
    gl.set_external_stream(probe, gl.lane("cpu", "first"))
    where(probe)
    for method in ("forkserver", "spawn"):
        context = multiprocessing.get_context(method)
        queue = context.SimpleQueue()
        process = context.Process(target=work, args=(queue,))
        process.start()
        print(queue.get(), flush=True)
        process.join()
        print(process.exitcode, flush=True)
"""
    )
    done = run_program("import runpy, sys; runpy.run_path(sys.argv[1], run_name='__main__')", file)
    assert done.stdout.split() == ["own", "0", "own", "0"], done
