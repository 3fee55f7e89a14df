"""A cluster of three nodes, on one machine by Ray's own utility: nodes and replicas come and go under load."""

import contextlib
import os
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from greenlane.serve import build
from python.pipelines import LONG, pipeline_of
from tritonclient.utils import InferenceServerException

from serve.command import free_port
from serve.load import Load, X
from serve.requests import given as input_of
from serve.test_ray import replicas as processes

NAME = "greenlane"
SMALL: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 100 << 20}
MOST_SECONDS = 120.0


class Cluster:
    """Three nodes with a replica each, and what changes them."""

    def __init__(self, file: Path, feeding: Path, port: int) -> None:
        """Starts the nodes, and deploys a pipeline; `feeding` is another one, with sequences."""
        import ray
        from ray import serve
        from ray.cluster_utils import Cluster as Nodes

        self.file, self.feeding, self.port, self.serve = file, feeding, port, serve
        self.nodes = Nodes(initialize_head=True, head_node_args=dict(SMALL))
        self.workers = [self.nodes.add_node(**SMALL) for _ in range(2)]
        ray.init(address=self.nodes.address, namespace="serve", log_to_driver=False)
        serve.start(http_options={"host": "127.0.0.1", "port": port}, logging_config={"enable_access_log": False})
        self.deploy(3)

    def deploy(self, replicas: int, **options: Any) -> None:
        """Deploys anew, and waits until it is done."""
        self.serve.run(build(self.file, replicas=replicas, gpu=False, **options), name=NAME, route_prefix="/")

    def replicas(self) -> list[str]:
        """Returns the states of the replicas."""
        deployment = self.serve.status().applications[NAME].deployments[NAME]
        return [str(state) for state, count in deployment.replica_states.items() for _ in range(count)]

    def wait_for_replicas(self, count: int) -> None:
        """Waits until so many replicas run, and no others."""
        eventually(lambda: self.replicas() == ["RUNNING"] * count, self.replicas)

    def close(self) -> None:
        """Ends everything."""
        import ray

        with contextlib.suppress(Exception):
            self.serve.shutdown()
        ray.shutdown()
        self.nodes.shutdown()


def eventually(condition: Callable[[], bool], seen: Callable[[], object]) -> None:
    until = time.monotonic() + MOST_SECONDS
    while not condition():
        assert time.monotonic() < until, seen()
        time.sleep(0.2)


@pytest.fixture(scope="module")
def cluster(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
        patch.setenv("RAY_metrics_report_interval_ms", "1000")
        folder = tmp_path_factory.mktemp("cluster")
        feeding = folder / "feeding.toml"
        feedback = "from = [{ output = 'next', initial = 'zeros' }]\non = []\n"
        feeding.write_text(pipeline_of(folder, models, next=("affine", {})).read_text() + feedback)
        made = Cluster(pipeline_of(folder, models, policy=("affine", {}), head=("pair", {})), feeding, free_port())
        try:
            yield made
        finally:
            made.close()


def judge(load: Load) -> None:
    """Checks that each request had its own answer, or was refused with a status that says so."""
    assert load.wrong == []
    assert {status for status in load.refused if not status.startswith("5") and status != "429"} <= {"None"}
    assert load.right > 100


def test_a_lost_node_costs_its_requests_alone(cluster: Cluster) -> None:
    cluster.wait_for_replicas(3)
    with Load(cluster.port, 8) as load:
        load.wait_for(100)
        cluster.nodes.remove_node(cluster.workers.pop(), allow_graceful=False)
        eventually(lambda: cluster.replicas() != ["RUNNING"] * 3, cluster.replicas)
        load.wait_for(300)
        cluster.workers.append(cluster.nodes.add_node(**SMALL))
        cluster.wait_for_replicas(3)
        load.wait_for(100)
    judge(load)


def test_an_update_under_load_refuses_nothing(cluster: Cluster) -> None:
    with Load(cluster.port, 8) as load:
        load.wait_for(100)
        cluster.deploy(3, most_request_bytes=1 << 20)
        load.wait_for(100)
    judge(load)
    assert load.refused == []
    assert load.lost == []


def test_models_are_unloaded_in_all_replicas_under_load(cluster: Cluster) -> None:
    before = processes()
    with (
        contextlib.closing(triton.InferenceServerClient(f"127.0.0.1:{cluster.port}", network_timeout=LONG)) as client,
        Load(cluster.port, 8) as load,
    ):
        load.wait_for(100)
        client.unload_model("head")
        assert len(before) == 3
        load.wait_for(100)
        assert not client.is_model_ready("head")
        client.load_model("head")
        load.wait_for(100)
        assert client.is_model_ready("head")
    judge(load)
    assert processes() == before
    assert load.lost == []


def test_replicas_come_and_go_under_load(cluster: Cluster) -> None:
    with Load(cluster.port, 8) as load:
        for count in (1, 3, 1):
            cluster.deploy(count, most_request_bytes=1 << 20)
            cluster.wait_for_replicas(count)
            load.wait_for(100)
    judge(load)


def test_many_clients_for_a_while(cluster: Cluster) -> None:
    seconds = float(os.environ.get("GREENLANE_LOAD_SECONDS", "30"))
    with Load(cluster.port, 32) as load:
        time.sleep(seconds)
    judge(load)
    assert load.refused == []
    assert load.lost == []


def test_missed_deadlines_start_another_replica(cluster: Cluster, models: Path, tmp_path: Path) -> None:
    late = pipeline_of(tmp_path, models, policy=("affine", {"rate_hz": 1.0, "deadline_ms": 1e-6}))
    scaling = {"min_replicas": 1, "max_replicas": 2, "target_ongoing_requests": 1000}
    times = {"upscale_delay_s": 1, "metrics_interval_s": 1, "look_back_period_s": 2}
    cluster.serve.run(build(late, replicas=scaling | times, gpu=False), name=NAME, route_prefix="/")
    with contextlib.closing(triton.InferenceServerClient(f"127.0.0.1:{cluster.port}")) as client:
        given = [input_of("input_0", X, "FP32")]

        def scaled() -> bool:
            with contextlib.suppress(InferenceServerException):  # a request that is late is answered with 504
                client.infer("policy", given)
            return cluster.replicas() == ["RUNNING"] * 2

        eventually(scaled, cluster.replicas)


def test_a_sequence_stays_with_its_replica(cluster: Cluster) -> None:
    cluster.serve.delete(NAME)
    # Ray's proxies keep the router of an application by its name.
    cluster.serve.run(build(cluster.feeding, replicas=3, gpu=False), name="sequences", route_prefix="/")
    with contextlib.closing(triton.InferenceServerClient(f"127.0.0.1:{cluster.port}")) as client:
        for number in range(1, 13):
            headers = {"x-session-id": str(number)}
            for i in range(1, 9):
                places = {"sequence_id": number, "sequence_start": i == 1, "sequence_end": i == 8}
                result = client.infer("next", [], headers=headers, **places)
                assert np.all(result.as_numpy("output_0") == 2**i - 1), (number, i)
            with pytest.raises(InferenceServerException, match="start anew") as refused:
                client.infer("next", [], headers=headers, sequence_id=number)
            assert refused.value.status() == "409"
        here = client.get_inference_statistics("next", headers=headers)["model_stats"][0]
        assert here["inference_count"] < 12 * 8, "other replicas have sequences, too"
    eventually(lambda: answers() == [12 * 8] * 2, answers)


def answers() -> list[float]:
    """Returns the answers of the model "next", by two metrics."""
    name, labels = "ray_greenlane_engine_latency_seconds", ['application="sequences"', 'engine="next"']
    return [total(f"{name}_count", labels), total(f"{name}_bucket", [*labels, 'le="+Inf"'])]


def total(name: str, labels: list[str]) -> float:
    """Returns the sum of a metric over all nodes, at the endpoints that Ray has for Prometheus."""
    import ray

    lines: list[str] = []
    for node in ray.nodes():
        if node["Alive"]:
            with urllib.request.urlopen(f"http://127.0.0.1:{node['MetricsExportPort']}/metrics", timeout=LONG) as reply:
                lines += reply.read().decode().splitlines()
    return sum(
        float(line.rpartition(" ")[2])
        for line in lines
        if line.startswith(name + "{") and all(label in line for label in labels)
    )
