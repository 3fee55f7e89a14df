"""The Open Inference Protocol, by requests of Triton's client and by hand, without a network."""

import gzip
import json
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import greenlane as gl
import numpy as np
import pytest
import torch
import tritonclient.http as triton
from greenlane._tensor_info import NO_LIMIT
from greenlane.serve._datatypes import _DTYPES
from greenlane.serve._errors import ProtocolError
from greenlane.serve._messages import HEADER_LENGTH
from greenlane.serve._model import _unsupported
from greenlane.serve._server import Server
from greenlane.serve._tensors import binary_data, json_data, read_tensor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from python.pipelines import held, pipeline_of, under_way

from serve.requests import MOST_BYTES, infer, respond, result_of
from serve.requests import given as input_of

X = np.arange(32, dtype=np.float32).reshape(4, 8)
INDEX = np.array([3, 1, 4, 1])


@pytest.fixture(scope="module")
def pipeline(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[gl.Pipeline]:
    file = pipeline_of(
        tmp_path_factory.mktemp("serve"),
        models,
        policy=("affine", {"hang_ms": 60_000}),
        head=("pair", {}),
        throws=("throws", {}),
        short=("affine", {"request_queue": 1, "hang_ms": 60_000}),
    )
    with gl.Pipeline(file, mode="shared") as opened:
        yield opened


def x_as_json(**changes: Any) -> dict[str, Any]:
    return {"name": "input_0", "shape": [4, 8], "datatype": "FP32", "data": X.tolist(), **changes}


def refusal(pipeline: gl.Pipeline | Server, document: Any, status: int = 400, tail: bytes = b"", **headers: str) -> str:
    """Returns the error of a request to "policy" that must be refused."""
    head = document if isinstance(document, bytes) else json.dumps(document).encode()
    if tail:
        headers[HEADER_LENGTH] = str(len(head))
    reply = respond(
        pipeline, "POST", "/v2/models/policy/infer", head + tail, {k.replace("_", "-"): v for k, v in headers.items()}
    )
    assert reply.status == status, reply
    message = json.loads(reply.body)["error"]
    assert isinstance(message, str)
    return message


@pytest.mark.parametrize("binary_input", [True, False], ids=["binary", "json"])
@pytest.mark.parametrize("binary_output", [True, False], ids=["binary", "json"])
def test_outputs_are_the_models(pipeline: gl.Pipeline, binary_input: bool, binary_output: bool) -> None:
    inputs = [input_of("input_0", X, "FP32", binary_input), input_of("index", INDEX, "INT64", binary_input)]
    outputs = [triton.InferRequestedOutput(name, binary_data=binary_output) for name in ("both.1", "scaled")]
    answer = infer(pipeline, "head", inputs, outputs=outputs, request_id="seven")
    assert np.array_equal(result_of(answer, "scaled"), X * INDEX[:, None])
    assert np.array_equal(result_of(answer, "both.1"), INDEX + 1)
    assert answer[1] is not None
    response = answer[1].get_response()
    assert (response["id"], response["model_name"], response["model_version"]) == ("seven", "head", "1")
    assert [output["name"] for output in response["outputs"]] == ["both.1", "scaled"]


def test_sizes_may_vary_as_the_package_allows(pipeline: gl.Pipeline) -> None:
    for rows in (2, 32):
        x, index = np.ones((rows, 8), np.float32), np.arange(rows)
        answer = infer(pipeline, "head", [input_of("input_0", x, "FP32"), input_of("index", index, "INT64")])
        assert np.array_equal(result_of(answer, "both.0"), np.full(rows, 8))
    x = np.ones((33, 8), np.float32)
    reply, _ = infer(pipeline, "head", [input_of("input_0", x, "FP32"), input_of("index", np.arange(33), "INT64")])
    assert reply.status == 400
    assert "has the shape [33, 8], and the model takes [2..32, 8]" in json.loads(reply.body)["error"]


def test_metadata_name_inputs_and_outputs(pipeline: gl.Pipeline) -> None:
    metadata = json.loads(respond(pipeline, "GET", "/v2/models/head/versions/1").body)
    assert metadata["inputs"] == [
        {"name": "input_0", "datatype": "FP32", "shape": [-1, 8]},
        {"name": "index", "datatype": "INT64", "shape": [-1]},
    ]
    assert [(output["name"], output["datatype"]) for output in metadata["outputs"]] == [
        ("scaled", "FP32"),
        ("both.0", "FP32"),
        ("both.1", "INT64"),
    ]


def test_statistics_count_answers_and_refusals(pipeline: gl.Pipeline) -> None:
    server = Server(pipeline, MOST_BYTES)
    for _ in range(3):
        infer(server, "policy", [input_of("input_0", X, "FP32")])
    refusal(server, {"inputs": []})
    figures = json.loads(respond(server, "GET", "/v2/models/policy/stats").body)["model_stats"][0]
    assert figures["inference_count"] == 3
    assert figures["inference_stats"]["success"]["count"] == 3
    assert figures["inference_stats"]["fail"]["count"] == 1
    assert figures["inference_stats"]["success"]["ns"] > 0


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"{", "the body is no JSON"),
        (b"\xff", "the body is no JSON"),
        (b"[" * 10_000, "the body is no JSON"),
        ([], "no JSON object"),
        ({}, "'inputs' is no list"),
        ({"inputs": [3]}, "an entry of 'inputs' has no name"),
        ({"inputs": []}, "input 'input_0' is missing: the model takes input_0"),
        ({"inputs": [x_as_json(), x_as_json()]}, "'input_0' is in 'inputs' twice"),
        ({"inputs": [x_as_json(), x_as_json(name="y")]}, "there is no input 'y': the model takes input_0"),
        ({"inputs": [x_as_json(datatype="FP64")]}, "input 'input_0' is FP64, and the model takes FP32"),
        ({"inputs": [x_as_json(datatype="BYTES")]}, "datatype 'BYTES' of input 'input_0' is not supported"),
        ({"inputs": [x_as_json(datatype=[])]}, "datatype [] of input 'input_0' is not supported"),
        ({"inputs": [x_as_json(shape=[8, 4])]}, "has the shape [8, 4], and the model takes [4, 8]"),
        ({"inputs": [x_as_json(shape=[4, 8.0])]}, "the shape of input 'input_0' is [4, 8.0]"),
        ({"inputs": [x_as_json(shape=[True, 8])]}, "the shape of input 'input_0' is [True, 8]"),
        ({"inputs": [x_as_json(shape=[-4, -8])]}, "the shape of input 'input_0' is [-4, -8]"),
        ({"inputs": [x_as_json(data=[1] * 33)]}, "holds more than 32 values, and its shape [4, 8] takes 32"),
        ({"inputs": [x_as_json(data=[[]] * 1000)]}, "holds 0 values"),
        ({"inputs": [x_as_json(data=[1e39] * 32)]}, "holds a number that FP32 cannot"),
        ({"inputs": [x_as_json(data=[float("nan")] * 32)]}, "NaN is no number of JSON; send binary data"),
        (b'{"inputs": [{"name": "input_0", "shape": [4, 8], "datatype": "FP32", "data": [1e999]}]}', "holds 1 values"),
        ({"inputs": [x_as_json(data=[1] * 31)]}, "holds 31 values, and its shape [4, 8] takes 32"),
        ({"inputs": [x_as_json(data=["a"] * 32)]}, "holds 'a', which is no FP32"),
        ({"inputs": [x_as_json(data=[True] * 32)]}, "holds True, which is no FP32"),
        ({"inputs": [x_as_json(data=[10**400] * 32)]}, "holds a number that FP32 cannot"),
        ({"inputs": [{"name": "input_0", "shape": [4, 8], "datatype": "FP32"}]}, "input 'input_0' has no data"),
        ({"inputs": [x_as_json(parameters={"binary_data_size": 128})]}, "'binary_data_size' of input 'input_0' is no"),
        ({"inputs": [x_as_json(parameters={"shared_memory_region": "a"})]}, "shared memory, which is not supported"),
        ({"inputs": [x_as_json(parameters=3)]}, "the parameters of input 'input_0' are no object"),
        ({"inputs": [x_as_json()], "outputs": [{"name": "y"}]}, "there is no output 'y': the model returns output_0"),
        ({"inputs": [x_as_json()], "parameters": {"binary_data_output": 1}}, "'binary_data_output' is neither"),
        ({"inputs": [x_as_json()], "parameters": {"timeout": -1}}, "'timeout' is no number of microseconds"),
        ({"inputs": [x_as_json()], "parameters": {"timeout": 1.5}}, "'timeout' is no number of microseconds"),
        (
            {"inputs": [x_as_json()], "parameters": {"sequence_id": 7}},
            "'policy' has no state: leave the sequence's parameters",
        ),
        ({"inputs": [x_as_json()], "parameters": {"priority": -1}}, "'priority' is no whole number"),
        ({"inputs": [x_as_json()], "parameters": {"priority": True}}, "'priority' is no whole number"),
        ({"inputs": [x_as_json()], "parameters": []}, "the parameters of the request are no object"),
        (b'{"inputs": ' + b"9" * 5000 + b"}", "a number has too many digits"),
        ({"inputs": [x_as_json()], "id": 7}, "'id' is no string"),
    ],
)
def test_wrong_requests_are_refused_with_the_reason(pipeline: gl.Pipeline, document: Any, message: str) -> None:
    assert message in refusal(pipeline, document)


def test_wrong_binary_data_is_refused(pipeline: gl.Pipeline) -> None:
    entry = {"name": "input_0", "shape": [4, 8], "datatype": "FP32"}
    whole = {"inputs": [{**entry, "parameters": {"binary_data_size": 128}}]}
    assert "1 bytes behind the binary data belong to no input" in refusal(pipeline, whole, tail=bytes(129))
    assert "no number of up to 127 bytes" in refusal(pipeline, whole, tail=bytes(127))
    short = {"inputs": [{**entry, "parameters": {"binary_data_size": 124}}]}
    assert "has 124 bytes of binary data, and its shape [4, 8] takes 128" in refusal(pipeline, short, tail=bytes(124))
    for length in ("-1", "x", "1e3", "²", "99999999999999", "9" * 5000):
        assert HEADER_LENGTH in refusal(pipeline, whole, inference_header_content_length=length)


def test_integers_are_not_rounded_and_not_cut(pipeline: gl.Pipeline) -> None:
    for wrong in (1.5, 1e3, True, 1 << 63, -(1 << 63) - 1):
        document = {
            "inputs": [x_as_json(), {"name": "index", "shape": [4], "datatype": "INT64", "data": [1, 2, 3, wrong]}]
        }
        reply = respond(pipeline, "POST", "/v2/models/head/infer", json.dumps(document).encode())
        assert reply.status == 400, wrong
        assert "input 'index' holds" in json.loads(reply.body)["error"]


def test_what_is_not_there_is_not_found(pipeline: gl.Pipeline) -> None:
    for method, path in (
        ("GET", "/"),
        ("GET", "/v1/models"),
        ("GET", "/v2/models/nobody"),
        ("GET", "/v2/models/policy/versions/2"),
        ("GET", "/v2/models/policy/weights"),
        ("POST", "/v2/models/nobody/infer"),
        ("POST", "/v2/models/..%2f..%2fetc/infer"),
    ):
        reply = respond(pipeline, method, path)
        assert reply.status == 404, path
        assert json.loads(reply.body)["error"]


def test_another_method_is_not_allowed(pipeline: gl.Pipeline) -> None:
    for method, path, allowed in (
        ("PUT", "/v2", "GET, HEAD"),
        ("POST", "/v2/health/ready", "GET, HEAD"),
        ("GET", "/v2/models/policy/infer", "POST"),
        ("DELETE", "/v2/models/policy", "GET, HEAD"),
        ("GET", "/v2/repository/index", "POST"),
    ):
        reply = respond(pipeline, method, path)
        assert (reply.status, reply.headers["allow"]) == (405, allowed), path
        assert "is not for this path" in json.loads(reply.body)["error"]


def test_head_is_answered_as_get(pipeline: gl.Pipeline) -> None:
    assert respond(pipeline, "HEAD", "/v2/health/live").status == 200
    assert respond(pipeline, "HEAD", "/v2/models/nobody").status == 404


def test_the_configuration_names_inputs_and_outputs(pipeline: gl.Pipeline) -> None:
    reply = respond(pipeline, "GET", "/v2/models/head/config")
    config = json.loads(reply.body)
    assert (config["name"], config["max_batch_size"]) == ("head", 0)
    assert {each["name"]: each["data_type"] for each in config["input"]} == {
        "input_0": "TYPE_FP32",
        "index": "TYPE_INT64",
    }
    metadata = json.loads(respond(pipeline, "GET", "/v2/models/head").body)
    assert [each["dims"] for each in config["output"]] == [each["shape"] for each in metadata["outputs"]]


def test_binary_data_without_its_header_is_explained(pipeline: gl.Pipeline) -> None:
    body, _ = triton.InferenceServerClient.generate_request_body([input_of("input_0", X - 300, "FP32")])
    assert HEADER_LENGTH in refusal(pipeline, bytes(body))


def test_an_engine_may_be_called_stats(models: Path, tmp_path: Path) -> None:
    with gl.Pipeline(pipeline_of(tmp_path, models, stats=("affine", {})), mode="shared") as pipeline:
        assert json.loads(respond(pipeline, "GET", "/v2/models/stats").body)["name"] == "stats"
        statistics = json.loads(respond(pipeline, "GET", "/v2/models/stats/stats").body)
        assert statistics["model_stats"][0]["name"] == "stats"


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_compressed_requests_are_read_up_to_the_limit(pipeline: gl.Pipeline, encoding: str) -> None:
    compress = gzip.compress if encoding == "gzip" else zlib.compress
    body = compress(json.dumps({"inputs": [x_as_json()]}).encode())
    headers = {"content-encoding": encoding}
    reply = respond(pipeline, "POST", "/v2/models/policy/infer", body, headers)
    assert reply.status == 200
    assert json.loads(reply.body)["outputs"][0]["data"] == (X * 2 + 1).flatten().tolist()
    assert "ends too early" in refusal(pipeline, body[:-9], content_encoding=encoding)
    assert "16 bytes follow" in refusal(pipeline, body + bytes(16), content_encoding=encoding)
    assert f"no {encoding}" in refusal(pipeline, b"xxxx", content_encoding=encoding)
    assert "longer than" in refusal(pipeline, compress(bytes(100 * MOST_BYTES)), 413, content_encoding=encoding)
    assert "not supported" in refusal(pipeline, body, 415, content_encoding="br")
    assert "longer than" in refusal(pipeline, bytes(MOST_BYTES + 1), 413)


def test_an_engines_error_is_the_servers(pipeline: gl.Pipeline) -> None:
    reply, _ = infer(pipeline, "throws", [input_of("input_0", np.array([0, 99, 5]), "INT64")])
    assert reply.status == 500
    assert "index out of bounds" in json.loads(reply.body)["error"]
    answer = infer(pipeline, "throws", [input_of("input_0", np.array([0, 9, 5]), "INT64")])
    assert result_of(answer, "output_0").tolist() == [0, 18, 10]


def test_inputs_that_do_not_fit_each_other_are_the_clients_fault(pipeline: gl.Pipeline) -> None:
    reply, _ = infer(pipeline, "head", [input_of("input_0", X, "FP32"), input_of("index", np.arange(5), "INT64")])
    assert reply.status == 400
    assert "does not fit" in json.loads(reply.body)["error"]


def test_nan_is_sent_as_binary_data_alone(pipeline: gl.Pipeline) -> None:
    x = [input_of("input_0", np.full((4, 8), np.nan, np.float32), "FP32")]
    assert np.isnan(result_of(infer(pipeline, "policy", x), "output_0")).all()
    outputs = [triton.InferRequestedOutput("output_0", binary_data=False)]
    reply, _ = infer(pipeline, "policy", x, outputs=outputs)
    assert reply.status == 400
    assert "ask for binary data" in json.loads(reply.body)["error"]


def test_long_json_is_refused(pipeline: gl.Pipeline) -> None:
    assert "send binary data" in refusal(pipeline, {"inputs": [x_as_json()], "id": "x" * 100_000}, 413)


def test_a_slow_run_does_not_refuse_requests_for_ever(pipeline: gl.Pipeline) -> None:
    server = Server(pipeline, MOST_BYTES)
    server._models["policy"]._service_s.append(1e6)
    assert infer(server, "policy", [input_of("input_0", X, "FP32")], timeout=60_000_000)[0].status == 200


def test_an_unforeseen_error_is_answered(pipeline: gl.Pipeline) -> None:
    server = Server(pipeline, MOST_BYTES)
    server._models["policy"]._inputs = None  # type: ignore[assignment]
    reply = respond(server, "POST", "/v2/models/policy/infer", b"{}")
    assert reply.status == 500
    assert json.loads(reply.body)["error"] == "the server failed; its log says why"


def test_a_request_that_cannot_be_in_time_is_refused_before_it_is_queued(pipeline: gl.Pipeline) -> None:
    server = Server(pipeline, MOST_BYTES)
    x = [input_of("input_0", X, "FP32")]
    assert infer(server, "policy", x, timeout=60_000_000)[0].status == 200
    with held(pipeline["policy"].lane):
        waiting = [pipeline["policy"].submit(torch.from_numpy(X)) for _ in range(20)]
        server._models["policy"]._service_s.extend([0.5] * 64)
        queued = pipeline.stats().engines["policy"].queued
        reply, _ = infer(server, "policy", x, timeout=2_000_000)
        assert reply.status == 503
        assert "10" in reply.headers["retry-after"]
        assert "ms are expected" in json.loads(reply.body)["error"]
        assert pipeline.stats().engines["policy"].queued == queued
        reply, _ = infer(server, "policy", x, timeout=1)
        assert reply.status == 503
    for run in waiting:
        run.result(60)


def test_a_request_that_waits_beyond_its_timeout_is_not_run(pipeline: gl.Pipeline) -> None:
    with ThreadPoolExecutor() as pool:
        with under_way(pipeline["policy"], torch.from_numpy(X)):
            late = pool.submit(infer, pipeline, "policy", [input_of("input_0", X, "FP32")], timeout=100_000)
            time.sleep(0.3)
        reply, _ = late.result(60)
    assert reply.status == 504
    message = json.loads(reply.body)["error"]
    assert "'policy' had not begun the request by the request's timeout, 100000 us: allow more" in message


def test_a_full_queue_is_too_many_requests(pipeline: gl.Pipeline) -> None:
    with under_way(pipeline["short"], torch.from_numpy(X)):
        waiting = pipeline["short"].submit(torch.from_numpy(X))  # the queue has room for one
        reply, _ = infer(pipeline, "short", [input_of("input_0", X, "FP32")])
        assert reply.status == 429
        assert int(reply.headers["retry-after"]) >= 1
    assert torch.equal(waiting.result(60), torch.from_numpy(X * 2 + 1))


def test_a_closed_pipeline_is_unavailable(models: Path, tmp_path: Path) -> None:
    closed = gl.Pipeline(pipeline_of(tmp_path, models, policy=("affine", {})), mode="shared")
    server = Server(closed, MOST_BYTES)
    assert respond(server, "GET", "/v2/health/ready").status == 200
    assert server.obstacle() == ""
    closed.close()
    assert respond(server, "GET", "/v2/health/live").status == 200
    reply = respond(server, "GET", "/v2/health/ready")
    assert (reply.status, json.loads(reply.body)["error"]) == (503, "model 'policy': the pipeline is closed")
    assert respond(server, "GET", "/v2/models/policy/ready").status == 503
    assert json.loads(respond(server, "POST", "/v2/repository/index").body)[0]["state"] == "UNAVAILABLE"
    assert json.loads(respond(server, "POST", "/v2/repository/index", b'{"ready": true}').body) == []
    assert infer(server, "policy", [input_of("input_0", X, "FP32")])[0].status == 503
    assert server.obstacle() == "the pipeline is closed"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = ["name", "shape", "datatype", "data", "parameters"]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_request_breaks_the_server(pipeline: gl.Pipeline, data: st.DataObject) -> None:
    entry = x_as_json()
    for key in data.draw(st.lists(st.sampled_from(KEYS), max_size=2)):
        entry[key] = data.draw(JSON)
    document: dict[str, Any] = {"inputs": [entry]}
    for key in data.draw(st.lists(st.sampled_from(["inputs", "outputs", "parameters", "id"]), max_size=2)):
        document[key] = data.draw(JSON)
    text = bytearray(json.dumps(document).encode())
    for place in data.draw(st.lists(st.integers(0, len(text) - 1), max_size=3)):
        text[place] = data.draw(st.integers(0, 255))
    headers = data.draw(
        st.dictionaries(
            st.sampled_from([HEADER_LENGTH, "content-encoding"]),
            st.text(max_size=6) | st.just(str(len(text))),
            max_size=2,
        )
    )
    reply = respond(pipeline, "POST", "/v2/models/policy/infer", bytes(text), headers)
    assert reply.status in (200, 400, 413, 415), reply
    json.loads(reply.body)


def test_a_stateful_engine_tells_its_outputs_after_its_first_run(models: Path, tmp_path: Path) -> None:
    file = pipeline_of(tmp_path, models, counter=("accumulates", {"rate_hz": 1}), other=("affine", {}))
    file.write_text(file.read_text().replace("rate_hz = 1\n", "stateful = true\n"))
    with gl.Pipeline(file, mode="shared") as opened:
        server = Server(opened, MOST_BYTES)
        assert json.loads(respond(server, "GET", "/v2/models/counter").body)["outputs"] == []
        x = [input_of("input_0", X, "FP32")]
        wanted = [triton.InferRequestedOutput("output_0")]
        first = result_of(infer(server, "counter", x, outputs=wanted), "output_0")
        second = result_of(infer(server, "counter", x), "output_0")
        assert not np.array_equal(first, second)
        outputs = json.loads(respond(server, "GET", "/v2/models/counter").body)["outputs"]
        assert [output["name"] for output in outputs] == ["output_0"]


def test_dtypes_that_the_protocol_lacks_are_named(pipeline: gl.Pipeline) -> None:
    server = Server(pipeline, MOST_BYTES)
    model = server._models["policy"]
    strange = gl.TensorInfo("wave", torch.complex64, (4,), (4,))
    model._unsupported = _unsupported([*model._inputs, strange])
    assert "'wave' is torch.complex64, for which the protocol has no datatype" in refusal(server, {"inputs": []}, 501)
    assert respond(server, "GET", "/v2/models/policy/ready").status == 503
    assert respond(server, "GET", "/v2/models/head/ready").status == 200
    assert respond(server, "GET", "/v2/health/ready").status == 200, "no request can ever change that"
    for each in server._models.values():
        each._unsupported = "nobody can"
    assert respond(server, "GET", "/v2/health/ready").status == 503


@pytest.mark.parametrize("datatype", [name for name, dtype in _DTYPES.items() if not dtype.is_floating_point])
def test_integers_of_json_keep_to_their_range(datatype: str) -> None:
    dtype = _DTYPES[datatype]
    low, high = (0, 1) if dtype == torch.bool else (torch.iinfo(dtype).min, torch.iinfo(dtype).max)
    info = gl.TensorInfo("x", dtype, (2,), (2,))
    values = [bool(low), bool(high)] if dtype == torch.bool else [low, high]
    entry = {"datatype": datatype, "shape": [2], "data": values}
    assert read_tensor(entry, info, None).tolist() == values
    for wrong in (low - 1, high + 1):
        with pytest.raises(ProtocolError, match="holds"):
            read_tensor({**entry, "data": [low, wrong]}, info, None)


def test_a_shape_without_values_may_be_too_large() -> None:
    info = gl.TensorInfo("x", torch.float32, (0, 0, 0), (NO_LIMIT,) * 3)
    entry = {"datatype": "FP32", "shape": [2**62, 2**62, 0]}
    for given_data, binary in (({"data": []}, None), ({}, memoryview(b""))):
        with pytest.raises(ProtocolError, match="too large"):
            read_tensor({**entry, **given_data}, info, binary)


@pytest.mark.parametrize("datatype", list(_DTYPES))
@pytest.mark.parametrize("as_json", [False, True], ids=["binary", "json"])
def test_every_datatype_goes_both_ways(datatype: str, as_json: bool) -> None:
    dtype = _DTYPES[datatype]
    tensor = torch.tensor([[0, 1, 1], [1, 0, 1]]).to(dtype)
    info = gl.TensorInfo("x", dtype, (0, 3), (9, 3))
    entry: dict[str, Any] = {"datatype": datatype, "shape": [2, 3]}
    if as_json:
        entry["data"] = json.loads(json.dumps(json_data(tensor)))
        binary = None
    else:
        binary = memoryview(binary_data(tensor))
        assert len(binary) == 6 * dtype.itemsize
    again = read_tensor(entry, info, binary)
    assert again.dtype == dtype
    assert torch.equal(again, tensor)
    empty = read_tensor({"datatype": datatype, "shape": [0, 3], "data": []}, info, memoryview(b"") if binary else None)
    assert empty.shape == (0, 3)
    assert binary_data(empty) == b""


def test_a_name_with_a_slash_says_that_no_path_leads_to_it(models: Path, tmp_path: Path) -> None:
    file = pipeline_of(tmp_path, models, policy=("affine", {}))
    file.write_text(file.read_text().replace("[engine.policy]", '[engine."a/b"]'))
    with gl.Pipeline(file) as opened:
        (entry,) = json.loads(respond(opened, "POST", "/v2/repository/index").body)
    assert entry["state"] == "UNAVAILABLE"
    assert "slash" in entry["reason"]
