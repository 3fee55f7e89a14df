"""The fixtures of the Python package's tests (models, lanes, engines), and the mark `gpu`."""

import sys
from collections.abc import Callable
from pathlib import Path

import greenlane as gl
import pytest
import torch
from models.fixture import models
from seeds import same_random_numbers

from python.lanes import a, b
from python.leapp_exports import leapp_export, leapp_pipeline

__all__ = ["a", "b", "leapp_export", "leapp_pipeline", "models", "same_random_numbers"]

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "python"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips tests with the mark `gpu` if there is no GPU."""
    if torch.cuda.is_available():
        return
    for item in items:
        if HERE in item.path.parents and item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="this machine has no NVIDIA GPU"))


@pytest.fixture
def new_engine(models: Path) -> Callable[[], gl.Engine]:
    """A function that loads the engine anew at each call."""
    return lambda: gl.load(models / "affine.pt2")
