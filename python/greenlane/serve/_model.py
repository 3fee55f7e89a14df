"""One engine of a pipeline as a model of the protocol."""

import statistics
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

import torch

from greenlane._pipeline import Pipeline
from greenlane._pipeline_run import PipelineRun
from greenlane._request_errors import RequestError
from greenlane._tensor_info import TensorInfo, tensor_infos
from greenlane.serve._copies import ahead_of_engines
from greenlane.serve._datatypes import datatype_of
from greenlane.serve._errors import ProtocolError, bad_request
from greenlane.serve._messages import InferenceRequest, Reply, read_request, require_outputs, response_of
from greenlane.serve._sequences import IDLE_S, Feedback, Sequences

VERSION = "1"
_KEPT = 64
_STATUS_OF_REASON = {"queue_full": 429, "too_many": 429, "cancelled": 503, "closed": 503, "stopped": 503}


class Model:
    """An engine that answers requests. Use it in one event loop."""

    _kind = "engine"

    def __init__(self, pipeline: Pipeline, name: str, feedback: Feedback | None = None, max_batch: int = 0) -> None:
        """Makes it of an engine.

        :param feedback: the inputs that it takes from itself; None: clients send all.
        :param max_batch: the most rows of a run that serves requests together; 0: each request has its own run.
        """
        self._pipeline = pipeline
        self._name = name
        self._engine = pipeline[name]
        self._device = self._engine.lane.device
        self._ahead_of_engines = ahead_of_engines(self._device)
        self._inputs, self._outputs = self._engine.inputs, self._engine.outputs
        self._feedback = feedback
        self._max_batch = max_batch
        self._sequences: Sequences | None = None
        if feedback is not None:
            self._inputs = tuple(self._inputs[i] for i in feedback.others)
            self._sequences = Sequences(name, feedback.initial)
        self._unsupported = _no_path(name) or _unsupported([*self._inputs, *self._outputs])
        self._service_s: deque[float] = deque(maxlen=_KEPT)
        """How long the last runs took, without their waits."""
        self._ended = 0.0
        self._answered = self._answered_ns = self._refused = self._refused_ns = 0
        self._inferences = 0
        """The rows of the answered requests, where requests run together; else their number."""

    def _take_inputs(self, inputs: Sequence[TensorInfo]) -> None:
        """Takes these inputs from clients instead of the engine's."""
        self._inputs = tuple(inputs)
        self._unsupported = _unsupported([*self._inputs, *self._outputs])

    def use(self, pipeline: Pipeline) -> None:
        """Runs later requests in this pipeline, which was opened anew. Its sequences end."""
        self._pipeline, self._engine = pipeline, pipeline[self._engine.name]
        if self._sequences is not None:
            self._sequences.drop_all()

    @property
    def unservable(self) -> str:
        """The reason why it can never serve by this protocol; empty if it can."""
        return self._unsupported

    def obstacle(self) -> str:
        """Returns the reason why it cannot serve; empty if it can."""
        if self._unsupported:
            return self._unsupported
        if self._pipeline.closed:
            return "the pipeline is closed"
        stats = self._pipeline.stats()
        return "an engine hangs" if stats.is_broken else stats.engines[self._engine.name].error

    def metadata(self) -> dict[str, Any]:
        """Returns its metadata as the protocol has it; a size of -1 may vary."""
        return {
            "name": self._name,
            "versions": [VERSION],
            "platform": "greenlane",
            "inputs": [_described(info) for info in self._inputs],
            "outputs": [_described(info) for info in self._outputs],
        }

    def configuration(self) -> dict[str, Any]:
        """Returns its configuration as the protocol's extension has it: with a batch size, sizes are those of a row."""

        def described(info: TensorInfo) -> dict[str, Any]:
            known = _described(info)
            dims = known["shape"][1:] if self._max_batch else known["shape"]
            return {"name": info.name, "data_type": f"TYPE_{known['datatype']}", "dims": dims}

        idle_us = {"max_sequence_idle_microseconds": round(IDLE_S * 1e6)}
        return {
            "name": self._name,
            "platform": "greenlane",
            "backend": "",
            "max_batch_size": self._max_batch,
            "input": [described(info) for info in self._inputs],
            "output": [described(info) for info in self._outputs],
            **({} if self._sequences is None else {"sequence_batching": idle_us}),
        }

    def statistics(self) -> dict[str, Any]:
        """Returns the figures of its requests since it was opened, as the protocol's extension has them."""
        batches = self._pipeline.stats().engines[self._engine.name].figures.batches
        return {
            "name": self._name,
            "version": VERSION,
            "inference_count": self._inferences,
            "execution_count": batches or self._answered,
            "inference_stats": {
                "success": {"count": self._answered, "ns": self._answered_ns},
                "fail": {"count": self._refused, "ns": self._refused_ns},
            },
        }

    async def infer(self, body: bytes, header_length: str | None, arrival: int) -> Reply:
        """Answers a request.

        :param arrival: when it came, by ``time.monotonic_ns``.
        :raises ProtocolError: it is wrong, it was not run, it is late, or the engine failed.
        """
        try:
            reply = await self._infer(body, header_length, arrival)
        except BaseException:
            self._refused += 1
            self._refused_ns += time.monotonic_ns() - arrival
            raise
        self._answered += 1
        self._answered_ns += time.monotonic_ns() - arrival
        return reply

    async def _infer(self, body: bytes, header_length: str | None, arrival: int) -> Reply:
        if self._unsupported:
            raise ProtocolError(501, f"model {self._name!r} cannot be served: {self._unsupported}")
        request = read_request(body, header_length, self._inputs, self._outputs)
        deadline_ms = _left_ms(request, arrival)
        if deadline_ms is not None:
            self._require_time(deadline_ms)
        if self._feedback is None or self._sequences is None:
            if request.step is not None:
                raise bad_request(f"model {self._name!r} has no state: leave the sequence's parameters out")
            return self._answer(request, await self._run(request, request.tensors, arrival), arrival)
        if request.step is None:
            raise bad_request(
                f"model {self._name!r} has a state for each sequence: give a sequence_id, and sequence_start in "
                "its first request"
            )
        async with self._sequences.turn(request.step) as turn:
            outputs = await self._run(request, self._feedback.joined(request.tensors, turn.state), arrival)
            reply = self._answer(request, outputs, arrival)
            with self._ahead_of_engines:
                turn.next = self._feedback.taken(outputs)
        return reply

    async def _run(self, request: InferenceRequest, inputs: list[torch.Tensor], arrival: int) -> list[torch.Tensor]:
        """Returns the engine's outputs for a request. Those of a sequence are on its device."""
        deadline_ms = _left_ms(request, arrival)
        if deadline_ms is not None and deadline_ms <= 0:  # it waited for earlier requests of its sequence
            raise self._late("had not begun the request by", request)
        try:
            run = self._submit(inputs, deadline_ms, request.priority)
        except RequestError as error:
            raise self._refusal(error) from None
        except RuntimeError as error:
            raise bad_request(str(error)) from None  # sizes that do not fit each other
        try:
            return await self._result(run)
        except RequestError as error:
            if error.reason == "expired":
                raise self._late("had not begun the request by", request) from None
            raise self._refusal(error) from None
        except RuntimeError as error:
            raise ProtocolError(500, str(error)) from None

    def _submit(self, inputs: list[torch.Tensor], deadline_ms: float | None, priority: int) -> PipelineRun:
        if self._feedback is None:  # the engine's thread copies them to its device, and the outputs back
            return self._engine.submit_tensors(inputs, deadline_ms=deadline_ms, priority=priority)
        with self._ahead_of_engines:
            tensors = [tensor.to(self._device) for tensor in inputs]
            return self._engine.submit_tensors(tensors, deadline_ms=deadline_ms, priority=priority)

    def _answer(self, request: InferenceRequest, outputs: list[torch.Tensor], arrival: int) -> Reply:
        if any(output.is_cuda for output in outputs):
            with self._ahead_of_engines:
                outputs = [output.cpu() for output in outputs]
        left_ms = _left_ms(request, arrival)
        if left_ms is not None and left_ms < 0:
            raise self._late("answered after", request)
        reply = self._response(request, outputs)
        self._inferences += request.tensors[0].shape[0] if self._max_batch else 1
        return reply

    def _refusal(self, error: RequestError) -> ProtocolError:
        return ProtocolError(_STATUS_OF_REASON[error.reason], str(error), self._retry_after())

    def _late(self, what: str, request: InferenceRequest) -> ProtocolError:
        limit = "its own deadline" if request.timeout_us is None else f"the request's timeout, {request.timeout_us} us"
        return ProtocolError(504, f"{self._kind} {self._name!r} {what} {limit}: allow more, or send fewer requests")

    async def _result(self, run: PipelineRun) -> list[torch.Tensor]:
        begin = time.monotonic()
        outputs: list[torch.Tensor] = await run
        end = time.monotonic()
        self._service_s.append(end - max(begin, self._ended))
        self._ended = end
        return outputs

    def _response(self, request: InferenceRequest, outputs: list[torch.Tensor]) -> Reply:
        if not self._outputs:  # of a stateful engine nothing was known before its first run
            sizes = [list(output.shape) for output in outputs]
            self._outputs = tensor_infos((outputs, sizes, sizes), self._engine._calls.names()[1], "output")
            self._unsupported = _unsupported(self._outputs)
            require_outputs(request, self._outputs)
        strange = next((output.dtype for output in outputs if datatype_of(output.dtype) is None), None)
        if strange is not None:
            raise ProtocolError(500, f"model {self._name!r} returned {strange}, which the protocol lacks")
        return response_of(self._name, VERSION, request, list(zip(self._outputs, outputs, strict=True)))

    def _expected_s(self) -> float:
        """Returns how long a request would take that came now; 0 if nothing runs, so that one run tells it anew."""
        stats = self._pipeline.stats().engines[self._engine.name]
        waiting = stats.queued + stats.is_busy
        return self._median_s() * (waiting + 1) if waiting else 0.0

    def _median_s(self) -> float:
        return statistics.median(self._service_s) if self._service_s else 0.0

    def _require_time(self, deadline_ms: float) -> None:
        expected_ms = self._expected_s() * 1e3
        if deadline_ms > 0 and expected_ms <= deadline_ms:
            return
        why = f"{expected_ms:.3g} ms are expected" if deadline_ms > 0 else "it passed while the request was read"
        raise ProtocolError(
            503,
            f"{self._kind} {self._name!r} cannot answer in the request's time: {why}; try again later, or allow more",
            self._retry_after(),
        )

    def _retry_after(self) -> int:
        return max(1, round(self._expected_s()))


def _left_ms(request: InferenceRequest, arrival: int) -> float | None:
    """Returns the time until the request's own deadline; None: it has none."""
    if request.timeout_us is None:
        return None
    return request.timeout_us / 1e3 - (time.monotonic_ns() - arrival) / 1e6


def _no_path(name: str) -> str:
    """Returns the reason why no path of a URL leads to a model; empty if one does."""
    return "its name has a slash, which no path can name: give the engine another name" if "/" in name else ""


def _unsupported(infos: Sequence[TensorInfo]) -> str:
    """Returns the reason why the protocol has no datatype for one of these tensors; empty if it has all."""
    return next(
        (
            f"{info.name!r} is {info.dtype}, for which the protocol has no datatype"
            for info in infos
            if datatype_of(info.dtype) is None
        ),
        "",
    )


def _described(info: TensorInfo) -> dict[str, Any]:
    return {
        "name": info.name,
        "datatype": datatype_of(info.dtype),
        "shape": [-1 if size is None else size for size in info.shape],
    }
