"""Runs the command line of greenlane.serve."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from python.pipelines import LONG

MOST_SECONDS = 180


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def started(log: Path, *arguments: str | Path | int, **variables: str) -> subprocess.Popen[bytes]:
    """Starts the command line in a process group of its own."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
        **variables,
    }
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "greenlane.serve", *map(str, arguments)],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )


@contextlib.contextmanager
def serving(log: Path, *arguments: str | Path, **variables: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Serves, and gives the process and its port."""
    port = free_port()
    process = started(log, *arguments, "--port", port, **variables)
    try:
        until = time.monotonic() + MOST_SECONDS
        while "\nserving " not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.1)
        yield process, port
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(LONG)
