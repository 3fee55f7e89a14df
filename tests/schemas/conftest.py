"""The fixtures of the schemas' tests."""

from models.fixture import models

from schemas.written import written

__all__ = ["models", "written"]
