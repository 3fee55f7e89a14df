"""The same random numbers in every run, as a pytest fixture: import `same_random_numbers` in a conftest.py."""

import pytest
import torch


@pytest.fixture(autouse=True)
def same_random_numbers() -> None:
    """Seeds PyTorch, so that a test's weights are the same in every run, whichever tests run before it."""
    torch.manual_seed(0)
