"""The fixtures of the tests of greenlane.serve."""

from models.fixture import models
from seeds import same_random_numbers

__all__ = ["models", "same_random_numbers"]
