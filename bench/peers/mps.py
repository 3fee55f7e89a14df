"""NVIDIA's Multi-Process Service: a daemon of our own for one contestant.

https://docs.nvidia.com/deploy/mps/: a process's CUDA_MPS_ACTIVE_THREAD_PERCENTAGE limits the SMs that it may use; it
reserves none, so that two processes may be given the same.
"""

import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

from mixes import Mix

# Where containers have what comes with the driver.
PLACES = ("/usr/local/nvidia/bin", "/usr/bin", "/usr/lib/wsl/lib", "/opt/nvidia/bin")
NAME = "nvidia-cuda-mps-control"
LIMIT = 20  # seconds for a command of the daemon's


def find() -> Path | None:
    """The control program."""
    path = os.pathsep.join([os.environ.get("PATH", ""), *PLACES])
    found = shutil.which(NAME, path=path)
    return Path(found) if found else None


class Daemon:
    """A running daemon with folders of its own, and what its clients need to find it."""

    def __init__(self, control: Path, folder: Path) -> None:
        """Starts it. Raises CalledProcessError, TimeoutExpired or OSError."""
        self.control = control
        pipes, logs = folder / "pipes", folder / "logs"
        pipes.mkdir(parents=True)
        logs.mkdir()
        self.logs = logs
        self.environment = {"CUDA_MPS_PIPE_DIRECTORY": str(pipes), "CUDA_MPS_LOG_DIRECTORY": str(logs)}
        # Its server is looked for on the path.
        path = os.pathsep.join([str(control.parent), os.environ.get("PATH", "")])
        self._all = {**os.environ, **self.environment, "PATH": path}
        subprocess.run([control, "-d"], env=self._all, check=True, timeout=LIMIT, stdout=subprocess.DEVNULL)

    def ask(self, command: str) -> str:
        """What it answers."""
        done = subprocess.run(
            [self.control],
            input=command + "\n",
            env=self._all,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        return (done.stdout + done.stderr).strip()

    def log(self) -> str:
        """The end of what it and its server wrote."""
        return "".join(file.read_text(errors="replace")[-1000:] for file in sorted(self.logs.glob("*.log")))

    def __enter__(self) -> "Daemon":
        """It runs already."""
        return self

    def __exit__(self, *error: object) -> None:
        """Ends it with the contestant: a limit of MPS is not the others'."""
        with suppress(subprocess.TimeoutExpired):  # then it ends when the machine does
            self.ask("quit -t 3")


def environments(mix: Mix, whole: int, of_daemon: dict[str, str], *, limited: bool = True) -> dict[str, dict[str, str]]:
    """Of each engine's process: a lower priority for best effort and, where they are limited, the share of its lane."""
    urgent = {engine.name for engine in mix.urgent}
    found = {}
    for name, units in mix.sizes(whole).items():
        found[name] = of_daemon | {"CUDA_MPS_CLIENT_PRIORITY": "0" if name in urgent else "1"}
        if limited:  # the driver rounds up to SMs that it can give
            found[name]["CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"] = str(100 * units // whole)
    return found
