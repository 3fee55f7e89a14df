"""Loads the compiled library once, and names the functions that it registered with PyTorch.

Everything is reached through torchbind, so one library serves every version of Python.
"""

import os
from pathlib import Path
from typing import Any

import torch

from greenlane._queue_setting import ask_for_hardware_queues

_NAME = "libgreenlane_bindings.so"


def _find_library() -> Path:
    package = Path(__file__).resolve().parent
    # An installed library is inside the package; in a checkout it is in CMake's build folder.
    build = Path(os.environ.get("GREENLANE_BUILD", package.parents[1] / "build"))
    candidates = [package / "lib" / _NAME, build / "lib" / _NAME]
    for path in candidates:
        if path.exists():
            return path
    searched = ", ".join(str(path) for path in candidates)
    raise ImportError(
        f"greenlane's library was not found (looked for {searched}); "
        "build it with `make build`, or install the package with `pip install .`"
    )


def _load() -> Path:
    path = _find_library()
    try:
        torch.ops.load_library(str(path))
    except OSError as error:
        raise ImportError(
            f"greenlane's library {path} does not load beside PyTorch {torch.__version__}: {error}; "
            "it only fits the version it was built with: build or install greenlane again"
        ) from error
    return path


ask_for_hardware_queues()
library = _load()
"""Path of the library."""

ops: Any = torch.ops.greenlane
"""The registered operators."""
