"""The fixtures of the program's tests."""

from models.fixture import models

__all__ = ["models"]
