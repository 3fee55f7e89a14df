"""`greenlane run` in a process that already has a nice value, as batch queues and systemd start it."""

import os
import subprocess
from pathlib import Path

import pytest

from cli.program import PROGRAM, small_pipeline

NOBODY = 65534


def start_nice() -> None:
    os.nice(10)
    if os.getuid() == 0:
        os.setgid(NOBODY)
        os.setuid(NOBODY)


def may_run(file: Path) -> bool:
    try:
        return (
            subprocess.run([file, "--version"], preexec_fn=start_nice, capture_output=True, check=False).returncode == 0
        )
    except PermissionError:
        return False


@pytest.mark.parametrize("mode", ["priority", "gates", "compare"])
def test_modes_with_priorities_need_no_privileges(mode: str, models: Path, tmp_path: Path) -> None:
    if not may_run(PROGRAM):
        pytest.skip("another user may not run the program on this machine")
    file = small_pipeline(tmp_path, models)
    for folder in (tmp_path, *list(tmp_path.parents)[:2]):
        folder.chmod(0o755)
    results = tmp_path / "results"
    results.mkdir(mode=0o777)
    results.chmod(0o777)
    command = [PROGRAM, "run", file, "--mode", mode, "--seconds", "0.1", "--json", results / "out.json"]
    done = subprocess.run(
        [str(part) for part in command], preexec_fn=start_nice, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (results / "out.json").exists()
