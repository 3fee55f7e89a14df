"""Sequences: what an engine takes from its own outputs is kept for each client's sequence."""

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import tritonclient.http as triton
from greenlane.serve._messages import HEADER_LENGTH, Reply
from greenlane.serve._sequences import Sequences
from greenlane.serve._server import Server
from python.pipelines import LONG
from torch import Tensor, nn

from serve.module_pipelines import Opens
from serve.requests import MOST_BYTES, infer, respond, result_of
from serve.requests import given as input_of

X = np.arange(6, dtype=np.float32).reshape(2, 3)
FEEDBACK = "from = ['camera', { output = 'sum.1', initial = 'zeros' }]\non = []"


class Sum(nn.Module):
    """Adds its input to its last total, which is its second output. Fails for numbers below 0, and waits if told so."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = threading.Semaphore(0)
        self.release = threading.Semaphore(0)
        self.waits = False

    def forward(self, x: Tensor, total: Tensor) -> tuple[Tensor, Tensor]:
        if self.waits:
            self.inside.release()
            assert self.release.acquire(timeout=LONG)
        if x.min() < 0:
            raise ValueError("a number is negative")
        return x * 2, x + total


class Doubles(nn.Module):
    """Keeps nothing."""

    def forward(self, x: Tensor) -> Tensor:
        return x * 2


@pytest.fixture
def server(opens: Opens) -> Server:
    return Server(opens(sum=(Sum(), FEEDBACK)), MOST_BYTES)


def step(server: Server, x: Any, identity: int | str = 7, **options: Any) -> Any:
    """Sends a request of a sequence as Triton's client makes it; returns its total."""
    answer = infer(server, "sum", [input_of("input_0", x, "FP32")], sequence_id=identity, **options)
    return result_of(answer, "output_1")


def refusal(server: Server, status: int, model: str = "sum", x: Any = X, **options: Any) -> str:
    reply, _ = infer(server, model, [input_of("input_0", x, "FP32")], **options)
    assert reply.status == status, reply
    return str(json.loads(reply.body)["error"])


def sequences(server: Server) -> Sequences:
    found = server._models["sum"]._sequences
    assert found is not None
    return found


def test_each_sequence_has_a_state_of_its_own(server: Server) -> None:
    assert np.array_equal(step(server, X, 1, sequence_start=True), X)
    assert np.array_equal(step(server, 10 * X, "1", sequence_start=True), 10 * X)
    assert np.array_equal(step(server, X, 1), 2 * X)
    assert np.array_equal(step(server, 10 * X, "1"), 20 * X)
    assert np.array_equal(step(server, X, 1, sequence_end=True), 3 * X)
    assert len(sequences(server)) == 1
    assert "does not know sequence 1 here" in refusal(server, 409, sequence_id=1)
    assert np.array_equal(step(server, X, "1", sequence_end=True), X + 20 * X)
    assert len(sequences(server)) == 0


def test_the_client_sends_what_comes_from_sources(server: Server) -> None:
    metadata = json.loads(respond(server, "GET", "/v2/models/sum").body)
    assert [each["name"] for each in metadata["inputs"]] == ["input_0"]
    assert [each["name"] for each in metadata["outputs"]] == ["output_0", "output_1"]
    assert "sequence_batching" in json.loads(respond(server, "GET", "/v2/models/sum/config").body)
    x = [input_of("input_0", X, "FP32"), input_of("input_1", X, "FP32")]
    reply, _ = infer(server, "sum", x, sequence_id=1, sequence_start=True)
    assert "there is no input 'input_1': the model takes input_0" in json.loads(reply.body)["error"]
    assert "sequence" in json.loads(respond(server, "GET", "/v2").body)["extensions"]


def test_a_start_restarts_and_an_end_may_be_the_start(server: Server) -> None:
    step(server, X, sequence_start=True)
    step(server, X)
    assert np.array_equal(step(server, X, sequence_start=True), X)
    assert np.array_equal(step(server, X, sequence_start=True, sequence_end=True), X)
    message = refusal(server, 409, sequence_id=7)
    assert "start anew with sequence_start and an id that was not used before" in message


def test_initial_data_comes_from_a_file(opens: Opens, tmp_path: Path) -> None:
    torch.save([torch.from_numpy(X), 10 * torch.from_numpy(X)], tmp_path / "start.pt")
    server = Server(opens(sum=(Sum(), FEEDBACK.replace("zeros", "start.pt"))), MOST_BYTES)
    assert np.array_equal(step(server, X, sequence_start=True), 11 * X)
    assert np.array_equal(step(server, X), 12 * X)


def test_a_refused_request_leaves_the_state_as_it_was(server: Server) -> None:
    step(server, X, sequence_start=True)
    assert "negative" in refusal(server, 500, x=-X, sequence_id=7)
    assert np.array_equal(step(server, X), 2 * X)
    outputs = [triton.InferRequestedOutput("output_1", binary_data=False)]
    assert "NaN" in refusal(server, 400, x=X * np.nan, sequence_id=7, outputs=outputs)
    assert np.array_equal(step(server, X), 3 * X)
    assert "negative" in refusal(server, 500, x=-X, sequence_id=7, sequence_start=True)
    refusal(server, 409, sequence_id=7)
    assert len(sequences(server)) == 0


def test_wrong_parameters_are_refused(server: Server, opens: Opens) -> None:
    assert "give a sequence_id, and sequence_start in its first request" in refusal(server, 400)

    def with_parameters(**parameters: Any) -> str:
        entry = {"name": "input_0", "shape": [2, 3], "datatype": "FP32", "data": X.flatten().tolist()}
        body = json.dumps({"inputs": [entry], "parameters": parameters}).encode()
        reply = respond(server, "POST", "/v2/models/sum/infer", body)
        assert reply.status == 400, reply
        return str(json.loads(reply.body)["error"])

    wrong: Any
    for wrong in (-1, 1 << 64, 1.5, True, None, [], "x" * 129):
        assert "'sequence_id' is neither a number of 64 bits" in with_parameters(sequence_id=wrong, sequence_start=True)
    assert "'sequence_start' is neither true nor false" in with_parameters(sequence_id=1, sequence_start=1)
    assert "need a 'sequence_id'" in with_parameters(sequence_id=0, sequence_start=True)
    assert len(sequences(server)) == 0


def test_an_engine_without_feedback_takes_no_sequence(opens: Opens) -> None:
    keys = "from = 'camera'\non = 'camera'"
    server = Server(opens(doubles=(Doubles(), keys)), MOST_BYTES)
    options = {"sequence_id": 1, "sequence_start": True}
    assert "model 'doubles' has no state: leave the sequence's" in refusal(server, 400, "doubles", **options)
    assert infer(server, "doubles", [input_of("input_0", X, "FP32")])[0].status == 200


def test_an_engine_that_takes_from_others_is_called_as_before(opens: Opens) -> None:
    engines = {
        "doubles": (Doubles(), "from = 'camera'\non = 'camera'"),
        "sum": (Sum(), FEEDBACK.replace("camera", "doubles")),
    }
    server = Server(opens(**engines), MOST_BYTES)
    assert "has no state" in refusal_of_both(server)
    x = [input_of("input_0", X, "FP32"), input_of("input_1", X, "FP32")]
    assert np.array_equal(result_of(infer(server, "sum", x), "output_1"), 2 * X)


def refusal_of_both(server: Server) -> str:
    x = [input_of("input_0", X, "FP32"), input_of("input_1", X, "FP32")]
    reply, _ = infer(server, "sum", x, sequence_id=1, sequence_start=True)
    assert reply.status == 400
    return str(json.loads(reply.body)["error"])


def test_too_many_sequences_are_refused_until_others_end_or_are_idle(server: Server) -> None:
    known = sequences(server)
    known._most, known._idle_s = 2, 30.0
    step(server, X, 1, sequence_start=True)
    step(server, X, 2, sequence_start=True)
    reply, _ = infer(server, "sum", [input_of("input_0", X, "FP32")], sequence_id=3, sequence_start=True)
    assert reply.status == 429
    assert 1 <= int(reply.headers["retry-after"]) <= 30
    assert "has 2 sequences, its limit" in json.loads(reply.body)["error"]
    assert np.array_equal(step(server, X, 1, sequence_start=True), X)
    known._live[2].used -= 31
    step(server, X, 3, sequence_start=True)
    assert "it was idle for 30 s" in refusal(server, 409, sequence_id=2)
    step(server, X, 1, sequence_end=True)
    step(server, X, 2, sequence_start=True)


def test_idle_sequences_are_dropped_without_further_requests(server: Server) -> None:
    known = sequences(server)
    known._idle_s = 0.05

    async def start_and_wait() -> None:
        assert (await post(server, X, 1, sequence_start=True)).status == 200
        while len(known):
            await asyncio.sleep(0.02)

    asyncio.run(asyncio.wait_for(start_and_wait(), LONG))


async def post(server: Server, x: Any, identity: int | str, **options: Any) -> Reply:
    """Sends a request of a sequence in the running event loop."""
    body, length = triton.InferenceServerClient.generate_request_body(
        [input_of("input_0", x, "FP32")], sequence_id=identity, **options
    )
    return await server.respond("POST", "/v2/models/sum/infer", {HEADER_LENGTH: str(length)}, body)


def total_of(reply: Reply) -> Any:
    assert reply.status == 200, reply
    length = int(reply.headers[HEADER_LENGTH])
    return triton.InferenceServerClient.parse_response_body(reply.body, header_length=length).as_numpy("output_1")


def test_requests_of_a_sequence_run_in_order(server: Server) -> None:
    async def many() -> list[Reply]:
        first = post(server, X, 5, sequence_start=True)
        between = [post(server, X * 2.0**i, 5, priority=0) for i in range(20)]
        end = post(server, X, 5, sequence_end=True)
        again = post(server, X, 5)
        return await asyncio.gather(first, *between, end, again, post(server, X, 5, sequence_start=True))

    *steps, end, after, anew = asyncio.run(many())
    expected = X
    for i, reply in enumerate(steps[1:]):
        expected = expected + X * 2.0**i
        assert np.array_equal(total_of(reply), expected)
    assert np.array_equal(total_of(end), expected + X)
    assert after.status == 409
    assert np.array_equal(total_of(anew), X)


def test_a_request_that_waits_for_its_turn_too_long_changes_nothing(opens: Opens) -> None:
    module = Sum()
    server = Server(opens(sum=(module, FEEDBACK)), MOST_BYTES)

    async def ask() -> tuple[Reply, Reply, Reply]:
        await post(server, X, 5, sequence_start=True)
        module.waits = True
        slow = asyncio.create_task(post(server, X, 5))
        assert await asyncio.to_thread(module.inside.acquire, timeout=LONG)
        late = asyncio.create_task(post(server, X, 5, timeout=50_000))
        await asyncio.sleep(0.2)
        module.waits = False
        module.release.release()
        return await slow, await late, await post(server, X, 5)

    slow, late, last = asyncio.run(ask())
    assert np.array_equal(total_of(slow), 2 * X)
    assert late.status == 504, late
    assert np.array_equal(total_of(last), 3 * X)


def test_a_client_that_leaves_does_not_stop_its_sequence(opens: Opens) -> None:
    module = Sum()
    server = Server(opens(sum=(module, FEEDBACK)), MOST_BYTES)

    async def ask() -> Reply:
        await post(server, X, 5, sequence_start=True)
        module.waits = True
        left = asyncio.create_task(post(server, X, 5))
        assert await asyncio.to_thread(module.inside.acquire, timeout=LONG)
        waits = asyncio.create_task(post(server, X, 5))
        await asyncio.sleep(0)
        for task in (left, waits):
            task.cancel()
        await asyncio.gather(left, waits, return_exceptions=True)
        module.waits = False
        module.release.release()
        return await post(server, X, 5)

    assert np.array_equal(total_of(asyncio.run(ask())), 2 * X)
