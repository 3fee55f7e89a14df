"""The build backend of `pip install .`: scikit-build-core, and PyTorch where there is none to build against."""

from typing import Any

import torch_found
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


def get_requires_for_build_wheel(config_settings: dict[str, Any] | None = None) -> list[str]:
    """Returns what pip installs for the build beside pyproject.toml's own requirements."""
    return [*_base.get_requires_for_build_wheel(config_settings), *torch_found.build_requirements()]


def get_requires_for_build_editable(config_settings: dict[str, Any] | None = None) -> list[str]:
    """Returns the same for editable installs."""
    return [*_base.get_requires_for_build_editable(config_settings), *torch_found.build_requirements()]
