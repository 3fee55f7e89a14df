"""`greenlane audit` without a GPU: each refusal has one message that says why."""

import subprocess
from pathlib import Path

import pytest

from cli.program import PROGRAM, config, engine, greenlane, refusal, small_pipeline


@pytest.fixture
def pipeline(models: Path, tmp_path: Path) -> Path:
    return small_pipeline(tmp_path, models)


def test_an_audit_on_a_cpu_is_refused(pipeline: Path, tmp_path: Path) -> None:
    out, trace = tmp_path / "out.json", tmp_path / "trace.json"
    text = refusal("audit", pipeline, "--json", out, "--trace", trace)
    assert "cannot be audited on cpu" in text
    assert "an audit needs CUDA" in text
    assert "NVIDIA GPU" in text
    assert not out.exists()
    assert not trace.exists()


def test_a_missing_gpu_is_reported(pipeline: Path) -> None:
    pipeline.write_text(pipeline.read_text().replace("'cpu'", "'cuda:99'"))
    assert "cuda:99" in refusal("audit", pipeline) or "driver" in refusal("audit", pipeline)


def test_missing_files_are_refused(models: Path, tmp_path: Path) -> None:
    assert "there is no such file" in refusal("audit", tmp_path / "none.toml")
    missing = config(tmp_path, engine("policy", tmp_path / "none.pt2", models / "affine.inputs.pt"))
    assert "none.pt2" in refusal("audit", missing)
    assert "none.json" in refusal("audit", small_pipeline(tmp_path, models), "--plan", tmp_path / "none.json")


def test_invalid_times_are_refused(pipeline: Path) -> None:
    for seconds in ("0", "-1", "soon"):
        done = greenlane("audit", pipeline, "--seconds", seconds)
        assert done.returncode == 2, done
        assert "--seconds" in done.stderr + done.stdout


def test_no_library_links_to_cupti() -> None:
    """CUPTI is loaded when an audit asks for it."""
    libraries = [PROGRAM, *(PROGRAM.parents[1] / "lib").glob("libgreenlane_*.so")]
    assert len(libraries) > 3
    for library in libraries:
        needed = subprocess.run(["readelf", "-d", library], capture_output=True, text=True, check=True).stdout
        assert "cupti" not in needed, library
