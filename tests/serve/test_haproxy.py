"""The command line with HAProxy, with Triton's client over HTTP."""

import contextlib
import os
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tritonclient.http as triton
from greenlane.serve.__main__ import main
from greenlane.serve._environment import haproxy_environment, haproxy_obstacle
from python.pipelines import LONG, pipeline_of

from serve.command import MOST_SECONDS, free_port, serving
from serve.requests import expect_refusals
from serve.requests import given as input_of

X = np.arange(32, dtype=np.float32).reshape(4, 8)
FEEDBACK = "from = [{ output = 'next', initial = 'zeros' }]\non = []\n"
PORTS = ("RAY_SERVE_HAPROXY_STATS_PORT", "RAY_SERVE_HAPROXY_METRICS_PORT")


@pytest.fixture(scope="module")
def port(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a server with two replicas. It ends well, too."""
    folder = tmp_path_factory.mktemp("haproxy")
    file = pipeline_of(folder, models, policy=("affine", {}), next=("affine", {}))
    file.write_text(file.read_text() + FEEDBACK)  # of the last engine
    variables = {name: str(free_port()) for name in PORTS}
    with serving(folder / "log", file, "--haproxy", "--replicas", "2", **variables) as (process, port):
        yield port
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(MOST_SECONDS) == 0


@pytest.fixture
def client(port: int) -> Iterator[triton.InferenceServerClient]:
    with contextlib.closing(triton.InferenceServerClient(f"127.0.0.1:{port}", network_timeout=LONG)) as made:
        yield made


def test_haproxy_answers_as_the_pipeline_does(client: triton.InferenceServerClient, port: int) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/health/live", timeout=LONG) as reply:
        assert "uvicorn" in reply.headers["server"], "a proxy of Ray's answered"
    result = client.infer("policy", [input_of("input_0", X, "FP32")], request_id="a")
    assert np.array_equal(result.as_numpy("output_0"), X * 2 + 1)
    expect_refusals(client, "policy, next")


def test_the_sequences_of_a_session_stay_with_a_replica(client: triton.InferenceServerClient) -> None:
    for number in range(1, 8):  # an odd number, so that two replicas cannot have equally many
        for i in range(1, 6):
            places = {"sequence_id": number, "sequence_start": i == 1, "sequence_end": i == 5}
            result = client.infer("next", [], headers={"x-session-id": str(number)}, **places)
            assert np.all(result.as_numpy("output_0") == 2**i - 1), (number, i)
    counts: set[int] = set()
    until = time.monotonic() + LONG
    while len(counts) < 2:  # without the header all replicas answer in turns
        assert time.monotonic() < until, counts
        counts.add(client.get_inference_statistics("next")["model_stats"][0]["inference_count"])
    assert sum(counts) == 7 * 5


def test_a_running_cluster_has_its_own_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:6379")
    file = tmp_path / "pipeline.toml"
    file.write_text('[engine.a]\nmodel = "nowhere.pt2"\ninputs = "nowhere.pt"\n')
    assert main([str(file), "--haproxy", "--port", str(free_port())]) == 1
    assert "set the variables for `ray start`" in capsys.readouterr().err


def test_a_port_for_figures_that_is_taken_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "pipeline.toml"
    file.write_text('[engine.a]\nmodel = "nowhere.pt2"\ninputs = "nowhere.pt"\n')
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv(PORTS[0], str(free_port()))
        monkeypatch.setenv(PORTS[1], str(port))
        assert main([str(file), "--haproxy", "--port", str(free_port())]) == 1
    message = capsys.readouterr().err
    assert message.startswith(f"greenlane.serve: cannot listen at 0.0.0.0:{port}: Address already in use")
    assert message.endswith(f"choose another with {PORTS[1]}\n")


def test_each_server_has_its_own_files_and_fallback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"RAY_SERVE_HAPROXY_BALANCE_ALGORITHM": "leastconn"})
    with haproxy_environment():
        folder = Path(os.environ["RAY_SERVE_HAPROXY_SOCKET_PATH"]).parent
        assert folder.stat().st_mode & 0o777 == 0o700
        assert os.environ["RAY_SERVE_FALLBACK_PROXY_HTTP_PORT"] != "8500", "two servers would answer for each other"
        assert os.environ["RAY_SERVE_HAPROXY_BALANCE_ALGORITHM"] == "leastconn"
    assert not folder.exists()
    assert os.environ == {"RAY_SERVE_HAPROXY_BALANCE_ALGORITHM": "leastconn"}


def test_ports_are_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in ("abc", "0", "70000", "²"):
        monkeypatch.setenv(PORTS[0], wrong)
        assert haproxy_obstacle() == f"{PORTS[0]} is {wrong!r}: give a port from 1 to 65535"
