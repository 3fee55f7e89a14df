"""Every module of the package is imported by every supported version of Python that is on this machine."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
PYTHON = HERE.parents[1] / "python"
SUPPORTED = ("3.10", "3.11", "3.12", "3.13")
EVERY_MODULE = """
import importlib, pkgutil, sys
import greenlane
names = [info.name for info in pkgutil.walk_packages(greenlane.__path__, "greenlane.") if "__main__" not in info.name]
for name in names:
    importlib.import_module(name)
print("%d.%d" % sys.version_info[:2], len(names))
"""


def interpreter(version: str) -> str | None:
    """Returns the interpreter on the path, or pyenv's. A command of pyenv's on the path may be for another version."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    pyenv = [str(path) for path in sorted(root.glob(f"versions/{version}.*/bin/python{version}"))]
    for candidate in (shutil.which(f"python{version}"), *pyenv):
        if candidate and subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0:
            return candidate
    return None


def in_interpreter(python: str, code: str, *path: Path) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    environment["PYTHONPATH"] = os.pathsep.join(str(each) for each in path)
    return subprocess.run(
        [python, "-c", code], env=environment, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize("version", SUPPORTED)
def test_every_supported_python_imports_greenlane(version: str, tmp_path: Path) -> None:
    python = interpreter(version)
    if python is None:
        pytest.skip(f"there is no Python {version} on this machine; mypy checks for {SUPPORTED[0]}")
    shutil.copytree(PYTHON / "greenlane", tmp_path / "greenlane", ignore=shutil.ignore_patterns("__pycache__", "lib"))
    (tmp_path / "greenlane" / "lib").mkdir()
    (tmp_path / "greenlane" / "lib" / "libgreenlane_bindings.so").touch()  # the stand-in loads nothing
    done = in_interpreter(python, EVERY_MODULE, HERE / "stand_in", tmp_path)
    assert done.returncode == 0, done.stderr
    found, modules = done.stdout.split()
    assert found == version
    assert int(modules) > 40


def test_the_stand_in_rejects_names_missing_in_python() -> None:
    code = "import torch.anything; from torch.some import name; import typing; typing.NoSuchName"
    done = in_interpreter(sys.executable, code, HERE / "stand_in")
    assert done.returncode == 1
    assert "NoSuchName" in done.stderr.splitlines()[-1]
