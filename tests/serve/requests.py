"""Requests to a server without a network, made and read by Triton's client."""

import asyncio
from typing import Any

import greenlane as gl
import numpy as np
import pytest
import tritonclient.http as triton
from greenlane.serve._messages import HEADER_LENGTH, Reply
from greenlane.serve._server import Server
from tritonclient.utils import InferenceServerException

MOST_BYTES = 1 << 20


def respond(
    pipeline: gl.Pipeline | Server, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> Reply:
    """Returns the reply to one request, in an event loop of its own."""
    server = pipeline if isinstance(pipeline, Server) else Server(pipeline, MOST_BYTES)
    return asyncio.run(server.respond(method, path, headers or {}, body))


def given(name: str, array: Any, datatype: str, binary: bool = True) -> triton.InferInput:
    """Returns an input of the client."""
    made = triton.InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array, binary_data=binary)
    return made


def infer(
    pipeline: gl.Pipeline | Server, model: str, inputs: list[triton.InferInput], **options: Any
) -> tuple[Reply, triton.InferResult | None]:
    """Sends a request as Triton's client makes it; returns the reply, and the result if there is one."""
    body, length = triton.InferenceServerClient.generate_request_body(inputs, **options)
    headers = {} if length is None else {HEADER_LENGTH: str(length)}
    reply = respond(pipeline, "POST", f"/v2/models/{model}/infer", body, headers)
    if reply.status != 200:
        return reply, None
    head = reply.headers.get(HEADER_LENGTH)
    return reply, triton.InferenceServerClient.parse_response_body(reply.body, header_length=head and int(head))


def result_of(answer: tuple[Reply, triton.InferResult | None], output: str) -> Any:
    """Returns an output of a request that must have succeeded."""
    reply, result = answer
    assert result is not None, reply
    array = result.as_numpy(output)
    assert isinstance(array, np.ndarray)
    return array


def expect_refusals(client: triton.InferenceServerClient, models: str) -> None:
    """Asks a server of these models, "policy" among them, for what it cannot give."""
    inputs = [given("input_0", np.zeros((4, 8), np.float32), "FP32")]
    with pytest.raises(InferenceServerException, match=f"there is no model 'nobody': use {models}") as refused:
        client.infer("nobody", inputs)
    assert refused.value.status() == "404"
    with pytest.raises(InferenceServerException, match="cannot answer in the request's time"):
        client.infer("policy", inputs, timeout=1)
