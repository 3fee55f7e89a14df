"""Runs a contestant's programs, each under a limit, because a hang must not stop the race."""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

KEPT = 1500  # characters of a failure's output


@dataclass(frozen=True)
class Ended:
    """The end of a program."""

    status: int | None  # none: killed at its limit
    output: str  # the end of what it wrote

    @property
    def problem(self) -> str | None:
        """Describes the failure; None where the program ended well."""
        if self.status == 0:
            return None
        how = "killed at its time limit" if self.status is None else f"exit status {self.status}"
        return f"{how}: {self.output.strip()[-KEPT:]}"


class Child:
    """A running program in a process group of its own, so that all of it can be killed."""

    def __init__(self, command: Sequence[str | Path], log: Path, environment: dict[str, str] | None = None) -> None:
        """Starts the program; its output goes to the log."""
        self.log = log
        self._out: IO[bytes] = log.open("wb")
        self._process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=self._out,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )

    @property
    def is_running(self) -> bool:
        """Returns true until the program has ended."""
        return self._process.poll() is None

    def end(self, until: float) -> Ended:
        """Waits until this time of the monotonic clock, and kills what still runs."""
        status: int | None
        try:
            status = self._process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            status = None
            os.killpg(self._process.pid, signal.SIGKILL)  # not reaped yet: the number is still its own
            self._process.wait()
        self._out.close()
        return Ended(status, self.log.read_text(errors="replace"))


def run(command: Sequence[str | Path], log: Path, limit: float, environment: dict[str, str] | None = None) -> Ended:
    """Runs a program for at most `limit` seconds."""
    return Child(command, log, environment).end(time.monotonic() + limit)
