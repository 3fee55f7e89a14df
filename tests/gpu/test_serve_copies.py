"""The copies of greenlane.serve's requests to a GPU and back. Needs no Ray."""

import asyncio
import json
from pathlib import Path

import greenlane as gl
import torch
from greenlane.serve._server import Server


def test_a_request_does_not_wait_for_the_default_stream(models: Path, tmp_path: Path) -> None:
    file = tmp_path / "pipeline.toml"
    table = f"[engine.affine]\nmodel = '{models / 'affine.pt2'}'\ninputs = '{models / 'affine.inputs.pt'}'\n"
    file.write_text(f"device = 'cuda:0'\n{table}")
    with gl.Pipeline(file) as pipeline:
        server = Server(pipeline, 1 << 20)

        def answer(value: float) -> list[float]:
            tensor = {"name": "input_0", "shape": [256], "datatype": "FP32", "data": [value] * 256}
            body = json.dumps({"inputs": [tensor]}).encode()
            reply = asyncio.run(server.respond("POST", "/v2/models/affine/infer", {}, body))
            assert reply.status == 200, reply
            return list(json.loads(reply.body)["outputs"][0]["data"])

        assert answer(1.0) == [3.0] * 256
        busy = torch.cuda.Event()
        torch.cuda._sleep(2_000_000_000)  # about a second
        busy.record()
        assert answer(2.0) == [5.0] * 256
        assert not busy.query()
