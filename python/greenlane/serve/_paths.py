"""Paths of a pipeline as models: a request goes in at the source, and its answer comes out at the path's engine."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import torch

from greenlane._pipeline import Pipeline
from greenlane._pipeline_edges import PipelineSink, SinkResult
from greenlane._request_errors import RequestError
from greenlane._stats import EngineStats
from greenlane._tensor_info import TensorInfo
from greenlane.serve._edges import Document, recorded_inputs, taken_by
from greenlane.serve._errors import ProtocolError, bad_request
from greenlane.serve._messages import InferenceRequest
from greenlane.serve._model import Model

LONGEST_S = 60.0
"""How long a request without a deadline waits for its answer."""
MOST_WAITING = 64
_LOOK_S = 0.05
_T = TypeVar("_T")


class Feeder:
    """A source, to which one request after the other is published: a sink has only the newest result, so a second item
    would hide the first one's."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "greenlane-path")
        self._lock = threading.Lock()
        self.requests = 0
        """Requests that wait or are under way."""

    async def run(self, travel: Callable[[], _T]) -> _T:
        """Returns the result of a function, which runs on the source's thread after the earlier ones.

        :raises ProtocolError: too many wait.
        """
        if self.requests > MOST_WAITING:
            raise ProtocolError(429, f"{MOST_WAITING} requests wait for this path's source: try again later", 1)
        self._count(1)
        future = self._thread.submit(travel)
        future.add_done_callback(lambda _: self._count(-1))  # what has begun goes on if the client leaves
        return await asyncio.wrap_future(future)

    def _count(self, more: int) -> None:
        with self._lock:
            self.requests += more


def chain_of(document: Document, path: str) -> tuple[list[str], str] | None:
    """Returns the engines of a path from its source to its end, and the reason why it cannot be a model, or an empty
    text; None: an edge on it is no queue, so that it is only measured."""
    table = document["path"][path]
    reached = {table["from"]}
    taken = {name: taken_by(document, name) for name in document["engine"]}
    for _ in taken:  # until no more are reached
        reached |= {name for name, inputs in taken.items() if any(each.producer in reached for each in inputs)}
    chain: list[str] = []
    why = ""
    engine = table["to"]
    while engine != table["from"]:
        if engine in chain:
            return None  # a cycle, which has an edge that is no queue
        chain.insert(0, engine)
        before = [each for each in taken[engine] if each.producer in reached]
        if not before or not all(each.is_queue for each in before):
            return None
        if len({each.producer for each in taken[engine]}) > 1:
            why = f"engine {engine!r} takes from several producers, and requests bring data of one source"
        elif document["engine"][engine].get("on") == []:
            why = f"engine {engine!r} runs only when it is triggered: give it `on`"
        engine = before[0].producer
    return chain, why


class PathModel(Model):
    """A path that answers requests. Use it in one event loop."""

    _kind = "path"

    def __init__(self, pipeline: Pipeline, document: Document, folder: Path, path: str, feeder: Feeder) -> None:
        """Makes it of a path of queues.

        :param folder: of the pipeline's file.
        :param feeder: of its source, for all paths from there.
        """
        table = document["path"][path]
        super().__init__(pipeline, table["to"])
        self._name = path
        found = chain_of(document, path)
        self._chain = [] if found is None else found[0]
        self._source, self._feeder = pipeline.source(table["from"]), feeder
        self._sink = PipelineSink(pipeline._native.sink(table["to"]), list)
        self._take_inputs(_item_of(pipeline, document, folder, table["from"]))

    def obstacle(self) -> str:
        """Returns the reason why it cannot serve; empty if it can."""
        return super().obstacle() or self._stopped()

    async def _run(self, request: InferenceRequest, inputs: list[torch.Tensor], arrival: int) -> list[torch.Tensor]:
        """Returns what comes out at the path's end for a request, on its engine's device."""
        if request.priority:
            raise bad_request(
                f"path {self._name!r} has no priorities: its items keep their order; leave 'priority' out"
            )
        limit_s = LONGEST_S if request.timeout_us is None else request.timeout_us / 1e6
        end = arrival / 1e9 + limit_s

        def travel() -> tuple[list[torch.Tensor] | None, float]:
            begin = time.monotonic()
            with self._ahead_of_engines:  # the sink copies its outputs
                outputs = None if begin >= end else self._travel(inputs, end)
            return outputs, time.monotonic() - begin

        outputs, service_s = await self._feeder.run(travel)
        if outputs is not None:
            self._service_s.append(service_s)
            return outputs
        if request.timeout_us is not None:
            raise self._late("had no result by", request)
        raise ProtocolError(504, f"path {self._name!r} had no result within {LONGEST_S:g} s: send fewer requests")

    def _travel(self, inputs: list[torch.Tensor], end: float) -> list[torch.Tensor] | None:
        """Returns the result that contains these inputs; None: there was none by then."""
        lost_before = self._lost()
        try:
            sequence = self._source.publish(*inputs).sequence
        except RequestError as error:
            raise self._refusal(error) from None
        except RuntimeError as error:
            raise bad_request(str(error)) from None
        is_quiet = False
        while (left := end - time.monotonic()) > 0:
            result = self._next(min(left, _LOOK_S))
            if result is not None and any(each.sequence == sequence for each in result.items):
                return list(result.outputs)
            if result is not None:
                continue  # of an earlier request, which had no more time
            stopped = self._stopped()
            if stopped:
                raise ProtocolError(503, f"path {self._name!r} does not serve: {stopped}", self._retry_after())
            was_quiet, is_quiet = is_quiet, self._is_quiet()
            if was_quiet and is_quiet and self._lost() > lost_before:
                raise ProtocolError(
                    500, f"an engine of path {self._name!r} failed or skipped the request: {', '.join(self._chain)}"
                )
        return None

    def _next(self, seconds: float) -> SinkResult | None:
        try:
            return self._sink.wait(seconds)
        except TimeoutError:
            return None
        except RequestError as error:
            raise self._refusal(error) from None

    def _engines(self) -> list[EngineStats]:
        engines = self._pipeline.stats().engines
        return [engines[name] for name in self._chain]

    def _stopped(self) -> str:
        return next((f"engine {each.name!r}: {each.error}" for each in self._engines() if each.error), "")

    def _is_quiet(self) -> bool:
        """Returns whether nothing is on the way."""
        return not any(each.is_busy or any(edge.waiting for edge in each.edges.values()) for each in self._engines())

    def _lost(self) -> int:
        """Returns the number of items that ended on the way, and of requests that failed."""
        return sum(
            each.figures.failed
            + each.figures.stale
            + each.figures.not_ready
            + sum(edge.dropped + edge.rejected for edge in each.edges.values())
            for each in self._engines()
        )

    def _expected_s(self) -> float:
        return self._median_s() * (self._feeder.requests + 1) if self._feeder.requests else 0.0


def _item_of(pipeline: Pipeline, document: Document, folder: Path, source: str) -> list[TensorInfo]:
    """Returns the tensors of a source's items, by their names in the file."""
    found: dict[int, TensorInfo] = {}
    for engine in pipeline.engines:
        for i, taken in enumerate(taken_by(document, engine)):
            if taken.producer == source and taken.output not in found:
                sizes = tuple(recorded_inputs(pipeline, document, folder, engine)[i].shape)
                found[taken.output] = replace(pipeline[engine].inputs[i], smallest=sizes, largest=sizes)
    names = [source] if len(found) == 1 else [f"{source}.{i}" for i in range(len(found))]
    return [replace(found[i], name=name) for i, name in enumerate(names)]
