"""Paths of queues as models: what is published comes back as the answer to its request."""

import asyncio
import json
import threading
import time
from typing import Any

import numpy as np
import pytest
from greenlane.serve import _paths
from greenlane.serve._messages import HEADER_LENGTH, Reply
from greenlane.serve._server import Server
from python.pipelines import LONG
from torch import Tensor, nn
from tritonclient.http import InferenceServerClient

from serve.module_pipelines import Opens
from serve.requests import MOST_BYTES, infer, respond, result_of
from serve.requests import given as input_of

X = np.arange(6, dtype=np.float32).reshape(2, 3)
ACT = "[path.act]\nfrom = 'camera'\nto = 'policy'\n"
SEES = "from = { output = 'camera', queue = 8 }\non = 'camera'"
ACTS = "from = { output = 'vision', queue = 8 }\non = 'vision'"


class Adds(nn.Module):
    """Adds a number. Fails for numbers below 0, and waits if it is told so."""

    def __init__(self, number: float = 1.0) -> None:
        super().__init__()
        self.number = number
        self.inside = threading.Semaphore(0)
        self.release = threading.Semaphore(0)
        self.waits = False

    def forward(self, x: Tensor) -> Tensor:
        if self.waits:
            self.inside.release()
            assert self.release.acquire(timeout=LONG)
        if x.min() < 0:
            raise ValueError("a number is negative")
        return x + self.number


class Join(nn.Module):
    """Joins two tensors."""

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return x - y, x + y


@pytest.fixture
def robot(opens: Opens) -> tuple[Server, Adds, Adds]:
    vision, policy = Adds(1), Adds(10)
    return Server(opens(ACT, vision=(vision, SEES), policy=(policy, ACTS)), MOST_BYTES), vision, policy


def ask(server: Server, x: Any = X, model: str = "act", **options: Any) -> Any:
    return infer(server, model, [input_of("camera", x, "FP32")], **options)


def error_of(reply: Reply, status: int) -> str:
    assert reply.status == status, reply
    return str(json.loads(reply.body)["error"])


async def post(server: Server, x: Any, **options: Any) -> Reply:
    """Sends a request in the running event loop."""
    body, length = InferenceServerClient.generate_request_body([input_of("camera", x, "FP32")], **options)
    return await server.respond("POST", "/v2/models/act/infer", {HEADER_LENGTH: str(length)}, body)


def value_of(reply: Reply) -> Any:
    assert reply.status == 200, reply
    length = int(reply.headers[HEADER_LENGTH])
    return InferenceServerClient.parse_response_body(reply.body, header_length=length).as_numpy("output_0")


def test_a_request_goes_in_at_the_source_and_comes_out_at_the_end(robot: tuple[Server, Adds, Adds]) -> None:
    server = robot[0]
    for i in range(5):
        assert np.array_equal(result_of(ask(server, X + i), "output_0"), X + i + 11)
    index = json.loads(respond(server, "POST", "/v2/repository/index").body)
    assert [each["name"] for each in index] == ["vision", "policy", "act"]
    metadata = json.loads(respond(server, "GET", "/v2/models/act").body)
    assert metadata["name"] == "act"
    assert metadata["inputs"] == [{"name": "camera", "datatype": "FP32", "shape": [2, 3]}]
    assert metadata["outputs"] == [{"name": "output_0", "datatype": "FP32", "shape": [2, 3]}]
    figures = json.loads(respond(server, "GET", "/v2/models/act/stats").body)["model_stats"][0]
    assert (figures["name"], figures["inference_count"]) == ("act", 5)
    assert respond(server, "GET", "/v2/models/act/ready").status == 200
    assert np.array_equal(result_of(infer(server, "policy", [input_of("input_0", X, "FP32")]), "output_0"), X + 10), (
        "the engines are models, too"
    )


def test_many_requests_get_their_own_results(robot: tuple[Server, Adds, Adds]) -> None:
    server = robot[0]

    async def all_at_once() -> list[Reply]:
        return await asyncio.gather(*(post(server, X + i) for i in range(40)))

    for i, reply in enumerate(asyncio.run(all_at_once())):
        assert np.array_equal(value_of(reply), X + i + 11)


def test_wrong_inputs_are_refused_before_they_are_published(robot: tuple[Server, Adds, Adds]) -> None:
    server = robot[0]
    reply, _ = ask(server, np.ones((3, 3), np.float32))
    assert "input 'camera' has the shape [3, 3], and the model takes [2, 3]" in error_of(reply, 400)
    assert "has no state" in error_of(ask(server, sequence_id=1, sequence_start=True)[0], 400)
    assert "is a path: load or unload its engines" in error_of(
        respond(server, "POST", "/v2/repository/models/act/unload"), 400
    )
    assert server._models["act"]._pipeline.stats().sources == {"camera": 0}


@pytest.mark.parametrize("at", [0, 9])
def test_a_failure_on_the_way_is_the_servers_and_the_next_request_goes_on(opens: Opens, at: int) -> None:
    vision, policy = Adds(-at), Adds(10)
    server = Server(opens(ACT, vision=(vision, SEES), policy=(policy, ACTS)), MOST_BYTES)
    x = X - 1 if at == 0 else X
    message = error_of(ask(server, x)[0], 500)
    assert "an engine of path 'act' failed or skipped the request: vision, policy" in message
    assert np.array_equal(result_of(ask(server, X + 20), "output_0"), X + 20 - at + 10)


def test_a_late_answer_is_not_another_requests(robot: tuple[Server, Adds, Adds]) -> None:
    server, vision, _ = robot

    async def both() -> tuple[Reply, Reply, Reply]:
        vision.waits = True
        begin = time.monotonic()
        late = await post(server, X, timeout=100_000)
        assert time.monotonic() - begin < LONG / 2
        waiting = asyncio.create_task(post(server, X + 100))
        expired = asyncio.create_task(post(server, X + 200, timeout=50_000))
        await asyncio.sleep(0.2)
        vision.waits = False
        vision.release.release()
        return late, await waiting, await expired

    late, waiting, expired = asyncio.run(both())
    assert "path 'act' had no result by the request's timeout, 100000 us" in error_of(late, 504)
    assert np.array_equal(value_of(waiting), X + 111)
    assert expired.status in (503, 504)


def test_a_client_that_leaves_does_not_stop_the_path(robot: tuple[Server, Adds, Adds]) -> None:
    server, vision, _ = robot

    async def leave() -> Reply:
        vision.waits = True
        tasks = [asyncio.create_task(post(server, X + i)) for i in range(3)]
        assert await asyncio.to_thread(vision.inside.acquire, timeout=LONG)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        vision.waits = False
        vision.release.release()
        return await post(server, X + 50)

    assert np.array_equal(value_of(asyncio.run(leave())), X + 61)
    assert server._feeders["camera"].requests == 0
    assert server._models["act"]._pipeline.stats().sources == {"camera": 2}, "two requests were not published"


def test_too_many_requests_are_refused(robot: tuple[Server, Adds, Adds], monkeypatch: pytest.MonkeyPatch) -> None:
    server, vision, _ = robot
    monkeypatch.setattr(_paths, "MOST_WAITING", 2)

    async def crowd() -> list[Reply]:
        vision.waits = True
        tasks = [asyncio.create_task(post(server, X + i)) for i in range(5)]
        assert await asyncio.to_thread(vision.inside.acquire, timeout=LONG)
        vision.waits = False
        vision.release.release()
        return list(await asyncio.gather(*tasks))

    replies = asyncio.run(crowd())
    assert [reply.status for reply in replies] == [200, 200, 200, 429, 429]
    assert replies[-1].headers["retry-after"] == "1"


def test_an_engine_that_stopped_is_unavailable(opens: Opens) -> None:
    pipeline = opens(ACT, vision=(Adds(), SEES + "\non_error = 'stop'"), policy=(Adds(), ACTS))
    server = Server(pipeline, MOST_BYTES)
    assert ask(server, X - 1)[0].status in (500, 503)
    assert "engine 'vision'" in error_of(ask(server)[0], 503)
    assert respond(server, "GET", "/v2/models/act/ready").status == 503
    pipeline.close()
    assert ask(server)[0].status == 503


def test_no_answer_without_a_timeout_ends_at_last(
    robot: tuple[Server, Adds, Adds], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, vision, _ = robot
    monkeypatch.setattr(_paths, "LONGEST_S", 0.1)
    vision.waits = True
    assert "path 'act' had no result within 0.1 s" in error_of(ask(server)[0], 504)
    vision.waits = False
    vision.release.release()


def test_paths_with_latest_edges_are_no_models(opens: Opens) -> None:
    latest = "from = 'vision'\non = 'vision'"
    server = Server(opens(ACT, vision=(Adds(), SEES), policy=(Adds(), latest)), MOST_BYTES)
    assert "there is no model 'act': use vision, policy" in error_of(ask(server)[0], 404)


def test_paths_that_one_request_cannot_fill_are_explained(opens: Opens) -> None:
    several = "from = [{ output = 'vision', queue = 8 }, { output = 'state', queue = 8 }]\non = 'vision'"
    sources = "[source.camera]\n[source.state]\n"
    untouched = "[path.untouched]\nfrom = 'camera'\nto = 'vision'\n"
    pipeline = opens(ACT + untouched, sources, vision=(Adds(), SEES), policy=(Join(), several))
    server = Server(pipeline, MOST_BYTES)
    message = error_of(ask(server)[0], 501)
    assert "path 'act' is no model: engine 'policy' takes from several producers" in message
    index = json.loads(respond(server, "POST", "/v2/repository/index").body)
    assert ("act", "UNAVAILABLE") in [(each["name"], each["state"]) for each in index]
    assert respond(server, "GET", "/v2/health/ready").status == 200
    assert np.array_equal(result_of(ask(server, model="untouched"), "output_0"), X + 1)


def test_a_path_that_nothing_runs_is_explained(opens: Opens) -> None:
    triggered = ACTS.replace("on = 'vision'", "on = []")
    server = Server(opens(ACT, vision=(Adds(), SEES), policy=(Adds(), triggered)), MOST_BYTES)
    assert "engine 'policy' runs only when it is triggered: give it `on`" in error_of(ask(server)[0], 501)


def test_an_engine_has_its_name_before_a_path(opens: Opens) -> None:
    path = ACT.replace("act", "vision")
    server = Server(opens(path, vision=(Adds(1), SEES), policy=(Adds(10), ACTS)), MOST_BYTES)
    assert np.array_equal(result_of(infer(server, "vision", [input_of("input_0", X, "FP32")]), "output_0"), X + 1)
    index = {each["name"]: each for each in json.loads(respond(server, "POST", "/v2/repository/index").body)}
    assert index["vision"]["state"] == "READY"
    assert "the engine has its name: rename the path" in index["vision"]["reason"]
    assert index["policy"]["reason"] == ""


def test_a_source_with_several_tensors_names_them(opens: Opens) -> None:
    join = "from = [{ output = 'camera.0', queue = 4 }, { output = 'camera.1', queue = 4 }]\non = 'camera'"
    server = Server(opens(ACT, policy=(Join(), join)), MOST_BYTES)
    x = [input_of("camera.1", X * 3, "FP32"), input_of("camera.0", X, "FP32")]
    answer = infer(server, "act", x)
    assert np.array_equal(result_of(answer, "output_0"), X - X * 3)
    assert np.array_equal(result_of(answer, "output_1"), X + X * 3)
