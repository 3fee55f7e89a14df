"""The processes of the server: new ones, that end as programs do."""

import os
import subprocess
from collections.abc import Iterator

import pytest

from compat.server import ProcessServer, end


@pytest.fixture
def server() -> Iterator[ProcessServer]:
    made = ProcessServer({**os.environ, "GREENLANE_TEST_VARIABLE": "here"})
    yield made
    if made.process is not None:
        end(made.process)


def test_each_program_has_a_process_of_its_own(server: ProcessServer) -> None:
    first = server.run("import os; print(os.getpid())")
    left = server.run("import sys; sys.greenlane_left = True; name = 1")
    seen = server.run(
        "import os, sys; print(os.getpid(), os.environ['GREENLANE_TEST_VARIABLE'], __name__, sorted(globals()),"
        " hasattr(sys, 'greenlane_left'), 'greenlane' in sys.modules, 'torch' in sys.modules)"
    )
    assert (first.returncode, left.returncode, seen.returncode) == (0, 0, 0), seen.stderr
    pid, rest = seen.stdout.strip().split(" ", 1)
    assert pid != first.stdout.strip()
    assert rest == "here __main__ ['__builtins__', '__name__', 'os', 'sys'] False False True"


@pytest.mark.parametrize(
    ("code", "status"), [("raise SystemExit(3)", 3), ("import os; os.abort()", -6), ("raise ValueError('no')", 1)]
)
def test_the_status_and_both_outputs_are_the_programs(server: ProcessServer, code: str, status: int) -> None:
    program = f"import atexit, sys; atexit.register(print, 'end'); print('error', file=sys.stderr, flush=True); {code}"
    done = server.run(program)
    assert done.returncode == status
    assert done.stdout == ("" if status < 0 else "end\n")
    assert done.stderr.startswith("error\n")
    assert ("ValueError: no" in done.stderr) == (status == 1)


def test_a_program_that_hangs_is_ended_and_the_next_one_runs(server: ProcessServer) -> None:
    server.run("")
    with pytest.raises(subprocess.TimeoutExpired):
        server.run("import time; time.sleep(600)", timeout=1)
    assert server.run("print('next')").stdout == "next\n"
