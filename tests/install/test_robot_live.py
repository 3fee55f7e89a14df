"""examples/robot_live: engines that feed each other, in a program of each language and in a rehearsal."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from built import BUILD
from cli.program import greenlane

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "robot_live"
PROGRAMS = {
    "python": [sys.executable, str(EXAMPLE / "robot_live.py")],
    "cpp": [str(BUILD / "bin" / "robot_live"), str(EXAMPLE / "robot_live.toml")],
}


@pytest.mark.parametrize("language", PROGRAMS)
def test_the_robot_acts_on_its_pictures(language: str) -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT / "python")}
    command = [*PROGRAMS[language], "--seconds", "3"]
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=120, check=False)
    assert done.returncode == 0, done
    # Each line comes once a second: the last one counts.
    items = dict(re.findall(r"^(\w+) .* \d+ of (\d+) late, \d+ dropped$", done.stdout, re.M))
    failed = dict(re.findall(r"^(\w+) .* (\d+) failed$", done.stdout, re.M))
    assert items.keys() == {"act", "chunk"}
    assert all(int(count) > 0 for count in items.values()), done.stdout
    assert failed == {"vision": "0", "policy": "0", "head": "0"}


def test_the_robot_rehearses(tmp_path: Path) -> None:
    done = greenlane("run", EXAMPLE / "robot_live.toml", "--seconds", "1", "--check", "--json", tmp_path / "out.json")
    assert done.returncode == 0, done
    (mode,) = json.loads((tmp_path / "out.json").read_text())["modes"]
    assert {engine["name"]: engine["checked"] for engine in mode["engines"]} == dict.fromkeys(
        ("vision", "policy", "head"), True
    )
    assert all(path["items"] > 0 for path in mode["paths"])


def test_the_programs_are_short() -> None:
    for name in ("robot_live.py", "robot_live.cpp"):
        assert len((EXAMPLE / name).read_text().splitlines()) <= 80
