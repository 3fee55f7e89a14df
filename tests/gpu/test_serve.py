"""greenlane.serve on GPUs: a replica for each, which answers by the Open Inference Protocol."""

import json
import socket
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

ray = pytest.importorskip("ray", reason="Ray is not installed")
from greenlane.serve import build  # noqa: E402
from ray import serve  # noqa: E402

LENGTH = "Inference-Header-Content-Length"


@pytest.fixture(scope="module")
def address(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serves the package whose rows vary, in batches, on all GPUs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    file = tmp_path_factory.mktemp("serve") / "pipeline.toml"
    file.write_text(
        "device = 'cuda:0'\n[engine.rows]\nmax_batch = 8\nmax_delay_ms = 2\n"
        f"model = '{models / 'rows.pt2'}'\ninputs = '{models / 'rows.inputs.pt'}'\n[lane.rows]\nunits = 64\n"
    )
    ray.init(namespace="serve", include_dashboard=False)
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    serve.run(build(str(file), replicas="auto"), name="greenlane", route_prefix="/")
    yield f"http://127.0.0.1:{port}"
    serve.shutdown()
    ray.shutdown()


def ask(address: str, x: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Returns the first output for these inputs."""
    parts = [each.numpy().tobytes() for each in (x, scale)]
    inputs = [
        {
            "name": f"input_{i}",
            "datatype": "FP16",
            "shape": list(each.shape),
            "parameters": {"binary_data_size": each.nbytes},
        }
        for i, each in enumerate((x, scale))
    ]
    outputs = [{"name": "output_0", "parameters": {"binary_data": True}}]
    head = json.dumps({"inputs": inputs, "outputs": outputs}).encode()
    request = urllib.request.Request(
        f"{address}/v2/models/rows/infer", head + b"".join(parts), {LENGTH: str(len(head))}
    )
    with urllib.request.urlopen(request, timeout=60) as reply:
        body = bytearray(reply.read())
        return torch.frombuffer(body, dtype=torch.half, offset=int(reply.headers[LENGTH])).view(len(x), 128)


def statistics(address: str) -> dict[str, Any]:
    """Returns the statistics of the replica that answers."""
    with urllib.request.urlopen(f"{address}/v2/models/rows/stats", timeout=60) as reply:
        (found,) = json.load(reply)["model_stats"]
    return dict(found)


def test_every_gpu_has_a_replica_and_every_request_its_answer(address: str, models: Path) -> None:
    deployment = serve.status().applications["greenlane"].deployments["greenlane"]
    assert sum(deployment.replica_states.values()) == torch.cuda.device_count()
    assert ray.available_resources().get("GPU", 0) == 0
    reference = torch._inductor.aoti_load_package(str(models / "rows.pt2"))

    def one(turn: int) -> None:
        generator, rows = torch.Generator().manual_seed(turn), 1 + turn % 8
        x, scale = torch.randn(rows, 256, generator=generator).half(), torch.rand(rows, generator=generator).half()
        expected = reference(x.cuda(), scale.cuda())[0].cpu()
        torch.testing.assert_close(ask(address, x, scale), expected, rtol=2e-2, atol=2e-2)

    with ThreadPoolExecutor(8) as clients:
        list(clients.map(one, range(400)))
    seen = {statistics(address)["inference_count"] for _ in range(60)}
    assert len(seen) == torch.cuda.device_count(), "each replica counts its own"
    assert 0 not in seen
