"""Functions that run the program `greenlane` as a user does."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from built import BUILD

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("GREENLANE_BIN", BUILD / "bin" / "greenlane"))


def greenlane(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs the program to its end, with its outputs in pipes."""
    command = [str(PROGRAM), *(str(argument) for argument in arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def engine(name: str, model: Path, inputs: Path | None = None, **keys: float | str | list[int]) -> str:
    """Returns an engine's table of a configuration. The inputs default to those beside the model."""
    inputs = inputs or model.with_suffix(".inputs.pt")
    lines = [f"[engine.{name}]", f"model = '{model}'", f"inputs = '{inputs}'"]
    lines += [
        f"{key} = {str(value).lower() if isinstance(value, bool) else repr(value)}" for key, value in keys.items()
    ]
    return "\n".join(lines) + "\n"


def config(folder: Path, *tables: str) -> Path:
    """Writes a configuration for the CPU."""
    file = folder / "pipeline.toml"
    file.write_text("device = 'cpu'\n" + "".join(tables))
    return file


def small_pipeline(folder: Path, models: Path) -> Path:
    """Writes a configuration with a best-effort engine and an urgent one, whose deadline is easily met."""
    return config(
        folder,
        engine("policy", models / "affine.pt2", rate_hz=50, deadline_ms=1000),
        engine("head", models / "pair.pt2"),
    )


def best_effort_pipeline(folder: Path, models: Path) -> Path:
    """Writes a configuration without a deadline, which has a plan on a machine under any load."""
    return config(folder, engine("policy", models / "affine.pt2"), engine("head", models / "pair.pt2"))


def engines(results: Path, mode: int = 0) -> Mapping[str, Any]:
    """Returns the entries of all engines in one mode of a results file, by name."""
    return {entry["name"]: entry for entry in json.loads(results.read_text())["modes"][mode]["engines"]}


def refusal(*arguments: str | Path) -> str:
    """Returns the one message of a refused command: status 2, a single line on stderr, and no table on stdout."""
    done = greenlane(*arguments)
    assert done.returncode == 2, done
    assert done.stdout.count("\n") <= 1  # the device, if it was opened
    assert done.stderr.startswith("greenlane: ")
    assert done.stderr.endswith("\n")
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def in_shell(script: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs a script in which $0 is the program."""
    command = ["bash", "-c", script, str(PROGRAM), *(str(argument) for argument in arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
