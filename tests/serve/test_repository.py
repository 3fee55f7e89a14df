"""Models that are loaded and unloaded, without a network: a replica is a server in this process."""

import asyncio
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import greenlane as gl
import numpy as np
import pytest
from cli.program import config, engine
from greenlane.serve._edges import Document, read_document
from greenlane.serve._reduced import reduced, reduced_plan, toml_of
from greenlane.serve._repository import Repository, Unloaded
from greenlane.serve._server import Server
from python.pipelines import held, pipeline_of

from serve.requests import MOST_BYTES, infer, respond, result_of
from serve.requests import given as input_of

X = np.arange(32, dtype=np.float32).reshape(4, 8)
INPUT = [input_of("input_0", X, "FP32")]


class Replica:
    """The replica of a file, which is deployed anew as Ray does it."""

    def __init__(self, file: Path) -> None:
        self.repository = Repository(str(file))
        self.deployed: list[Unloaded] = []
        self.server = Server(self.repository, MOST_BYTES, self.deploy)

    async def deploy(self, unloaded: Unloaded) -> None:
        self.deployed.append(unloaded)
        await self.server.change(unloaded)

    def ask(self, verb: str, model: str, status: int = 200, **parameters: Any) -> str:
        """Loads or unloads a model; returns the error, if there is one."""
        body = json.dumps({"parameters": parameters}).encode() if parameters else b""
        reply = respond(self.server, "POST", f"/v2/repository/models/{model}/{verb}", body)
        assert reply.status == status, reply
        return str(json.loads(reply.body)["error"]) if reply.body else ""

    def index(self) -> dict[str, tuple[str, str]]:
        listed = json.loads(respond(self.server, "POST", "/v2/repository/index").body)
        return {each["name"]: (each["state"], each["reason"]) for each in listed}


@pytest.fixture
def opens(models: Path, tmp_path: Path) -> Iterator[Callable[..., Replica]]:
    made: list[Replica] = []

    def opened(*tables: str) -> Replica:
        made.append(Replica(config(tmp_path, *tables)))
        return made[-1]

    yield opened
    for each in made:
        each.repository.pipeline.close()


@pytest.fixture
def two(opens: Callable[..., Replica], models: Path, tmp_path: Path) -> Replica:
    for suffix in (".pt2", ".inputs.pt"):
        shutil.copy(models / f"affine{suffix}", tmp_path / f"head{suffix}")
    units = "[lane.policy]\nunits = 1\n[lane.head]\nunits = 1\n"
    return opens(engine("policy", models / "affine.pt2"), engine("head", tmp_path / "head.pt2"), units)


def status_of(server: Server, model: str) -> int:
    return infer(server, model, INPUT)[0].status


def test_an_unloaded_model_is_unavailable_and_its_engine_is_gone(two: Replica) -> None:
    server, repository = two.server, two.repository
    two.ask("unload", "head", unload_dependents=False)
    assert list(repository.pipeline.engines) == ["policy"]
    assert two.index() == {"policy": ("READY", ""), "head": ("UNAVAILABLE", "unloaded")}
    assert np.array_equal(result_of(infer(server, "policy", INPUT), "output_0"), X * 2 + 1)
    reply, _ = infer(server, "head", INPUT)
    assert reply.status == 503
    assert "POST /v2/repository/models/head/load loads it" in json.loads(reply.body)["error"]
    assert respond(server, "GET", "/v2/models/head/ready").status == 503
    assert respond(server, "GET", "/v2/health/ready").status == 200
    two.ask("load", "head")
    assert list(repository.pipeline.engines) == ["policy", "head"]
    assert two.index() == {"policy": ("READY", ""), "head": ("READY", "")}
    assert np.array_equal(result_of(infer(server, "head", INPUT), "output_0"), X * 2 + 1)


def test_a_second_time_changes_nothing(two: Replica) -> None:
    two.ask("load", "head")
    two.ask("unload", "head")
    before = two.repository.pipeline
    two.ask("unload", "head")
    assert two.repository.pipeline is before
    assert [set(each) for each in two.deployed] == [set(), {"head"}, {"head"}]


def test_a_model_that_stopped_is_unloaded_before_it_is_loaded(opens: Callable[..., Replica], models: Path) -> None:
    stops = engine("policy", models / "affine.pt2") + "check_outputs = true\non_error = 'stop'\n"
    units = "[lane.policy]\nunits = 1\n[lane.head]\nunits = 1\n"
    both = opens(stops, engine("head", models / "affine.pt2"), units)
    assert infer(both.server, "policy", [input_of("input_0", np.full_like(X, np.inf), "FP32")])[0].status == 500
    assert "is loaded, and does not serve (" in both.ask("load", "policy", 500)
    both.ask("unload", "policy")
    both.ask("load", "policy")
    assert status_of(both.server, "policy") == 200


def test_what_cannot_be_changed_is_refused_before_anything_happens(two: Replica) -> None:
    assert "there is no model 'nobody' in the pipeline's file: use policy, head" in two.ask("unload", "nobody", 404)
    assert "there is no model" in two.ask("load", "..%2f..%2fetc", 404)
    two.ask("unload", "head")
    assert "no engine would be left" in two.ask("unload", "policy", 400)
    assert "'unload_dependents' is not supported" in two.ask("unload", "policy", 400, unload_dependents=True)
    assert "leave its configuration and files out" in two.ask("load", "head", 400, config="{}")
    assert "leave its configuration and files out" in two.ask("load", "head", 400, **{"file:1/model.pt2": ""})
    assert two.deployed == [{"head"}]
    assert respond(two.server, "GET", "/v2/repository/models/head/load").status == 405


def test_a_server_of_a_pipeline_alone_changes_no_models(models: Path, tmp_path: Path) -> None:
    with gl.Pipeline(pipeline_of(tmp_path, models, policy=("affine", {})), mode="shared") as pipeline:
        reply = respond(pipeline, "POST", "/v2/repository/models/policy/unload")
        assert reply.status == 400
        assert "deploy it again" in json.loads(reply.body)["error"]


def test_engines_that_others_take_from_stay(opens: Callable[..., Replica], models: Path) -> None:
    both = opens(
        "[source.camera]\n",
        engine("first", models / "affine.pt2") + "from = 'camera'\non = 'camera'\n",
        engine("second", models / "affine.pt2") + "from = 'first'\non = 'first'\n",
        engine("alone", models / "affine.pt2"),
        "[path.all]\nfrom = 'camera'\nto = 'second'\n[path.half]\nfrom = 'camera'\nto = 'first'\n",
        "[lane.first]\nunits = 1\n[lane.second]\nbeside = 'first'\n[lane.alone]\nbeside = 'first'\n",
    )
    assert "engine 'second' takes data from 'first': unload 'second' first" in both.ask("unload", "first", 400)
    both.ask("unload", "second")
    assert list(both.repository.pipeline.stats().paths) == ["half"]
    both.ask("unload", "first")
    assert both.repository.pipeline.sources == ()
    assert "or load 'first' first" in both.ask("load", "second", 400)
    both.ask("load", "first")
    both.ask("load", "second")
    assert status_of(both.server, "second") == 200


def test_a_failure_leaves_the_pipeline_as_it_was(two: Replica, models: Path, tmp_path: Path) -> None:
    two.ask("unload", "head")
    (tmp_path / "head.pt2").unlink()
    message = two.ask("load", "head", 500)
    assert "model 'head' was not loaded, and all is as before" in message
    assert f"{tmp_path}/pipeline.toml: engine.head.model" in message
    assert two.index() == {"policy": ("READY", ""), "head": ("UNAVAILABLE", "unloaded")}
    assert status_of(two.server, "policy") == 200
    assert two.deployed == [{"head"}, frozenset(), {"head"}]


def test_a_configuration_with_wrong_names_changes_nothing(two: Replica) -> None:
    before = two.repository.pipeline
    for wrong in ({"nobody"}, {"policy", "head"}):
        asyncio.run(two.server.change(frozenset(wrong)))
        assert two.repository.failure
        assert two.repository.pipeline is before
        assert two.repository.unloaded == frozenset()
    assert status_of(two.server, "head") == 200


def test_requests_under_way_end_first_and_later_ones_try_again(two: Replica) -> None:
    server = two.server

    async def ask() -> tuple[int, int, int, str]:
        body = json.dumps(
            {"inputs": [{"name": "input_0", "shape": [4, 8], "datatype": "FP32", "data": X.flatten().tolist()}]}
        ).encode()

        async def one() -> Any:
            return await server.respond("POST", "/v2/models/policy/infer", {}, body)

        with held(two.repository.pipeline["policy"].lane):
            under_way = [asyncio.create_task(one()) for _ in range(5)]
            await asyncio.sleep(0)
            change = asyncio.create_task(server.change(frozenset({"head"})))
            await asyncio.sleep(0.2)
            refused = await one()
            health = await server.respond("GET", "/v2/health/ready", {}, b"")
            assert server.obstacle() == ""
        before = {(await task).status for task in under_way}
        await change
        assert before == {200}
        return refused.status, health.status, (await one()).status, refused.headers["retry-after"]

    refused, health, after, retry_after = asyncio.run(ask())
    assert (refused, health, after) == (503, 503, 200)
    assert int(retry_after) >= 1


def test_figures_go_on_and_sequences_end(opens: Callable[..., Replica], models: Path) -> None:
    feedback = "from = [{ output = 'next', initial = 'zeros' }]\non = []\n"
    both = opens(engine("next", models / "affine.pt2") + feedback, engine("other", models / "affine.pt2"))
    server = both.server
    infer(server, "next", [], sequence_id=1, sequence_start=True)
    both.ask("unload", "other")
    # Meanwhile the sequence may have gone on in another replica, from which the router would lead it back here.
    assert infer(server, "next", [], sequence_id=1)[0].status == 409
    assert np.all(result_of(infer(server, "next", [], sequence_id=2, sequence_start=True), "output_0") == 1)
    figures = json.loads(respond(server, "GET", "/v2/models/next/stats").body)["model_stats"][0]
    assert figures["inference_count"] == 2


def test_a_replica_opens_without_unloaded_engines(two: Replica, tmp_path: Path) -> None:
    two.repository.pipeline.close()
    repository = Repository(str(tmp_path / "pipeline.toml"), unloaded={"head"})
    try:
        assert repository.pipeline.engines == ("policy",)
    finally:
        repository.pipeline.close()
    with pytest.raises(Exception, match="there is no engine 'nobody' to unload"):
        Repository(str(tmp_path / "pipeline.toml"), unloaded={"nobody"})


def test_a_plan_is_reduced_with_its_file(models: Path, tmp_path: Path) -> None:
    tables = [engine(name, models / "affine.pt2") for name in ("a", "b", "c")]
    file = config(tmp_path, *tables)
    plan = {
        "mode": "lanes",
        "lanes": [{"name": "x", "units": 1}, {"name": "y", "beside": "x"}, {"name": "z", "beside": "x"}],
        "engines": [{"name": "a", "lane": "x"}, {"name": "b", "lane": "y"}, {"name": "c", "lane": "z"}],
        "candidates": [],
    }
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    repository = Repository(str(file), str(tmp_path / "plan.json"))
    try:
        repository.change(frozenset({"a"}))
        assert repository.failure == ""
        assert repository.pipeline.engines == ("b", "c")
        assert repository.pipeline["b"].lane.units == 1
    finally:
        repository.pipeline.close()
    assert reduced_plan(plan, {"a"})["lanes"] == [{"name": "y", "units": 1}, {"name": "z", "beside": "y"}]


def test_a_reduced_file_names_the_same_files(tmp_path: Path) -> None:
    document: Document = {
        "device": "cpu",
        "libraries": ["ops/lib.so", "found.so"],
        "engine": {
            "a.b": {
                "model": 'm/a "quoted"\\\n\x7fé.pt2',
                "inputs": "/abs/in.pt",
                "rate_hz": 200.0,
                "weight": float("inf"),
                "stateful": False,
                "from": ["cam", {"output": "a.b", "initial": "zeros"}, {"output": "a.b.1", "initial": "./zeros"}],
            },
            "gone": {"model": "g.pt2", "inputs": "g.pt"},
        },
        "source": {"cam": {"items": "cam.pt"}},
        "lane": {"gone": {"units": 1}},
    }
    (tmp_path / "made.toml").write_text(toml_of(reduced(document, tmp_path, {"gone"})))
    made = read_document(tmp_path / "made.toml")
    assert made["engine"]["a.b"]["model"] == f"{tmp_path}/{document['engine']['a.b']['model']}"
    assert made["engine"]["a.b"]["from"][1:] == [
        {"output": "a.b", "initial": "zeros"},
        {"output": "a.b.1", "initial": f"{tmp_path}/zeros"},
    ]
    assert made["libraries"] == [f"{tmp_path}/ops/lib.so", "found.so"]
    assert made["source"]["cam"]["items"] == f"{tmp_path}/cam.pt"
    assert set(made) == {"device", "libraries", "engine", "source"}
    assert document["lane"]


def test_a_tenant_leaves_with_its_last_engine(opens: Callable[..., Replica], models: Path) -> None:
    package = models / "affine.pt2"
    replica = opens(
        engine("first", package, tenant="alice"),
        engine("second", package, tenant="bob"),
        "[tenant.alice]\n[tenant.bob]\nweight = 2\n",
    )
    replica.ask("unload", "first")
    assert replica.index()["first"][0] == "UNAVAILABLE"
    assert np.array_equal(result_of(infer(replica.server, "second", INPUT), "output_0"), X * 2 + 1)
    replica.ask("load", "first")
    assert np.array_equal(result_of(infer(replica.server, "first", INPUT), "output_0"), X * 2 + 1)
