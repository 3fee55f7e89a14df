"""Batches, priorities and tenants behind the protocol, without a network."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import greenlane as gl
import numpy as np
import pytest
import torch
import tritonclient.http as triton
from greenlane.serve._messages import HEADER_LENGTH, Reply
from greenlane.serve._server import Server
from python.pipelines import pipeline_of, under_way

from serve.requests import MOST_BYTES, given


@pytest.fixture(scope="module")
def pipeline(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[gl.Pipeline]:
    file = pipeline_of(
        tmp_path_factory.mktemp("batches"),
        models,
        batched=("pair", {"max_batch": 8, "max_delay_ms": 3_600_000.0, "batch_sizes": [2, 8]}),
        ordered=("affine", {}),
        limited=("affine", {"tenant": "alice"}),
    )
    file.write_text(file.read_text() + "[tenant.alice]\nrate_hz = 0.001\nburst = 1\n")
    with gl.Pipeline(file, mode="shared") as opened:
        yield opened


async def send(server: Server, model: str, inputs: list[triton.InferInput], **options: int) -> Reply:
    """Sends one request as Triton's client makes it."""
    body, length = triton.InferenceServerClient.generate_request_body(inputs, **options)
    return await server.respond("POST", f"/v2/models/{model}/infer", {HEADER_LENGTH: str(length)}, body)


def outputs(reply: Reply, name: str) -> np.ndarray:
    assert reply.status == 200, reply
    length = int(reply.headers[HEADER_LENGTH])
    array = triton.InferenceServerClient.parse_response_body(reply.body, header_length=length).as_numpy(name)
    assert array is not None
    return np.asarray(array)


def test_requests_of_several_clients_run_together(pipeline: gl.Pipeline) -> None:
    server = Server(pipeline, MOST_BYTES)
    given_rows = [np.random.rand(rows, 8).astype(np.float32) for rows in (1, 2, 3, 2)]
    indices = [np.arange(len(x)) + 2 for x in given_rows]

    async def all_of_them() -> list[Reply]:
        return await asyncio.gather(
            *(
                send(server, "batched", [given("input_0", x, "FP32"), given("index", index, "INT64")])
                for x, index in zip(given_rows, indices, strict=True)
            )
        )

    for reply, x, index in zip(asyncio.run(all_of_them()), given_rows, indices, strict=True):
        assert np.allclose(outputs(reply, "scaled"), x * index[:, None])
        assert np.array_equal(outputs(reply, "both.1"), index + 1)
    (stats,) = json.loads(asyncio.run(server.respond("GET", "/v2/models/batched/stats", {}, b"")).body)["model_stats"]
    assert (stats["inference_count"], stats["execution_count"], stats["inference_stats"]["success"]["count"]) == (
        8,
        1,
        4,
    )


def test_the_configuration_has_the_most_rows_and_the_sizes_of_one(pipeline: gl.Pipeline) -> None:
    server = Server(pipeline, MOST_BYTES)
    config = json.loads(asyncio.run(server.respond("GET", "/v2/models/batched/config", {}, b"")).body)
    assert config["max_batch_size"] == 8
    assert {each["name"]: each["dims"] for each in config["input"]} == {"input_0": [8], "index": []}
    metadata = json.loads(asyncio.run(server.respond("GET", "/v2/models/batched", {}, b"")).body)
    assert [each["dims"] for each in config["output"]] == [each["shape"][1:] for each in metadata["outputs"]]


def test_a_request_with_more_rows_than_a_run_is_refused(pipeline: gl.Pipeline) -> None:
    x, index = np.zeros((9, 8), np.float32), np.zeros(9, np.int64)
    reply = asyncio.run(
        send(Server(pipeline, MOST_BYTES), "batched", [given("input_0", x, "FP32"), given("index", index, "INT64")])
    )
    assert reply.status == 400
    assert b"input_0" in reply.body


def test_a_priority_of_one_comes_first(pipeline: gl.Pipeline) -> None:
    server, x = Server(pipeline, MOST_BYTES), np.ones((4, 8), np.float32)
    order: list[int] = []

    async def one(priority: int) -> None:
        reply = await send(server, "ordered", [given("input_0", x, "FP32")], priority=priority)
        assert reply.status == 200
        order.append(priority)

    async def all_of_them() -> None:
        with under_way(pipeline["ordered"], torch.ones(4, 8)):
            tasks = [asyncio.ensure_future(one(priority)) for priority in (0, 3, 1, 2)]
            await asyncio.sleep(0.2)  # they are queued by then
        await asyncio.gather(*tasks)

    asyncio.run(all_of_them())
    assert order == [1, 2, 3, 0]


def test_a_tenant_that_sends_too_many_gets_429(pipeline: gl.Pipeline) -> None:
    server, x = Server(pipeline, MOST_BYTES), np.ones((4, 8), np.float32)
    replies = [asyncio.run(send(server, "limited", [given("input_0", x, "FP32")])) for _ in range(2)]
    assert [reply.status for reply in replies] == [200, 429]
    assert "alice" in json.loads(replies[1].body)["error"]
    assert int(replies[1].headers["retry-after"]) >= 1
