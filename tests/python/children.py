"""Runs code in another process: in a forked child of this one, or as a program of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

PYTHON = Path(__file__).resolve().parents[2] / "python"
TESTS = Path(__file__).resolve().parents[1]
HUNG = "hung"


def in_child(work: Callable[[], object], seconds: int = 20) -> str:
    """Returns the text of `work`'s result in a forked child, ``"KIND: message"`` of an exception, or :data:`HUNG`."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(seconds)
        try:
            text = str(work())
        except BaseException as error:
            text = f"{type(error).__name__}: {error}"
        os.write(write_end, text.encode())
        os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end) as pipe:
        text = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status == -signal.SIGALRM:
        return HUNG
    return text if status == 0 else f"status {status}: {text}"


def run_program(
    code: str, *arguments: str | Path, prefix: tuple[str, ...] = (), environment: Mapping[str, str] = {}
) -> subprocess.CompletedProcess[str]:
    """Runs Python code as a program to its end; raises subprocess.TimeoutExpired if it does not end."""
    return subprocess.run(
        [*prefix, sys.executable, "-c", code, *(str(argument) for argument in arguments)],
        env={**os.environ, "PYTHONPATH": f"{PYTHON}:{TESTS}", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
