"""What all tests share: the same random numbers in every run."""

import sys

import pytest


@pytest.fixture(autouse=True)
def _same_random_numbers() -> None:
    """Seeds PyTorch, so that a test's weights are the same in every run, whichever tests run before it."""
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)
