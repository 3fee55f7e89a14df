"""Sequences of requests: what the feedback edges of an engine hold, apart for each client's sequence."""

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch

from greenlane._pipeline import Pipeline
from greenlane.serve._edges import Document, read_tensors, recorded_inputs, taken_by
from greenlane.serve._errors import ProtocolError

MOST_SEQUENCES = 1024
IDLE_S = 60.0
State = list[torch.Tensor]


@dataclass(frozen=True)
class Step:
    """The place of a request in its sequence."""

    id: int | str
    """Of the sequence; 1 and "1" are two sequences."""
    is_start: bool
    """Whether the sequence begins here, with the initial data."""
    is_end: bool
    """Whether the sequence ends here."""


class Feedback:
    """The inputs of an engine that it takes from its own outputs."""

    def __init__(self, outputs: dict[int, int], initial: State, inputs: int) -> None:
        """Makes it of the outputs that the fed inputs take, the inputs' initial data, and the number of all inputs."""
        self._outputs = outputs
        self.initial = initial
        """The initial data of the fed inputs, on the engine's device."""
        self.others = [i for i in range(inputs) if i not in outputs]
        """The inputs that a client sends."""

    def joined(self, given: Sequence[torch.Tensor], state: State) -> list[torch.Tensor]:
        """Returns all inputs: a client's, and a sequence's."""
        tensors = dict(zip(self.others, given, strict=True)) | dict(zip(self._outputs, state, strict=True))
        return [tensors[i] for i in range(len(tensors))]

    def taken(self, outputs: Sequence[torch.Tensor]) -> State:
        """Returns what the next run of the sequence takes from a run's outputs."""
        return [_kept(outputs[output]) for output in self._outputs.values()]


def feedback_of(pipeline: Pipeline, document: Document, folder: Path, engine: str) -> Feedback | None:
    """Returns the feedback of an engine that takes from itself and from sources; None: it takes otherwise.

    :param folder: of the pipeline's file.
    """
    outputs = feedback_outputs(document, engine)
    if not outputs:
        return None
    taken, device = taken_by(document, engine), pipeline[engine].lane.device
    recorded = recorded_inputs(pipeline, document, folder, engine)
    initial = []
    for i, output in outputs.items():
        file = taken[i].initial
        first = torch.zeros_like(recorded[i]) if file in (None, "zeros") else read_tensors(folder / str(file))[output]
        initial.append(first.to(device))
    return Feedback(outputs, initial, len(taken))


def feedback_outputs(document: Document, engine: str) -> dict[int, int]:
    """Returns the fed inputs of an engine and the outputs that they take; empty: it has no feedback of its own, or it
    takes from other engines, too."""
    taken = taken_by(document, engine)
    if any(each.producer != engine and each.producer in document["engine"] for each in taken):
        return {}
    return {i: each.output for i, each in enumerate(taken) if each.producer == engine}


@dataclass
class _Sequence:
    state: State | None = None
    """None: it has not started, or it has ended, and requests that came meanwhile are refused."""
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    requests: int = 0
    """Requests of the sequence that wait for their turn or run."""
    used: float = 0.0
    """When its last request ended, by ``time.monotonic``."""


class Turn:
    """A request's turn in its sequence."""

    def __init__(self, state: State) -> None:
        self.state = state
        """What its run takes."""
        self.next: State | None = None
        """What the run after it takes."""


class Sequences:
    """The live sequences of a model. Use it in one event loop."""

    def __init__(self, model: str, initial: State, most: int = MOST_SEQUENCES, idle_s: float = IDLE_S) -> None:
        """Makes it of the model's name, a sequence's first state, and its limits."""
        self._model = model
        self._initial = initial
        self._most, self._idle_s = most, idle_s
        self._live: OrderedDict[int | str, _Sequence] = OrderedDict()
        """The longest unused one first."""
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._live)

    @asynccontextmanager
    async def turn(self, step: Step) -> AsyncIterator[Turn]:
        """Waits for the earlier requests of the sequence, and yields its state.

        :raises ProtocolError: the sequence is unknown, or there are too many.
        """
        self._drop_idle()
        sequence = self._live.get(step.id)
        if sequence is None:
            if not step.is_start:
                raise self._unknown(step)
            self._require_room()
            sequence = self._live[step.id] = _Sequence()
        sequence.requests += 1
        try:
            async with sequence.turn:
                if step.is_start:
                    sequence.state = None
                elif sequence.state is None:
                    raise self._unknown(step)
                turn = Turn(self._initial if sequence.state is None else sequence.state)
                yield turn  # an error here, of a request that is refused, leaves the state as it is
                sequence.state = None if step.is_end else turn.next
        finally:
            sequence.requests -= 1
            self._ended(step.id, sequence)

    def drop_all(self) -> None:
        """Forgets all sequences, which may have gone on in other replicas meanwhile."""
        for sequence in self._live.values():
            sequence.state = None
        self._live = OrderedDict((key, each) for key, each in self._live.items() if each.requests)

    def _ended(self, identity: int | str, sequence: _Sequence) -> None:
        """Notes the end of a request, and drops a sequence that has no state and no requests."""
        sequence.used = time.monotonic()
        self._live.move_to_end(identity)
        if sequence.state is None and not sequence.requests:
            del self._live[identity]
        if self._timer is None and self._live:
            self._timer = asyncio.get_running_loop().call_later(self._idle_s, self._tick)

    def _tick(self) -> None:
        self._drop_idle()
        self._timer = None
        if self._live:
            self._timer = asyncio.get_running_loop().call_later(self._idle_s, self._tick)

    def _drop_idle(self) -> None:
        until = time.monotonic() - self._idle_s
        idle = []
        for identity, sequence in self._live.items():
            if sequence.requests:
                continue
            if sequence.used > until:
                break
            idle.append(identity)
        for identity in idle:
            del self._live[identity]

    def _require_room(self) -> None:
        if len(self._live) < self._most:
            return
        idle = [each.used for each in self._live.values() if not each.requests]
        wait = idle[0] + self._idle_s - time.monotonic() if idle else self._idle_s
        raise ProtocolError(
            429,
            f"model {self._model!r} has {self._most} sequences, its limit: end others with sequence_end, or try later",
            max(1, math.ceil(wait)),
        )

    def _unknown(self, step: Step) -> ProtocolError:
        shown = step.id if isinstance(step.id, int) else repr(step.id)
        return ProtocolError(
            409,
            f"model {self._model!r} does not know sequence {shown} here: it was not started, it ended, it was idle for "
            f"{self._idle_s:g} s, or its replica was replaced; start anew with sequence_start and an id that was not "
            "used before",
        )


def _kept(tensor: torch.Tensor) -> torch.Tensor:
    """Returns the tensor in memory that holds nothing else, because a sequence keeps it. The current stream copies it
    now, or for the next run."""
    if tensor.is_cuda:  # the memory is the lane's, which must not use it again before that
        tensor.record_stream(torch.cuda.current_stream(tensor.device))
    return tensor if tensor.untyped_storage().nbytes() == tensor.nbytes else tensor.clone()
