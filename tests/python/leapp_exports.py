"""The export of the tests of `python -m greenlane.leapp`, and the pipeline that it becomes."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import greenlane as gl
import pytest
from greenlane.leapp import LeappError, convert
from torch import Tensor
from torch.utils import _pytree as pytree

from python.children import PYTHON

HERE = Path(__file__).resolve().parent
VISION, POLICY, HEAD = 'vision "左"', "policy", "policy.1"
LONG = 60.0
Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="session")
def leapp_export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the export in `robot`, and LEAPP's own results in `reference.pt`."""
    pytest.importorskip("leapp")
    folder = tmp_path_factory.mktemp("leapp")
    command = [sys.executable, str(HERE / "export_with_leapp.py"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="session")
def leapp_pipeline(leapp_export: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The TOML file of the export, made by the program."""
    out = tmp_path_factory.mktemp("pipelines") / "new" / "robot"
    done = program(leapp_export / "robot", "-o", out, "--device", "cpu")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "compiling 'vision \"左\"' for cpu (1 of 3)",
        "compiling 'policy' for cpu (2 of 3)",
        "compiling 'policy.1' for cpu (3 of 3)",
        f"written to {out / 'robot.toml'}",
    ]
    return out / "robot.toml"


def program(*arguments: Path | str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the program to its end."""
    command = [sys.executable, "-m", "greenlane.leapp", *map(str, arguments)]
    variables = {**os.environ, "PYTHONPATH": str(PYTHON), **environment}
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=variables)


def copied(export: Path, folder: Path, change: Change) -> Path:
    """Returns a copy of the export with changes of its YAML."""
    import yaml

    copy = Path(shutil.copytree(export / "robot", folder / "robot"))
    file = copy / "robot.yaml"
    content = yaml.safe_load(file.read_bytes())
    change(content)
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    return copy


def refusal(folder: Path, out: Path, **options: Any) -> str:
    """Returns the message of a refused export, which leaves nothing behind."""
    before = sorted(out.rglob("*")) if out.exists() else None
    with pytest.raises(LeappError) as refused:
        convert(folder, out, **options)
    assert (sorted(out.rglob("*")) if out.exists() else None) == before
    message = str(refused.value)
    assert re.fullmatch(r"[^\n]+: [^\n]+; [^\n]+", message)
    return message


def largest_difference(
    robot: gl.Pipeline, sinks: dict[str, gl.PipelineSink], reference: dict[str, list[dict[str, Tensor]]]
) -> float:
    """Runs the steps of LEAPP's reference, each to its end; returns the largest difference in an output.

    A new handle of a sink would give the last result of the steps before, so the handles are given.
    """
    largest = 0.0
    for inputs, wanted in zip(reference["inputs"], reference["outputs"], strict=True):
        for name, value in inputs.items():
            robot.source(name).publish(value)
        results = {name: pytree.tree_leaves(sink.wait(LONG).outputs) for name, sink in sinks.items()}
        outputs = {
            f"{VISION}/brightness": results[VISION][1],
            f"{HEAD}/chunk": results[HEAD][0],
            f"{HEAD}/total": results[HEAD][1],
        }
        assert outputs.keys() == wanted.keys()
        largest = max(largest, *(float((outputs[key] - wanted[key]).abs().max()) for key in wanted))
    return largest
