"""Pipelines behind Ray Serve, with Triton's clients over HTTP."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import greenlane as gl
import numpy as np
import pytest
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from python.pipelines import LONG, pipeline_of
from tritonclient.http.auth import BasicAuth
from tritonclient.utils import InferenceServerException

from serve import proxy
from serve.command import MOST_SECONDS, free_port, serving, started
from serve.requests import expect_refusals
from serve.requests import given as input_of

X = np.arange(32, dtype=np.float32).reshape(4, 8)


@pytest.fixture(scope="module")
def served(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A server of the engines "policy" and "head", and its port."""
    folder = tmp_path_factory.mktemp("ray")
    file = pipeline_of(folder, models, policy=("affine", {}), head=("pair", {}))
    with serving(folder / "log", file) as found:
        yield found


@pytest.fixture
def client(served: tuple[subprocess.Popen[bytes], int]) -> Iterator[triton.InferenceServerClient]:
    with contextlib.closing(triton.InferenceServerClient(f"127.0.0.1:{served[1]}", network_timeout=LONG)) as made:
        yield made


def test_tritons_client_finds_and_runs_the_engines(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("policy")
    assert client.get_server_metadata()["version"] == gl.__version__
    assert [entry["name"] for entry in client.get_model_repository_index()] == ["policy", "head"]
    for binary in (True, False):
        outputs = [triton.InferRequestedOutput("output_0", binary_data=binary)]
        result = client.infer("policy", [input_of("input_0", X, "FP32", binary)], outputs=outputs, request_id="a")
        assert np.array_equal(result.as_numpy("output_0"), X * 2 + 1)
    compressed = client.infer("policy", [input_of("input_0", X, "FP32")], request_compression_algorithm="gzip")
    assert np.array_equal(compressed.as_numpy("output_0"), X * 2 + 1)
    expect_refusals(client, "policy, head")


def test_many_clients_get_their_own_results(served: tuple[subprocess.Popen[bytes], int]) -> None:
    async def ask(client: triton_aio.InferenceServerClient, number: int) -> bool:
        x = X + number
        result = await client.infer("policy", [input_of("input_0", x, "FP32")], request_id=str(number))
        return bool(np.array_equal(result.as_numpy("output_0"), x * 2 + 1)) and result.get_response()["id"] == str(
            number
        )

    async def ask_all() -> list[bool]:
        async with triton_aio.InferenceServerClient(f"127.0.0.1:{served[1]}", conn_limit=32) as client:
            answers: list[bool] = []
            for first in range(0, 640, 32):
                answers += await asyncio.gather(*(ask(client, number) for number in range(first, first + 32)))
            return answers

    assert asyncio.run(ask_all()) == [True] * 640


def test_models_are_unloaded_and_loaded_without_a_new_replica(client: triton.InferenceServerClient) -> None:
    before = replicas()
    for _ in range(2):
        client.unload_model("head")
    states = {entry["name"]: (entry["state"], entry["reason"]) for entry in client.get_model_repository_index()}
    assert states == {"policy": ("READY", ""), "head": ("UNAVAILABLE", "unloaded")}
    assert not client.is_model_ready("head")
    result = client.infer("policy", [input_of("input_0", X, "FP32")])
    assert np.array_equal(result.as_numpy("output_0"), X * 2 + 1)
    with pytest.raises(InferenceServerException, match="no engine would be left") as refused:
        client.unload_model("policy")
    assert refused.value.status() == "400"
    with pytest.raises(InferenceServerException, match="there is no model 'nobody'") as refused:
        client.load_model("nobody")
    assert refused.value.status() == "404"
    client.load_model("head")
    assert client.is_model_ready("head")
    assert client.is_server_ready()
    assert replicas() == before


@pytest.mark.skipif(proxy.program() is None, reason="nginx is not here: see tools/setup.sh")
def test_nginx_adds_tls_and_passwords(served: tuple[subprocess.Popen[bytes], int], tmp_path: Path) -> None:
    port = free_port()
    with proxy.nginx(proxy.program() or "", tmp_path, port, served[1]) as certificate:
        options = {"ssl": True, "ssl_options": {"ca_certs": str(certificate)}, "network_timeout": LONG}
        with contextlib.closing(triton.InferenceServerClient(f"localhost:{port}", **options)) as known:
            known.register_plugin(BasicAuth(proxy.USER, proxy.PASSWORD))
            result = known.infer("policy", [input_of("input_0", X, "FP32")])
            assert np.array_equal(result.as_numpy("output_0"), X * 2 + 1)
            assert known.get_model_config("policy")["name"] == "policy"
            with pytest.raises(InferenceServerException) as refused:
                known.load_model("policy")
            assert refused.value.status() == "403"
        with contextlib.closing(triton.InferenceServerClient(f"localhost:{port}", **options)) as unknown:
            assert unknown.is_server_live()
            with pytest.raises(InferenceServerException) as refused:
                unknown.infer("policy", [input_of("input_0", X, "FP32")])
            assert refused.value.status() == "401"


def replicas() -> list[int]:
    """Returns the processes of replicas: Ray names them."""
    listed = subprocess.run(
        ["pgrep", "-f", "^ray::ServeReplica:greenlane"], capture_output=True, text=True, check=False
    )
    return [int(line) for line in listed.stdout.split()]


def test_a_killed_replica_is_replaced(client: triton.InferenceServerClient) -> None:
    before = replicas()
    assert len(before) == 1
    os.kill(before[0], signal.SIGKILL)
    until = time.monotonic() + MOST_SECONDS
    refused: list[Any] = []
    while True:
        assert time.monotonic() < until, refused[-3:]
        try:
            result = client.infer("policy", [input_of("input_0", X, "FP32")])
        except (InferenceServerException, OSError, TimeoutError) as error:
            refused.append(error)
            time.sleep(0.2)
            continue
        assert np.array_equal(result.as_numpy("output_0"), X * 2 + 1)
        if replicas() and replicas() != before:
            break
    statuses = {each.status() for each in refused if isinstance(each, InferenceServerException)} - {None}
    assert all(status.startswith("5") for status in statuses), refused


def test_sigterm_ends_the_server_and_its_replicas(served: tuple[subprocess.Popen[bytes], int]) -> None:
    process, _ = served
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(LONG) == 0
    until = time.monotonic() + LONG
    while replicas() and time.monotonic() < until:
        time.sleep(0.1)
    assert replicas() == []


def test_a_file_that_cannot_be_opened_is_named(models: Path, tmp_path: Path) -> None:
    missing = subprocess.run(
        [sys.executable, "-m", "greenlane.serve", tmp_path / "none.toml"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert missing.returncode == 2
    assert missing.stderr == f"greenlane.serve: '{tmp_path}/none.toml' is no file: check the path\n"
    file = tmp_path / "pipeline.toml"
    file.write_text('[engine.a]\nmodel = "nowhere.pt2"\ninputs = "nowhere.pt"\n')
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert started(tmp_path / "taken", file, "--port", port).wait(LONG) == 1
    assert (tmp_path / "taken").read_text().startswith(f"greenlane.serve: cannot listen at 127.0.0.1:{port}: Address")
    process = started(tmp_path / "log", file, "--port", free_port())
    status = process.wait(MOST_SECONDS)
    output = (tmp_path / "log").read_text()
    assert status == 1, output
    last = [line for line in output.splitlines() if line.startswith("greenlane.serve: ")][-1]
    assert last.startswith(f"greenlane.serve: the pipeline was not deployed: {file}:2: engine.a.model: the file")
