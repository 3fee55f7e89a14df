"""Pipelines as applications of Ray Serve."""

import math
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from ray.serve import Application

MOST_REQUEST_BYTES = 64 << 20
_MOST_AT_ONCE = 1000
_POLICY = "greenlane.serve._scaling:queue_and_misses"


def build(
    config: str | os.PathLike[str],
    plan: str | os.PathLike[str] | None = None,
    *,
    replicas: int | Literal["auto"] | Mapping[str, Any] = "auto",
    gpu: bool | None = None,
    most_request_bytes: int = MOST_REQUEST_BYTES,
) -> "Application":
    """Returns an application for ``ray.serve.run``, which answers by the Open Inference Protocol.

    A replica opens the pipeline in a process of its own and serves its engines: one for each GPU, or one on each node
    without GPUs. Placement, restarts and routing are Ray's.

    :param config: the pipeline's TOML file. All nodes find it, and its files, under this path.
    :param plan: a plan's file; None: the lanes of the TOML file.
    :param replicas: their number; ``"auto"``: as many as the cluster has GPUs, or nodes if it has none; a mapping is
        Ray's ``autoscaling_config``, whose policy goes by queues and missed deadlines unless it names another.
    :param gpu: whether a replica takes a GPU; None: if the cluster has one.
    :param most_request_bytes: the longest body of a request.
    :raises ValueError: a number is not positive.
    :raises TypeError: ``replicas`` is of another type.
    :raises ImportError: Ray is not installed.
    """
    try:
        import ray
        from ray import serve  # noqa: F401

        from greenlane.serve._recipe import Recipe
        from greenlane.serve._routing import routing_options
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("ray", "starlette"):
            raise
        raise ImportError("Ray Serve is not installed: install it with `pip install 'greenlane[serve]'`") from error
    if isinstance(replicas, bool) or not (isinstance(replicas, int | Mapping) or replicas == "auto"):
        raise TypeError(f"replicas={replicas!r} is neither a number, nor 'auto', nor a mapping")
    if isinstance(replicas, int) and replicas < 1:
        raise ValueError(f"replicas={replicas} is not positive: give the number of replicas, or 'auto'")
    if most_request_bytes < 1:
        raise ValueError(f"most_request_bytes={most_request_bytes} is not positive: give a number of bytes")
    if not ray.is_initialized():
        ray.init(namespace="serve")
    gpus = int(ray.cluster_resources().get("GPU", 0))
    on_gpu = gpus > 0 if gpu is None else gpu
    nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) >= 1]
    options: dict[str, Any] = {
        "name": "greenlane",
        "max_ongoing_requests": _MOST_AT_ONCE,  # the engines' own queues decide what waits
        "logging_config": {"enable_access_log": False},
        **routing_options(os.path.abspath(config)),
    }
    if isinstance(replicas, Mapping):
        options["autoscaling_config"] = {"policy": {"policy_function": _POLICY}, **replicas}
        most = int(replicas.get("max_replicas", 1))
    else:
        most = replicas if isinstance(replicas, int) else max(1, gpus if on_gpu else len(nodes))
        options["num_replicas"] = most
    options["ray_actor_options"] = {"num_gpus": 1} if on_gpu else {"num_cpus": _cpus_each(nodes, most)}
    plan_file = None if plan is None else os.path.abspath(plan)
    return Recipe(options, os.path.abspath(config), plan_file, most_request_bytes).application()


def _cpus_each(nodes: Sequence[Mapping[str, Any]], replicas: int) -> int:
    """Returns the CPUs of each replica if they divide the nodes' CPUs. Ray sets OMP_NUM_THREADS to this number."""
    if not nodes:
        return 1
    return max(1, min(int(node["Resources"]["CPU"]) for node in nodes) // math.ceil(replicas / len(nodes)))
