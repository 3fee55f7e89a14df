"""Runs of pipelines that coroutines wait for."""

import asyncio
import gc
import os
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import greenlane as gl
import pytest
import torch

from python.pipelines import LONG, held, pipeline_of, under_way

X = torch.arange(32.0).reshape(4, 8)


@pytest.fixture(scope="module")
def pipeline(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[gl.Pipeline]:
    file = pipeline_of(
        tmp_path_factory.mktemp("asyncio"), models, policy=("affine", {"request_queue": 1000}), other=("affine", {})
    )
    with gl.Pipeline(file, mode="shared") as opened:
        yield opened


@pytest.fixture
def policy(pipeline: gl.Pipeline) -> gl.PipelineEngine:
    return pipeline["policy"]


def test_a_run_is_awaited_twice(policy: gl.PipelineEngine) -> None:
    async def main() -> None:
        run = policy.submit(X)
        assert torch.equal(await run, X * 2 + 1)
        assert torch.equal(await run, X * 2 + 1)

    asyncio.run(main())


def test_many_runs_are_gathered(policy: gl.PipelineEngine) -> None:
    async def main() -> list[Any]:
        return await asyncio.gather(*(policy.submit(X + i) for i in range(100)))

    for i, result in enumerate(asyncio.run(main())):
        assert torch.equal(result, (X + i) * 2 + 1)


def test_the_loop_goes_on_meanwhile(policy: gl.PipelineEngine) -> None:
    async def main() -> None:
        with held(policy.lane):
            waiting = asyncio.ensure_future(policy.submit(X))
            for _ in range(5):
                await asyncio.sleep(0.01)
            assert not waiting.done()
        assert torch.equal(await waiting, X * 2 + 1)

    asyncio.run(main())


def test_coroutines_continue_in_the_order_of_the_ends(pipeline: gl.Pipeline) -> None:
    order: list[str] = []

    async def wait(name: str, run: gl.PipelineRun) -> None:
        await run
        order.append(name)

    async def main() -> None:
        with held(pipeline["policy"].lane):
            late = pipeline["policy"].submit(X)
            with held(pipeline["other"].lane):
                early = pipeline["other"].submit(X)
                tasks = [asyncio.ensure_future(wait(*each)) for each in (("late", late), ("early", early))]
                await asyncio.sleep(0)
            early.result(LONG)  # the loop is blocked, so that it learns of both ends at once
        late.result(LONG)
        await asyncio.gather(*tasks)

    asyncio.run(main())
    assert order == ["early", "late"]


def test_a_cancelled_await_cancels_a_request_that_has_not_begun(policy: gl.PipelineEngine) -> None:
    async def main() -> None:
        with under_way(policy, X) as first:
            run = policy.submit(X)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(run, 0.05)
            assert run.cancelled()
            with pytest.raises(gl.RequestError, match="it was cancelled"):
                await run
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(first, 0.05)
            assert not first.done()
        assert torch.equal(await first, X * 2 + 1)

    asyncio.run(main())


def test_errors_are_raised_by_await(policy: gl.PipelineEngine) -> None:
    async def main() -> None:
        with pytest.raises(gl.RequestError) as error:
            await policy.submit(X, deadline_ms=1e-6)
        assert error.value.reason == "expired"

    asyncio.run(main())


def test_loops_of_several_threads(policy: gl.PipelineEngine) -> None:
    failures: list[BaseException] = []

    async def serve(thread: int) -> None:
        for i in range(10):
            results = await asyncio.gather(*(policy.submit(X + thread * 100 + i + j) for j in range(5)))
            for j, result in enumerate(results):
                assert torch.equal(result, (X + thread * 100 + i + j) * 2 + 1)

    def run(thread: int) -> None:
        try:
            asyncio.run(asyncio.wait_for(serve(thread), LONG))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_loops_one_after_another_leave_nothing(policy: gl.PipelineEngine) -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    loops: list[weakref.ref[asyncio.AbstractEventLoop]] = []

    async def main() -> None:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        await policy.submit(X)

    asyncio.run(main())
    gc.collect()
    before = descriptors()
    for _ in range(10):
        asyncio.run(main())
    gc.collect()
    assert descriptors() == before
    assert [loop() for loop in loops] == [None] * 11


def test_a_loop_that_ends_before_its_runs(policy: gl.PipelineEngine) -> None:
    async def main() -> gl.PipelineRun:
        run = policy.submit(X)
        task = asyncio.ensure_future(run)
        await asyncio.sleep(0.01)
        assert not task.done()
        return run

    with under_way(policy, X):
        run = asyncio.run(main())  # cancels the task
        assert run.cancelled()
    assert torch.equal(policy.submit(X).result(LONG), X * 2 + 1)


def test_a_loop_that_is_closed_during_a_run_is_freed(policy: gl.PipelineEngine) -> None:
    async def wait() -> None:
        await policy.submit(X)

    with under_way(policy, X):
        loop = asyncio.new_event_loop()
        task = loop.create_task(wait())
        loop.run_until_complete(asyncio.sleep(0.01))
        loop.close()
        closed = weakref.ref(loop)
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        del loop, task
        gc.collect()
        assert closed() is None


def test_a_run_of_another_thread_is_awaited(policy: gl.PipelineEngine) -> None:
    async def main() -> None:
        run = await asyncio.to_thread(policy.submit, X)
        assert torch.equal(await run, X * 2 + 1)

    asyncio.run(main())
