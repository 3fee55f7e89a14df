"""Importing greenlane: anywhere, and without touching a GPU."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

PYTHON = Path(__file__).resolve().parents[2] / "python"


def run(code: str, path: Path = PYTHON, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(path), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_greenlane_works_without_a_visible_gpu() -> None:
    done = run("import greenlane as gl; print(gl.devices()[-1].id)", CUDA_VISIBLE_DEVICES="")
    assert (done.returncode, done.stdout) == (0, "cpu\n"), done


def test_the_import_does_not_start_cuda() -> None:
    code = "import greenlane, torch; print(torch.cuda.is_initialized(), 'libcuda.so' in open('/proc/self/maps').read())"
    assert run(f"import torch; {code}").stdout.split()[0] == "False"
    assert run(code.replace("import greenlane, ", "import ")).stdout == run(code).stdout  # PyTorch itself loads as much


def test_the_import_keeps_cores_and_threads() -> None:
    code = "import os, torch; {}; print(os.sched_getaffinity(0), torch.get_num_threads())"
    assert run(code.format("import greenlane")).stdout == run(code.format("pass")).stdout != ""


def test_a_missing_library_is_reported_with_a_remedy(tmp_path: Path) -> None:
    shutil.copytree(PYTHON / "greenlane", tmp_path / "python" / "greenlane", ignore=shutil.ignore_patterns("lib"))
    done = run("import greenlane", tmp_path / "python")
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ImportError: greenlane's library was not found")
    assert "make build" in last
    assert str(tmp_path) in last


def test_a_broken_library_is_reported(tmp_path: Path) -> None:
    shutil.copytree(PYTHON / "greenlane", tmp_path / "greenlane", ignore=shutil.ignore_patterns("lib"))
    (tmp_path / "greenlane" / "lib").mkdir()
    (tmp_path / "greenlane" / "lib" / "libgreenlane_bindings.so").write_bytes(b"no library")
    done = run("import greenlane", tmp_path)
    assert done.returncode == 1
    assert "does not load beside PyTorch" in done.stderr.splitlines()[-1]
