"""The build backend of `pip install .`: scikit-build-core, and PyTorch where there is none to build against.

The libraries fit only the PyTorch that they were built with. A PyTorch in the environment into which pip installs is
therefore used in place, also from an isolated build. Without one, PyTorch is a requirement of the build; pip then
resolves the package's own dependency to the same version.
"""

import sysconfig
from pathlib import Path
from typing import Any

from scikit_build_core import build as _base
from scikit_build_core.build import (
    build_editable,
    build_sdist,
    build_wheel,
    get_requires_for_build_sdist,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

_TORCH = "torch>=2.11,<2.15"  # as in pyproject.toml


def _torch_if_missing() -> list[str]:
    folders = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    return [] if any((Path(folder) / "torch" / "version.py").exists() for folder in folders) else [_TORCH]


def get_requires_for_build_wheel(config_settings: dict[str, Any] | None = None) -> list[str]:
    """Returns what pip installs for the build beside pyproject.toml's own requirements."""
    return [*_base.get_requires_for_build_wheel(config_settings), *_torch_if_missing()]


def get_requires_for_build_editable(config_settings: dict[str, Any] | None = None) -> list[str]:
    """Returns the same for editable installs."""
    return [*_base.get_requires_for_build_editable(config_settings), *_torch_if_missing()]
