"""NVIDIA's Multi-Process Service, with a daemon of our own for one contestant.

https://docs.nvidia.com/deploy/mps/: a process's CUDA_MPS_ACTIVE_THREAD_PERCENTAGE limits the SMs that it may use. It
reserves none, so two processes may get the same SMs.
"""

import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

from mixes import Mix

# Folders in which containers have the driver's programs.
PLACES = ("/usr/local/nvidia/bin", "/usr/bin", "/usr/lib/wsl/lib", "/opt/nvidia/bin")
NAME = "nvidia-cuda-mps-control"
LIMIT = 20  # seconds for a command of the daemon


def find() -> Path | None:
    """Returns the path of the control program."""
    path = os.pathsep.join([os.environ.get("PATH", ""), *PLACES])
    found = shutil.which(NAME, path=path)
    return Path(found) if found else None


class Daemon:
    """A running daemon with folders of its own, and what its clients need to find it."""

    def __init__(self, control: Path, folder: Path) -> None:
        """Starts the daemon. Raises CalledProcessError, TimeoutExpired or OSError."""
        self.control = control
        pipes, logs = folder / "pipes", folder / "logs"
        pipes.mkdir(parents=True)
        logs.mkdir()
        self.logs = logs
        self.environment = {"CUDA_MPS_PIPE_DIRECTORY": str(pipes), "CUDA_MPS_LOG_DIRECTORY": str(logs)}
        # The daemon looks for its server on the path.
        path = os.pathsep.join([str(control.parent), os.environ.get("PATH", "")])
        self._all = {**os.environ, **self.environment, "PATH": path}
        subprocess.run([control, "-d"], env=self._all, check=True, timeout=LIMIT, stdout=subprocess.DEVNULL)

    def ask(self, command: str) -> str:
        """Returns the answer to a command."""
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
        """Returns the end of what the daemon and its server wrote."""
        return "".join(file.read_text(errors="replace")[-1000:] for file in sorted(self.logs.glob("*.log")))

    def __enter__(self) -> "Daemon":
        """Does nothing: the daemon runs already."""
        return self

    def __exit__(self, *error: object) -> None:
        """Ends the daemon with the contestant, because a limit of MPS must not hold for others."""
        with suppress(subprocess.TimeoutExpired):  # in that case it ends when the machine does
            self.ask("quit -t 3")


def environments(mix: Mix, whole: int, of_daemon: dict[str, str], *, limited: bool = True) -> dict[str, dict[str, str]]:
    """Returns the environment of each engine's process: lower priority for best effort, and its lane's share where
    limited."""
    urgent = {engine.name for engine in mix.urgent}
    found = {}
    for name, units in mix.sizes(whole).items():
        found[name] = of_daemon | {"CUDA_MPS_CLIENT_PRIORITY": "0" if name in urgent else "1"}
        if limited:  # the driver rounds up to SMs that it can give
            found[name]["CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"] = str(100 * units // whole)
    return found
