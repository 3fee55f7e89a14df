"""Sources and sinks of pipelines: where a program publishes data, and where it reads results."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from greenlane import _checked
from greenlane._request_errors import require

_LONGEST_WAIT = 0.05
"""Seconds that C++ waits at once. Python handles Ctrl-C between two waits."""


class PublishedItem:
    """An item that was published.

    Thread safety: all members may be called from any thread.
    """

    def __init__(self, native: Any, tensors: Sequence[torch.Tensor]) -> None:
        self._native = native
        self._tensors = tensors  # the device may still read them

    @property
    def sequence(self) -> int:
        """Its sequence number; 1 for the first item of the source."""
        return int(self._native.sequence())

    @property
    def was_taken(self) -> bool:
        """False if the full queue of an edge rejected it. Other edges have taken it."""
        return bool(self._native.was_taken())

    @property
    def is_copied(self) -> bool:
        """True once its tensors may be changed. Pageable data may be changed at once."""
        return bool(self._native.is_copied())

    def wait_until_copied(self) -> None:
        """Waits until its tensors may be changed."""
        self._native.wait_until_copied()

    def __repr__(self) -> str:
        return f"PublishedItem(sequence={self.sequence}, was_taken={self.was_taken})"


class PipelineSource:
    """Where a program publishes data into a pipeline, which :meth:`Pipeline.source` returns.

    Thread safety: all members may be called from any thread. Items get their order from the calls.
    """

    def __init__(self, native: Any) -> None:
        self._native = native

    @property
    def name(self) -> str:
        """The source's name."""
        return str(self._native.name())

    def publish(self, *item: torch.Tensor) -> PublishedItem:
        """Hands an item to the engines that take from the source. It does not wait for the GPU; it waits only while the
        full queue of an edge with ``overflow = "block"`` has no room.

        Pinned memory and memory of a GPU must not change until :attr:`PublishedItem.is_copied` of the result. Pageable
        memory may change at once.

        Stream order: memory of a GPU is read behind the work on the caller's current stream there.

        :param item: one tensor for each number behind the source's name in the file (``"camera.1"``), with the shapes
            and dtypes of the recorded inputs, on any device and with any strides.
        :raises TypeError: something is no tensor.
        :raises RuntimeError: the item does not fit, or the process was forked since the pipeline was opened.
        :raises RequestError: the pipeline is closed.
        """
        for each in item:
            if not isinstance(each, torch.Tensor):
                raise TypeError(f"an item of source {self.name!r} holds {_checked.one_line(each)}: give tensors")
        native, refusal = self._native.publish(list(item))
        require(refusal)
        return PublishedItem(native, item)

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError(f"{self!r} cannot be copied or saved: it is a part of an open pipeline, in this process")

    def __repr__(self) -> str:
        return f"PipelineSource({self.name!r})"


@dataclass(frozen=True)
class SourceStamp:
    """An item of a source that went into a result."""

    source: str
    """The source's name."""
    sequence: int
    """The item's sequence number."""
    published: float
    """When it was published, as ``time.monotonic()`` counts seconds."""


@dataclass(frozen=True)
class SinkResult:
    """A result of an engine."""

    outputs: Any
    """The outputs, nested as the model nests them: copies, ordered on the caller's current stream."""
    sequence: int
    """Its sequence number; 1 for the first result of the engine."""
    age: float | None
    """Seconds from the publication of the oldest source item in it until it was read; None: it has no source item."""
    items: tuple[SourceStamp, ...]
    """The source items in it, without those that came through feedback edges."""


class PipelineSink:
    """Where a program reads the results of an engine's runs from edges, which :meth:`Pipeline.sink` returns.

    Each handle knows the last result that it gave, so keep it for a loop.

    Thread safety: one thread at a time. Take a handle for each thread.
    """

    def __init__(self, native: Any, nested: Callable[[Sequence[torch.Tensor]], Any]) -> None:
        self._native = native
        self._nested = nested

    @property
    def name(self) -> str:
        """The engine's name."""
        return str(self._native.name())

    def latest(self) -> SinkResult | None:
        """Returns the newest result without waiting; None: there is none, or the pipeline is closed.

        Stream order: the outputs are copied on the caller's current stream.
        """
        return self._result(self._native.latest())

    def wait(self, timeout: float | None = None) -> SinkResult:
        """Returns the newest result as soon as it is newer than the handle's last one. Ctrl-C ends the wait.

        Stream order: as :meth:`latest`.

        :param timeout: longest time to wait, in seconds; None: no limit.
        :raises TimeoutError: there was none in time.
        :raises RequestError: the engine stopped, or the pipeline is closed.
        :raises RuntimeError: the process was forked since the pipeline was opened.
        :raises TypeError: the timeout is no number.
        :raises ValueError: the timeout is negative, or longer than 1e6 seconds.
        """
        end = None if timeout is None else time.monotonic() + _checked.seconds(timeout, "the timeout")
        while True:
            left = _LONGEST_WAIT if end is None else max(0.0, min(_LONGEST_WAIT, end - time.monotonic()))
            found, refusal = self._native.wait(left)
            require(refusal)
            result = self._result(found)
            if result is not None:
                return result
            if end is not None and time.monotonic() >= end:
                raise TimeoutError(
                    f"engine {self.name!r} gave no new result within {timeout:g} s: wait longer, or look at what makes "
                    "it run (Pipeline.stats counts runs that failed, were not ready, or were stale)"
                )

    def _result(self, found: Any) -> SinkResult | None:
        if found is None:
            return None
        outputs, sequence, age, stamps = found
        items = tuple(SourceStamp(*each) for each in zip(*stamps, strict=True))
        return SinkResult(self._nested(outputs), sequence, age, items)

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError(f"{self!r} cannot be copied or saved: it is a part of an open pipeline, in this process")

    def __repr__(self) -> str:
        return f"PipelineSink({self.name!r})"
