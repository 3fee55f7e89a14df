"""Requests to a pipeline: futures, deadlines, queues, and every way in which a request ends."""

import ctypes
import functools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import greenlane as gl
import pytest
import torch

from python.pipelines import LONG, eventually, held, pipeline_of, under_way

X = torch.arange(32.0).reshape(4, 8)
NEVER = 1e-6
"""A deadline in milliseconds that passes before any request begins."""


@pytest.fixture(scope="module")
def file(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pipeline_of(
        tmp_path_factory.mktemp("requests"),
        models,
        policy=("affine", {"request_queue": 4}),
        busy=("affine", {"request_queue": 1000}),
    )


@pytest.fixture(scope="module")
def pipeline(file: Path) -> Iterator[gl.Pipeline]:
    with gl.Pipeline(file, mode="shared") as opened:
        yield opened


@pytest.fixture
def policy(pipeline: gl.Pipeline) -> gl.PipelineEngine:
    return pipeline["policy"]


def test_a_request_ends_with_outputs(policy: gl.PipelineEngine) -> None:
    run = policy.submit(X)
    assert torch.equal(run.result(), X * 2 + 1)
    assert torch.equal(run.result(timeout=0), X * 2 + 1)
    assert run.done()
    assert run.exception() is None
    assert not run.cancel()
    assert not run.cancelled()
    assert repr(run) == "PipelineRun(engine='policy', done=True)"


def test_inputs_may_be_reused_at_once(policy: gl.PipelineEngine) -> None:
    x = X.clone()
    with held(policy.lane):
        run = policy.submit(x)
        x.zero_()
    assert torch.equal(run.result(LONG), X * 2 + 1)


@pytest.mark.parametrize("x", [X.T.contiguous().T, torch.rand(8, 16)[::2, ::2], X[:1].expand(4, 8)])
def test_inputs_of_a_request_may_have_any_strides(policy: gl.PipelineEngine, x: torch.Tensor) -> None:
    with pytest.raises(RuntimeError, match="memory layout"):
        policy(x)
    assert torch.equal(policy.submit(x).result(LONG), x * 2 + 1)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_a_nested_tensor_is_refused(policy: gl.PipelineEngine) -> None:
    nested = torch.nested.nested_tensor([torch.ones(8), torch.ones(8)])
    for use in (policy, policy.submit):
        with pytest.raises(RuntimeError, match="nested tensor"):
            use(nested)


def test_a_timeout_leaves_the_run_alone(policy: gl.PipelineEngine) -> None:
    with held(policy.lane):
        run = policy.submit(X)
        for wait in (run.result, run.exception):
            begin = time.monotonic()
            with pytest.raises(
                TimeoutError,
                match=r"'policy' has not ended within 0.05 s: it waits in the queue, or it is under way; wait",
            ):
                wait(timeout=0.05)
            assert time.monotonic() - begin >= 0.05
        assert not run.done()
        assert not run.cancelled()
        assert repr(run) == "PipelineRun(engine='policy', done=False)"
    assert torch.equal(run.result(LONG), X * 2 + 1)


@pytest.mark.parametrize(("timeout", "error"), [("1", TypeError), (-1, ValueError), (float("nan"), ValueError)])
def test_a_wrong_timeout_is_refused(policy: gl.PipelineEngine, timeout: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"the timeout is .*: give a number"):
        policy.submit(X).result(timeout)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"deadline_ms": 0}, ValueError, "a deadline of 0 ms: give a positive number"),
        ({"deadline_ms": 1e9}, ValueError, "a day is the longest"),
        ({"deadline_ms": "soon"}, TypeError, "the deadline is 'soon': give a number"),
        ({"drop_if_late": 1}, TypeError, "drop_if_late is 1: give True or False"),
    ],
)
def test_wrong_options_are_refused(
    policy: gl.PipelineEngine, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        policy.submit(X, **options)


def test_a_full_queue_refuses_at_once(pipeline: gl.Pipeline, policy: gl.PipelineEngine) -> None:
    rejected = pipeline.stats().engines["policy"].figures.rejected
    with under_way(policy, X):
        runs = [policy.submit(X) for _ in range(4)]
        assert pipeline.stats().engines["policy"].queued == 4
        with pytest.raises(
            gl.RequestError, match=r"4 requests wait in its queue already; submit fewer, or raise"
        ) as error:
            policy.submit(X)
        assert error.value.reason == "queue_full"
    for run in runs:
        assert torch.equal(run.result(LONG), X * 2 + 1)
    assert pipeline.stats().engines["policy"].figures.rejected == rejected + 1


def test_a_late_request_is_dropped(pipeline: gl.Pipeline, policy: gl.PipelineEngine) -> None:
    before = pipeline.stats().engines["policy"].figures
    run = policy.submit(X, deadline_ms=NEVER)
    with pytest.raises(gl.RequestError, match="its deadline passed before it began; submit fewer requests") as error:
        run.result(LONG)
    assert error.value.reason == "expired"
    assert isinstance(run.exception(), gl.RequestError)
    assert not run.cancelled()
    figures = pipeline.stats().engines["policy"].figures
    assert (figures.dropped, figures.misses) == (before.dropped + 1, before.misses + 1)


def test_a_late_request_runs_if_asked_for(policy: gl.PipelineEngine) -> None:
    assert torch.equal(policy.submit(X, deadline_ms=NEVER, drop_if_late=False).result(LONG), X * 2 + 1)


def test_a_request_that_has_not_begun_can_be_cancelled(pipeline: gl.Pipeline, policy: gl.PipelineEngine) -> None:
    before = pipeline.stats().engines["policy"].figures.cancelled
    with under_way(policy, X) as first:
        assert not first.cancel()
        run = policy.submit(X)
        assert run.cancel()
        assert not run.cancel()
        assert run.cancelled()
        with pytest.raises(gl.RequestError, match="'policy' was not run: it was cancelled") as error:
            run.result(0)
        assert error.value.reason == "cancelled"
    assert pipeline.stats().engines["policy"].figures.cancelled == before + 1


def test_callbacks_are_called_once_with_the_run(policy: gl.PipelineEngine, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[tuple[gl.PipelineRun, threading.Thread]] = []

    def note(run: gl.PipelineRun) -> None:
        seen.append((run, threading.current_thread()))

    def fail(run: gl.PipelineRun) -> None:
        raise ValueError(f"{run} has a wrong callback")

    with held(policy.lane):
        run = policy.submit(X)
        run.add_done_callback(fail)
        run.add_done_callback(lambda _: sys.exit("a callback ends the program"))
        run.add_done_callback(note)
        assert seen == []
    assert eventually(lambda: seen)
    assert seen[0][0] is run
    assert seen[0][1] is not threading.current_thread()
    assert "has a wrong callback" in caplog.text
    assert "a callback ends the program" in caplog.text
    run.add_done_callback(note)
    assert seen[1] == (run, threading.current_thread())
    wrong: Any = 3
    with pytest.raises(TypeError, match="the callback is 3: give a function with one argument, the run"):
        run.add_done_callback(wrong)


def test_a_callback_may_submit_and_wait(policy: gl.PipelineEngine) -> None:
    results: list[Any] = []
    policy.submit(X).add_done_callback(lambda _: results.append(policy.submit(X + 1).result(LONG)))
    assert eventually(lambda: results)
    assert torch.equal(results[0], X * 2 + 3)


def test_a_dropped_run_goes_on(pipeline: gl.Pipeline, policy: gl.PipelineEngine) -> None:
    before = pipeline.stats().engines["policy"].figures.runs
    policy.submit(X)
    assert eventually(lambda: pipeline.stats().engines["policy"].figures.runs == before + 1)


def test_close_ends_requests_that_have_not_begun(file: Path) -> None:
    pipeline = gl.Pipeline(file, mode="shared")
    policy = pipeline["policy"]
    with under_way(policy, X) as first:
        waiting = [policy.submit(X) for _ in range(3)]
        closing = threading.Thread(target=pipeline.close)
        closing.start()
        for run in waiting:
            with pytest.raises(gl.RequestError, match="the pipeline was closed") as error:
                run.result(LONG)
            assert error.value.reason == "cancelled"
            assert run.cancelled()
        assert not first.done()
    closing.join(LONG)
    assert torch.equal(first.result(), X * 2 + 1)


@pytest.mark.parametrize("way", ["call", "result"])
def test_ctrl_c_ends_the_wait_and_not_the_run(pipeline: gl.Pipeline, policy: gl.PipelineEngine, way: str) -> None:
    def interrupt() -> None:
        def is_waiting() -> bool:
            frame = sys._current_frames().get(threading.main_thread().ident or 0)
            while frame is not None and frame.f_code.co_name != "wait_for":
                frame = frame.f_back
            return frame is not None

        assert eventually(is_waiting)
        os.kill(os.getpid(), signal.SIGINT)

    before = pipeline.stats().engines["policy"].figures.runs
    with held(policy.lane):
        wait: Callable[[], Any] = policy.submit(X).result if way == "result" else functools.partial(policy, X)
        threading.Thread(target=interrupt, daemon=True).start()
        with pytest.raises(KeyboardInterrupt):
            wait()
        assert pipeline.stats().engines["policy"].figures.runs == before
    assert eventually(lambda: pipeline.stats().engines["policy"].figures.runs == before + 1)


def test_a_call_has_the_callers_settings(policy: gl.PipelineEngine) -> None:
    def kinds() -> list[bool]:
        return [policy(X).is_inference(), policy(X).requires_grad]

    with ThreadPoolExecutor(1) as thread, torch.inference_mode():
        assert kinds() == [True, False]
        assert thread.submit(kinds).result() == [False, False]
    assert kinds() == [False, False]


def test_runs_of_packages_need_no_lock_of_pythons(policy: gl.PipelineEngine) -> None:
    with held(policy.lane):
        runs = [policy.submit(X) for _ in range(3)]
    ctypes.PyDLL(None).usleep(500_000)  # with the lock
    assert [run.done() for run in runs] == [True, True, True]


def test_eight_threads_submit_and_call(pipeline: gl.Pipeline) -> None:
    busy = pipeline["busy"]
    before = pipeline.stats().engines["busy"].figures.runs

    def serve(thread: int) -> None:
        runs = []
        for i in range(50):
            value = torch.full((4, 8), float(100 * thread + i))
            runs.append((value, busy.submit(value)))
            if i % 10 == 0:
                assert torch.equal(busy(value), value * 2 + 1)
        for value, run in runs:
            assert torch.equal(run.result(LONG), value * 2 + 1)

    with ThreadPoolExecutor(8) as threads:
        for done in [threads.submit(serve, thread) for thread in range(8)]:
            done.result(LONG)
    assert pipeline.stats().engines["busy"].figures.runs == before + 8 * 55
