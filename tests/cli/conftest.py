"""What the tests of the program need."""

from models.fixture import models

__all__ = ["models"]
