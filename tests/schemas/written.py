"""Files that the program writes now, once for all tests: a pipeline with edges, on the CPU."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cli.program import PROGRAM, config, engine, greenlane

from schemas.documents import ROOT

FAKE_CUDA = ROOT / "build" / "tests" / "compat" / "libcuda.so.1"
"""A driver without a GPU: it describes two H200."""


@dataclass(frozen=True)
class Written:
    """Each file with the name of its schema."""

    files: dict[str, tuple[str, Any]]

    def of(self, kind: str) -> list[Any]:
        """Returns the files of a schema."""
        return [document for schema, document in self.files.values() if schema == kind]


@pytest.fixture(scope="session")
def written(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Written:
    folder = tmp_path_factory.mktemp("written")
    # No timers: on a machine that is busy elsewhere ticks would be skipped, and then no plan meets all deadlines.
    file = config(
        folder,
        "[source.camera]\nrate_hz = 50\n",
        engine("first", models / "affine.pt2") + "from = 'camera'\non = 'camera'\n",
        engine("second", models / "affine.pt2") + "from = 'first'\non = 'first'\n",
        engine("head", models / "threads.pt2"),
        "[path.act]\nfrom = 'camera'\nto = 'second'\ndeadline_ms = 1000\n",
    )
    h200 = ROOT / "examples" / "robot" / "h200-memory.toml"
    measured = ROOT / "examples" / "robot" / "profiles" / "h200.json"
    out = {name: folder / f"{name}.json" for name in ("results", "trace", "profile", "plan", "predicted", "single")}
    single = config(tmp_path_factory.mktemp("single"), engine("only", models / "affine.pt2", rate_hz=50))
    compare = ("--mode", "compare", "--seconds", "0.2", "--check")
    commands = (
        ("run", file, *compare, "--json", out["results"], "--trace", out["trace"]),
        ("run", single, "--mode", "shared", "--seconds", "0.01", "--json", out["single"]),
        ("profile", file, "--seconds", "0.02", "--out", out["profile"]),
        ("plan", file, "--profile", out["profile"], "--seconds", "0.1", "--budget", "1", "--out", out["plan"]),
        ("plan", h200, "--profile", measured, "--no-verify", "--out", out["predicted"]),
    )
    for command in commands:
        done = greenlane(*command)
        assert done.returncode == 0, done
    kinds = {"predicted": "plan", "single": "results"}
    found = {name: (kinds.get(name, name), json.loads(path.read_text())) for name, path in out.items()}
    found["devices"] = ("devices", json.loads(greenlane("devices", "--json").stdout))
    if FAKE_CUDA.exists():
        done = subprocess.run(
            [str(PROGRAM), "devices", "--json"],
            env=os.environ | {"LD_PRELOAD": str(FAKE_CUDA)},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        found["devices with GPUs"] = ("devices", json.loads(done.stdout))
    return Written(found)


def save(file: Path, document: object) -> Path:
    """Writes a document as JSON."""
    file.write_text(json.dumps(document))
    return file
