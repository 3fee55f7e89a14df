"""The packages that the examples load."""

from models.fixture import models

__all__ = ["models"]
