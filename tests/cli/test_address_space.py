"""A pipeline on the CPU of a machine without a GPU fits into 2 GiB of address space (`ulimit -v`)."""

import json
import resource
import subprocess
from functools import partial
from pathlib import Path

import pytest

from cli.program import PROGRAM, best_effort_pipeline, config, engine

LIMIT = 2 << 30
LIVE = PROGRAM.with_name("robot_live")


@pytest.fixture(autouse=True)
def _without_a_driver() -> None:
    try:
        subprocess.run(["nvidia-smi", "-L"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return
    pytest.skip("CUDA maps more than this on a machine with a GPU")


def limited(*command: str | Path) -> subprocess.CompletedProcess[str]:
    limit = partial(resource.setrlimit, resource.RLIMIT_AS, (LIMIT, LIMIT))
    arguments = [str(argument) for argument in command]
    return subprocess.run(arguments, capture_output=True, text=True, timeout=120, check=False, preexec_fn=limit)


def test_the_commands_fit(models: Path, tmp_path: Path) -> None:
    pipeline, profile = best_effort_pipeline(tmp_path, models), tmp_path / "profile.json"
    commands: list[list[str | Path]] = [
        ["run", pipeline, "--seconds", "0.5", "--check", "--mode", "compare"],
        ["profile", pipeline, "--seconds", "0.05", "--out", profile],
        ["plan", pipeline, "--profile", profile, "--seconds", "0.1", "--budget", "1", "--out", tmp_path / "plan.json"],
    ]
    for command in commands:
        done = limited(PROGRAM, *command)
        assert (done.returncode, done.stderr) == (0, ""), done
    assert json.loads((tmp_path / "plan.json").read_text())["engines"]


def test_outputs_are_right_within_the_limit(models: Path, tmp_path: Path) -> None:
    file, out = config(tmp_path, engine("policy", models / "affine.pt2", rate_hz=50)), tmp_path / "out.json"
    assert limited(PROGRAM, "run", file, "--seconds", "0.3", "--check", "--json", out).returncode == 0
    assert json.loads(out.read_text())["modes"][0]["engines"][0]["checked"] is True


def test_a_program_that_serves_fits() -> None:
    live = Path(__file__).resolve().parents[2] / "examples" / "robot_live"
    if not (live / "build" / "policy.pt2").exists():
        pytest.skip("its models are not exported: python examples/robot_live/export_live.py")
    done = limited(LIVE, live / "robot_live.toml", "--seconds", "1")
    assert done.returncode == 0, done
