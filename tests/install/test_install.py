"""`cmake --install`, as a user sees it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from built import BUILD

from install.commands import run

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
ROBOT = EXAMPLES / "robot" / "build"
ENGINES = ("policy", "vision", "head")
PLAN = {
    "mode": "gates",
    "lanes": [{"name": name} for name in ENGINES],
    "engines": [{"name": name, "lane": name} for name in ENGINES],
}


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation of the build folder, moved from where it was installed."""
    folder = tmp_path_factory.mktemp("prefix")
    run("cmake", "--install", BUILD, "--prefix", folder / "first")
    return (folder / "first").rename(folder / "moved")


def test_another_project_finds_and_links_it(prefix: Path, tmp_path: Path) -> None:
    """find_package(greenlane), greenlane::core without PyTorch, and the example programs on greenlane::torch.

    The installation was moved, as a package of it is.
    """
    consumer = ROOT / "tests" / "install" / "consumer"
    run(
        "cmake",
        "-S",
        consumer,
        "-B",
        tmp_path,
        "-G",
        "Ninja",
        f"-DCMAKE_PREFIX_PATH={prefix}",
        f"-DEXAMPLES={EXAMPLES}",
    )
    run("cmake", "--build", tmp_path)
    assert ": 42" in run(tmp_path / "core_only")
    core_libraries = run("ldd", tmp_path / "core_only")
    assert "libtorch" not in core_libraries
    assert "libcuda" not in core_libraries
    if not torch.cuda.is_available():
        policy = [ROBOT / "policy.pt2", ROBOT / "policy.inputs.pt"]
        result = subprocess.run([tmp_path / "own_stream", *policy], capture_output=True, text=True)
        assert (result.returncode, result.stderr.startswith("own_stream: ")) == (1, True)
        plan = tmp_path / "plan.json"
        plan.write_text(json.dumps(PLAN))
        out = run(tmp_path / "serve_plan", EXAMPLES / "robot" / "robot.toml", plan, ROBOT / "policy.inputs.pt")
        assert re.search(r"^policy +policy: 200 runs, p99 [1-9]\d* us$", out, re.M), out


def test_the_installed_program_needs_no_environment(prefix: Path, tmp_path: Path) -> None:
    """The program needs no environment variable."""
    program = prefix / "bin" / "greenlane"
    assert "cpu" in run(program, "devices", cwd=tmp_path, env={})
    assert "policy" in run(program, "run", EXAMPLES / "robot" / "robot.toml", "--seconds", "0.1", cwd=tmp_path, env={})


def test_the_installed_program_can_be_moved(prefix: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(prefix, tmp_path / "moved")
    prefix.rename(prefix.with_name("aside"))
    try:
        robot = EXAMPLES / "robot" / "robot.toml"
        assert "policy" in run(moved / "bin" / "greenlane", "run", robot, "--seconds", "0.1", env={})
    finally:
        prefix.with_name("aside").rename(prefix)


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="the example divides two cores")
def test_the_example_runs_two_engines_on_two_lanes() -> None:
    """Runs examples/embed, which is built with everything else."""
    files = [ROBOT / f"{name}.{kind}" for name in ("policy", "vision") for kind in ("pt2", "inputs.pt")]
    out = run(BUILD / "bin" / "embed", "cpu", *files)
    assert "first" in out
    assert "second" in out


@pytest.mark.skipif(torch.cuda.is_available(), reason="the plan is for a CPU")
def test_the_example_in_python_serves_a_plan_with_gates(tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps(PLAN))
    program = EXAMPLES / "serve_plan" / "serve_plan.py"
    env = {**os.environ, "PYTHONPATH": str(ROOT / "python")}
    out = run(sys.executable, program, EXAMPLES / "robot" / "robot.toml", plan, ROBOT / "policy.inputs.pt", env=env)
    assert re.search(r"^policy +policy: 200 runs, p99 [1-9]\d* us$", out, re.M), out


def test_the_programs_that_serve_are_short() -> None:
    """At most 15 lines without imports, comments and the message on how to use them."""
    for file in ("serve_plan.cpp", "serve_plan.py"):
        lines = (EXAMPLES / "serve_plan" / file).read_text().partition('"""\n\n')[2 if file.endswith("py") else 0]
        code = [
            line
            for line in lines.splitlines()
            if line.strip() and not re.match(r"\s*(#include|import|from|//|#|\}|int main)|.*usage", line)
        ]
        assert len(code) <= 15, code
