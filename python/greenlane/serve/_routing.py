"""Routing of sequences: all requests of one reach the replica that has its state."""

import logging
import os
from typing import Any

from greenlane.serve._edges import read_document
from greenlane.serve._sequences import feedback_outputs

_ROUTER = "ray.serve.experimental.consistent_hash_router"
_log = logging.getLogger("greenlane")


def routing_options(config: str) -> dict[str, Any]:
    """Returns the options of a deployment that route by Ray's header ``x-session-id``; empty: Ray's default routing,
    because no engine has sequences, because HAProxy chooses the replica, or because this version of Ray has no such
    router."""
    if not _has_sequences(config) or os.environ.get("RAY_SERVE_ENABLE_HA_PROXY") == "1":
        return {}
    try:
        __import__(_ROUTER)
        from ray.serve.config import RequestRouterConfig
    except ImportError as error:
        _log.warning("sequences are not routed to their replicas: %s; upgrade Ray, or serve one replica", error)
        return {}
    # Another replica would not know the sequence, so none is asked instead.
    kwargs: dict[str, Any] = {
        "request_router_class": f"{_ROUTER}.ConsistentHashRouter",
        "request_router_kwargs": {"num_fallback_replicas": 0},
    }
    return {"request_router_config": RequestRouterConfig(**kwargs)}


def _has_sequences(config: str) -> bool:
    try:
        document = read_document(config)
        return any(feedback_outputs(document, engine) for engine in document["engine"])
    except (RuntimeError, LookupError, TypeError, AttributeError, ValueError):
        return False  # the replica says what is wrong with the file
