"""The fixtures of the tests of greenlane.serve."""

from models.fixture import models
from seeds import same_random_numbers

from serve.module_pipelines import opens

__all__ = ["models", "opens", "same_random_numbers"]
