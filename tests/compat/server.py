"""New processes in which PyTorch is imported already: see process_server.py. They save two seconds of CPU time each."""

import atexit
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

PROGRAM = Path(__file__).with_name("process_server.py")


class ProcessServer:
    """A server with some environment, which is started at the first use. It ends with this process."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self.process: subprocess.Popen[str] | None = None
        """The server."""

    def run(self, code: str, timeout: float = 300.0) -> subprocess.CompletedProcess[str]:
        """Runs code in a new process to its end; raises subprocess.TimeoutExpired if it does not end."""
        with tempfile.TemporaryDirectory() as folder:
            stdout, stderr = Path(folder) / "stdout", Path(folder) / "stderr"
            reply = self._ask({"code": code, "stdout": str(stdout), "stderr": str(stderr)}, timeout)
            return subprocess.CompletedProcess(["-c"], int(reply), stdout.read_text(), stderr.read_text())

    def _ask(self, request: dict[str, str], timeout: float) -> str:
        """Returns the server's reply. Ends the server and its process if none comes in time."""
        if self.process is None or self.process.poll() is not None:
            self.process = subprocess.Popen(
                [sys.executable, str(PROGRAM)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=self._environment,
                start_new_session=True,
            )
            atexit.register(end, self.process)
        server = self.process
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        if not select.select([server.stdout], [], [], timeout)[0]:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
            raise subprocess.TimeoutExpired(request["code"], timeout)
        return server.stdout.readline()


def end(server: subprocess.Popen[str]) -> None:
    """Ends a server, which has no process left."""
    assert server.stdin is not None
    server.stdin.close()
    server.wait()
