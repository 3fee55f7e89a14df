"""Live figures of pipelines, and the callback on misses."""

import ctypes
import threading
import time
from pathlib import Path
from typing import Any

import greenlane as gl
import pytest
import torch
from greenlane._stats import _graphs

from python.pipelines import LONG, eventually, held, pipeline_of, under_way

X = torch.arange(32.0).reshape(4, 8)
NEVER = 1e-6


@pytest.fixture
def file(models: Path, tmp_path: Path) -> Path:
    return pipeline_of(
        tmp_path,
        models,
        policy=("affine", {"rate_hz": 50.0, "deadline_ms": 2.5, "request_queue": 2000}),
        head=("affine", {}),
    )


def test_graphs_name_the_long_kernel() -> None:
    known = {"replays": 9, "kernel_units": None, "bytes": 7, "slices": 4, "longest_slice_us": 1090.0, "obstacle": ""}
    kernel = {"name": "matmul", "time_us": 1090.0, "kernels": 1}
    assert _graphs({**known, "long_kernel": kernel}).long_kernel == gl.LongKernel("matmul", 1090.0, 1)
    assert _graphs({**known, "long_kernel": None}).long_kernel is None


def test_figures_count_what_was_done(file: Path) -> None:
    with gl.Pipeline(file, mode="shared") as pipeline:
        policy = pipeline["policy"]
        before = pipeline.stats()
        assert before.engines["policy"].figures.whole == gl.LatencyFigures(0, 0, 0, 0, 0)
        policy(X)
        for _ in range(9):
            policy.submit(X, deadline_ms=60_000).result(LONG)
        stats = pipeline.stats()
        assert list(stats.engines) == ["policy", "head"]
        engine = stats.engines["policy"]
        assert (engine.name, engine.lane, engine.device, engine.deadline_ms) == ("policy", "policy", "cpu", 2.5)
        assert engine.units == gl.devices()[-1].units
        assert (engine.in_python, engine.queued, engine.error, engine.graphs) == (False, 0, "", None)
        figures = engine.figures
        assert (figures.runs, figures.calls, figures.failed, figures.skipped) == (10, 0, 0, 0)
        assert (figures.dropped, figures.rejected, figures.cancelled) == (0, 0, 0)
        assert figures.rate_hz > 0
        assert figures.whole.count == 10
        assert figures.recent == figures.whole
        assert 0 < figures.whole.p50_us <= figures.whole.p90_us <= figures.whole.p99_us <= figures.whole.max_us
        assert stats.engines["head"].deadline_ms is None
        assert stats.engines["head"].figures.runs == 0
        assert list(stats.devices) == ["cpu"]
        assert (stats.devices["cpu"].device, stats.devices["cpu"].gate) == ("cpu", None)
        assert stats.devices["cpu"].allocator_bytes == 0
        assert stats.open_for_s > before.open_for_s > 0
        assert stats.host_bytes > 1e6
        assert (stats.is_running, stats.is_broken) == (False, False)


def test_a_busy_engine_and_its_queue_are_seen(file: Path) -> None:
    with gl.Pipeline(file, mode="shared") as pipeline, under_way(pipeline["head"], X):
        runs = [pipeline["head"].submit(X) for _ in range(3)]
        stats = pipeline.stats().engines["head"]
        assert (stats.is_busy, stats.queued) == (True, 3)
        for run in runs:
            run.cancel()


def test_an_engine_that_hangs_breaks_the_pipeline(models: Path, tmp_path: Path) -> None:
    file = pipeline_of(tmp_path, models, policy=("affine", {"hang_ms": 100}), head=("affine", {}))
    hangs = r"'policy' did not finish: it hangs: .*hang_ms.*; close the pipeline and start the program again"
    with gl.Pipeline(file, mode="shared") as pipeline, held(pipeline["policy"].lane):
        run, waiting = pipeline["policy"].submit(X), pipeline["policy"].submit(X)
        with pytest.raises(RuntimeError, match=hangs):
            run.result(LONG)
        refusals = [waiting.exception(LONG)]
        with pytest.raises(gl.RequestError) as error:
            pipeline["policy"].submit(X)
        refusals.append(error.value)
        assert [getattr(refusal, "reason", "") for refusal in refusals] == ["stopped", "stopped"]
        assert eventually(lambda: pipeline.stats().is_broken)
        assert "it hangs" in pipeline.stats().engines["policy"].error
        assert torch.equal(pipeline["head"].submit(X).result(LONG), X * 2 + 1)


def test_misses_are_reported_on_a_thread_of_their_own(file: Path) -> None:
    misses: list[tuple[gl.Miss, threading.Thread]] = []

    def note(miss: gl.Miss) -> None:
        misses.append((miss, threading.current_thread()))

    with gl.Pipeline(file, mode="shared", on_miss=note) as pipeline:
        with pytest.raises(gl.RequestError):
            pipeline["head"].submit(X, deadline_ms=NEVER).result(LONG)
        pipeline["head"].submit(X, deadline_ms=NEVER, drop_if_late=False).result(LONG)
        assert eventually(lambda: len(misses) == 2)
        assert pipeline.stats().engines["head"].figures.misses == 2
    (dropped, thread), (late, same) = misses
    assert thread is same
    assert thread is not threading.current_thread()
    assert (dropped.engine, dropped.kind, late.engine, late.kind) == ("head", "dropped", "head", "late")
    assert dropped.deadline_us == late.deadline_us == NEVER * 1000
    assert late.latency_us > late.deadline_us
    assert not thread.is_alive(), "close() ends the thread"


def test_a_listener_that_waits_or_fails_holds_nobody(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    inside, release = threading.Event(), threading.Event()

    def listen(miss: gl.Miss) -> None:
        inside.set()
        release.wait(LONG)
        raise ValueError(f"the listener fails for {miss.engine}")

    with gl.Pipeline(file, mode="shared", on_miss=listen) as pipeline:
        for _ in range(1500):  # more than are kept
            with pytest.raises(gl.RequestError):
                pipeline["policy"].submit(X, deadline_ms=NEVER).result(LONG)
        assert inside.wait(LONG)
        assert pipeline.stats().engines["policy"].figures.misses == 1500
        release.set()
        assert eventually(lambda: "the listener fails for policy" in caplog.text)


def test_close_waits_for_the_listener(file: Path) -> None:
    inside, finished = threading.Event(), threading.Event()

    def listen(_: gl.Miss) -> None:
        inside.set()
        time.sleep(0.2)
        finished.set()

    with gl.Pipeline(file, mode="shared", on_miss=listen) as pipeline:
        pipeline["head"].submit(X, deadline_ms=NEVER).exception(LONG)
        assert inside.wait(LONG)
    assert finished.is_set()


def test_a_miss_waits_for_no_lock_of_pythons(file: Path) -> None:
    with gl.Pipeline(file, mode="shared", on_miss=lambda miss: None) as pipeline:
        runs = [pipeline["head"].submit(X, deadline_ms=NEVER) for _ in range(20)]
        ctypes.PyDLL(None).usleep(500_000)  # with the lock
        assert all(run.done() for run in runs)


def test_the_listener_may_close_the_pipeline(file: Path) -> None:
    closed = threading.Event()
    pipelines: list[gl.Pipeline] = []

    def close(_: Any) -> None:
        pipelines[0].close()
        closed.set()

    pipelines.append(gl.Pipeline(file, mode="shared", on_miss=close))
    pipelines[0]["head"].submit(X, deadline_ms=NEVER).exception(LONG)
    assert closed.wait(LONG)
    assert pipelines[0].closed
