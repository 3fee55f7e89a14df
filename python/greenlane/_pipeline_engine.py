"""Engines of an open pipeline."""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import torch

from greenlane import _checked
from greenlane._lanes import Lane
from greenlane._pipeline_run import PipelineRun
from greenlane._request_errors import require
from greenlane._tensor_info import TensorInfo, tensor_infos
from greenlane._waiting import wait_for

_T = TypeVar("_T")


class Calls(Protocol):
    """The nesting of an engine's arguments and results."""

    def run(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], run: Callable[[list[torch.Tensor]], _T]) -> _T:
        """Returns the result of ``run`` with the tensors among the arguments."""

    def result(self, outputs: Sequence[torch.Tensor]) -> Any:
        """Returns outputs as the model nests them."""

    def names(self) -> tuple[list[str], list[str]]:
        """Returns the names of the tensors among arguments, or of all leaves, and the same of results."""


class PipelineEngine:
    """One engine of a :class:`Pipeline`, which ``pipeline[name]`` returns. It is called like its model.

    Arguments are nested as at export, and tensors are on the engine's device, or for :meth:`submit` all on the CPU; see
    :class:`Engine` for arguments that are no tensors. It does not keep the pipeline open.

    Thread safety: all members may be called from any thread.
    """

    def __init__(self, native: Any, calls: Calls) -> None:
        self._native = native
        self._calls = calls
        lane, refusal = native.lane()
        require(refusal)
        self._on_cpu = lane.device() == "cpu"

    @property
    def name(self) -> str:
        """The engine's name."""
        return str(self._native.name())

    @property
    def lane(self) -> Lane:
        """Its lane, whose units the result keeps.

        :raises RequestError: the pipeline is closed.
        """
        native, refusal = self._native.lane()
        require(refusal)
        return Lane(native)

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        """The tensors among its arguments, in order. Source: a package's checks, else the recorded inputs."""
        return tensor_infos(self._native.inputs(), self._calls.names()[0], "input")

    @property
    def outputs(self) -> tuple[TensorInfo, ...]:
        """The tensors among its results, in order, with the sizes that recorded inputs give.

        Empty for a stateful engine, which did not run on them.
        """
        return tensor_infos(self._native.outputs(), self._calls.names()[1], "output")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Runs it now, after its earlier runs, and returns its outputs.

        Stream order: it waits for the work that was enqueued on the caller's current stream before, and work that is
        enqueued there later waits for it. On a CPU it returns when the work is done, and Ctrl-C ends the wait, but not
        the run.

        :raises RequestError: the engine stopped, or the pipeline is closed.
        :raises RuntimeError: the inputs do not fit, or the engine fails.
        :raises TypeError: the arguments are nested otherwise than at export.
        """
        return self._calls.result(self._calls.run(args, kwargs, self._call))

    def submit(
        self, *args: Any, deadline_ms: float | None = None, drop_if_late: bool = True, priority: int = 0, **kwargs: Any
    ) -> PipelineRun:
        """Queues a run for the engine's own thread, which needs no lock of Python's for packages and for captured
        modules. Returns at once.

        Stream order: the inputs are copied behind the work on the caller's current stream, and work that is enqueued
        there later waits for the copy, so they may be reused at once. If no work is left on the caller's stream, the
        copy comes before the work of all engines.

        Tensors on the CPU for an engine on a GPU are copied now, and its thread brings them to the GPU and the outputs
        back, on the lane's stream. The outputs are on the CPU then, too, in page-locked memory.

        :param deadline_ms: its deadline from now, in milliseconds; None: the engine's.
        :param drop_if_late: whether a request whose deadline passed before it begins is not run.
        :param priority: 1 runs before 2, and so on; 0: after all others. At most 2**32 - 1.
        :return: its future.
        :raises RequestError: the queue is full, its tenant is beyond its limits, the engine stopped, or the pipeline is
            closed.
        :raises RuntimeError: the inputs do not fit, the caller's stream is being captured, or the process was forked
            since the pipeline was opened.
        :raises TypeError: the arguments are nested otherwise than at export, or an option is of another type.
        :raises ValueError: the deadline is not positive, or longer than a day; or there is no such priority.
        """
        options = _checked_options(deadline_ms, drop_if_late, priority)
        native = self._calls.run(args, kwargs, lambda tensors: self._submit(tensors, *options))
        return PipelineRun(native, self.name, self._calls.result)

    def submit_tensors(
        self,
        tensors: Sequence[torch.Tensor],
        *,
        deadline_ms: float | None = None,
        drop_if_late: bool = True,
        priority: int = 0,
    ) -> PipelineRun:
        """As :meth:`submit`, with the tensors of :attr:`inputs`, in order. The result is the list of tensors of
        :attr:`outputs`."""
        options = _checked_options(deadline_ms, drop_if_late, priority)
        return PipelineRun(self._submit(list(tensors), *options), self.name, list)

    def trigger(self) -> bool:
        """Runs it once on the values of its edges, on its own thread, publishes its outputs, and returns then.

        It waits while a consumer's full queue with ``overflow = "block"`` has no room.

        :return: False if the run was skipped: an edge has no value yet, or the inputs are older than ``max_age_ms``.
        :raises RuntimeError: the engine fails, or takes nothing from edges.
        :raises RequestError: the engine stopped, or the pipeline is closed.
        """
        ran, refusal = self._native.trigger()
        require(refusal)
        return bool(ran)

    def _call(self, tensors: list[torch.Tensor]) -> list[torch.Tensor]:
        if self._on_cpu and threading.current_thread() is threading.main_thread():
            call, refusal = self._native.begin_call(tensors)
            require(refusal)
            wait_for(call)
            outputs, refusal = call.finish()
        else:
            outputs, refusal = self._native.call(tensors)
        require(refusal)
        return list(outputs)

    def _submit(self, tensors: list[torch.Tensor], *options: Any) -> Any:
        native, refusal = self._native.submit(tensors, *options)
        require(refusal)
        return native

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError(f"{self!r} cannot be copied or saved: it is a part of an open pipeline, in this process")

    def __repr__(self) -> str:
        return f"PipelineEngine({self.name!r})"


def _checked_options(deadline_ms: float | None, drop_if_late: bool, priority: int) -> tuple[float | None, bool, int]:
    """Returns the options of a request as C++ takes them; raises TypeError for other types, ValueError."""
    deadline = None if deadline_ms is None else _checked.number(deadline_ms, "the deadline")
    level = _checked.whole(priority, "the priority", 0, 2**32 - 1)
    return deadline, _checked.truth(drop_if_late, "drop_if_late"), level
