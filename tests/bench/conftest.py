"""The packages that the tests of the race run."""

from models.fixture import models

__all__ = ["models"]
