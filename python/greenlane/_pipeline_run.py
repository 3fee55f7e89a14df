"""Requests to engines of a pipeline, as futures."""

import asyncio
import functools
from collections.abc import Callable, Generator, Sequence
from typing import Any

import torch

from greenlane import _checked
from greenlane._completions import until_done, when_done
from greenlane._request_errors import RequestError, error_of
from greenlane._waiting import wait_for


class PipelineRun:
    """A run that was submitted to an engine of a pipeline: a future, which can also be awaited.

    It ends exactly once: with outputs, with the engine's error, or with :class:`RequestError` because it was not run.
    It may outlive the pipeline, and it goes on if it is dropped.

    ``await run`` waits in any event loop, costs the loop nothing meanwhile, and may be repeated. If a coroutine that
    awaits it is cancelled, the request is cancelled unless it has begun. Coroutines of a loop continue in the order in
    which their runs end.

    Stream order: the outputs' work is done, so they may be used on any stream.
    Thread safety: all members may be called from any thread.
    """

    def __init__(self, native: Any, engine: str, nested: Callable[[Sequence[torch.Tensor]], Any]) -> None:
        self._native = native
        self._engine = engine
        self._nested = nested

    def result(self, timeout: float | None = None) -> Any:
        """Waits for the outputs and returns them, nested as the model nests them. Ctrl-C ends the wait, not the run.

        :param timeout: longest time to wait, in seconds; None: no limit.
        :raises TimeoutError: the run has not ended in time. It goes on.
        :raises RequestError: it was not run.
        :raises RuntimeError: the engine failed.
        :raises TypeError: the timeout is no number.
        :raises ValueError: the timeout is negative, or longer than 1e6 seconds.
        """
        self._wait(timeout)
        return self._outcome()

    def exception(self, timeout: float | None = None) -> RuntimeError | None:
        """Waits for the end, and returns the error that :meth:`result` raises; None if there are outputs.

        :param timeout: see :meth:`result`.
        :raises TimeoutError: as :meth:`result`.
        """
        self._wait(timeout)
        return error_of(*self._native.finish()[1:])

    def done(self) -> bool:
        """Returns whether it has ended."""
        return bool(self._native.is_done())

    def cancel(self) -> bool:
        """Ends it with :class:`RequestError` if it has not begun; returns False if it has begun or ended."""
        return bool(self._native.cancel())

    def cancelled(self) -> bool:
        """Returns whether it was cancelled, by :meth:`cancel` or by :meth:`Pipeline.close`, before it began."""
        error = self.exception() if self.done() else None
        return isinstance(error, RequestError) and error.reason == "cancelled"

    def add_done_callback(self, function: Callable[["PipelineRun"], object]) -> None:
        """Calls a function with this run when it ends, on a thread of greenlane's; at once if it has ended already.

        All callbacks share one thread, so they must be quick. Their errors are logged.

        :raises TypeError: it is no function.
        """
        if not callable(function):
            raise TypeError(f"the callback is {function!r}: give a function with one argument, the run")
        when_done(self._native, functools.partial(function, self))

    def __await__(self) -> Generator[Any, None, Any]:
        return self._until_done().__await__()

    async def _until_done(self) -> Any:
        if not self.done():
            self._native.require_end_here()
            try:
                await until_done(self._native)
            except asyncio.CancelledError:
                self.cancel()
                raise
        return self._outcome()

    def _wait(self, timeout: float | None) -> None:
        seconds = None if timeout is None else _checked.seconds(timeout, "the timeout")
        self._native.require_end_here()
        if not wait_for(self._native, seconds):
            raise TimeoutError(
                f"a run of engine {self._engine!r} has not ended within {timeout:g} s: it waits in the queue, or it is "
                "under way; wait longer, or cancel it"
            )

    def _outcome(self) -> Any:
        outputs, reason, message = self._native.finish()
        error = error_of(reason, message)
        if error is not None:
            raise error
        return self._nested(outputs)

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError(f"{self!r} cannot be copied or saved: it runs once, in this process; save its result")

    def __repr__(self) -> str:
        return f"PipelineRun(engine={self._engine!r}, done={self.done()})"
