"""What the tests of the Python package need: the package from the checkout, models, lanes, and the mark `gpu`."""

import sys
from collections.abc import Callable
from pathlib import Path

import greenlane as gl
import pytest
import torch
from models.fixture import models

from python.lanes import a, b

__all__ = ["a", "b", "models"]

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "python"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips what needs a GPU where there is none."""
    if torch.cuda.is_available():
        return
    for item in items:
        if HERE in item.path.parents and item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="no NVIDIA GPU here"))


@pytest.fixture
def new_engine(models: Path) -> Callable[[], gl.Engine]:
    """Loads it anew each time."""
    return lambda: gl.load(models / "affine.pt2")
