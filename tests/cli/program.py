"""Running the program `greenlane` as a user does."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("GREENLANE_BIN", ROOT / "build" / "bin" / "greenlane"))


def greenlane(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs it to its end, with its outputs in pipes."""
    command = [str(PROGRAM), *(str(argument) for argument in arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def engine(name: str, model: Path, inputs: Path | None = None, **keys: float | str) -> str:
    """A table of the configuration. The inputs are those beside the model unless others are given."""
    inputs = inputs or model.with_suffix(".inputs.pt")
    lines = [f"[engine.{name}]", f"model = '{model}'", f"inputs = '{inputs}'"]
    lines += [f"{key} = {value!r}" for key, value in keys.items()]
    return "\n".join(lines) + "\n"


def config(folder: Path, *tables: str) -> Path:
    """A configuration for the CPU."""
    file = folder / "pipeline.toml"
    file.write_text("device = 'cpu'\n" + "".join(tables))
    return file


def small_pipeline(folder: Path, models: Path) -> Path:
    """An urgent and a best-effort engine, whose deadlines are easily met."""
    return config(
        folder,
        engine("policy", models / "affine.pt2", rate_hz=50, deadline_ms=1000),
        engine("head", models / "pair.pt2"),
    )


def engines(results: Path, mode: int = 0) -> Mapping[str, Any]:
    """What a results file says about every engine in a mode, by name."""
    return {entry["name"]: entry for entry in json.loads(results.read_text())["modes"][mode]["engines"]}


def refusal(*arguments: str | Path) -> str:
    """The one message with which a command is refused: status 2, a single line on stderr, and no table on stdout."""
    done = greenlane(*arguments)
    assert done.returncode == 2, done
    assert done.stdout.count("\n") <= 1  # the device, where that was opened
    assert done.stderr.startswith("greenlane: ")
    assert done.stderr.endswith("\n")
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr
