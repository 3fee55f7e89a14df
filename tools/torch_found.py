"""Which PyTorch a build of the Python package uses, and what the package says of it.

The libraries fit only the minor version of PyTorch that they were built with. The package's version and its dependency
therefore name it: ``0.1.0+torch2.15`` needs ``torch==2.15.*``.
"""

import re
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SUPPORTED = "torch>=2.11,<2.16"
"""The versions of PyTorch against which the sources can be built."""


def _torch_setting(folders: list[str], name: str) -> str | None:
    """Returns what torch/version.py in the first of the folders that has one says of `name`."""
    for folder in folders:
        file = Path(folder) / "torch" / "version.py"
        if file.exists():
            found = re.search(rf"^{name}\b.*= ['\"]([0-9.]+)", file.read_text(), re.M)
            return found[1] if found else None
    return None


def _python_of_torch(folders: list[str]) -> str | None:
    """Returns the versions of Python that the PyTorch in the folders is for; None where it does not say."""
    for folder in folders:
        for file in Path(folder).glob("torch-*.dist-info/METADATA"):
            found = re.search(r"^Requires-Python: *(\S+)$", file.read_text(encoding="utf-8"), re.M)
            return found[1] if found else None
    return None


def _environment() -> list[str]:
    """Returns the folders of the environment into which pip installs, also in an isolated build."""
    return [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]


def build_requirements() -> list[str]:
    """Returns what the build needs beside pyproject.toml's own requirements.

    A PyTorch in the environment into which pip installs is used in place. Without one, PyTorch is a requirement of the
    build; pip then resolves the package's own dependency to the same version.
    """
    folders = _environment()
    if _torch_setting(folders, "__version__") is None:
        return [SUPPORTED, "cuda-toolkit[crt]"]
    cuda = _torch_setting(folders, "cuda")
    # PyTorch without CUDA is refused by CMake, with the reason.
    return [] if cuda is None else [f"nvidia-cuda-crt=={'.'.join(cuda.split('.')[:2])}.*"]


class Metadata:
    """Gives scikit-build-core the version and the dependencies of the package."""

    _state = "sdist"

    def build_state(self, build_state: str) -> None:
        """Notes what is built: a wheel is for one PyTorch, and sources are for all."""
        self._state = build_state

    def dynamic_wheel(self, settings: Mapping[str, Any]) -> dict[str, bool]:
        """Says what a wheel does not have in common with the sources."""
        return {"dependencies": True, "requires-python": True}

    def dynamic_metadata(self, settings: Mapping[str, Any], project: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the version, the dependencies and the versions of Python."""
        version, python = str(settings["version"]), str(settings["requires-python"])
        folders = [*_environment(), *filter(None, sys.path)]
        found = _torch_setting(folders, "__version__")
        if found is None or self._state == "sdist":
            return {"version": version, "dependencies": [SUPPORTED], "requires-python": python}
        minor = ".".join(found.split(".")[:2])
        return {
            "version": f"{version}+torch{minor}",
            "dependencies": [f"torch=={minor}.*"],
            "requires-python": _python_of_torch(folders) or python,
        }
