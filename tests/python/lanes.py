"""Fixtures of lanes that can be told apart. Import them in a conftest.py."""

import greenlane as gl
import pytest


@pytest.fixture
def a() -> gl.Lane:
    return gl.lane("cpu", "a")


@pytest.fixture
def b() -> gl.Lane:
    return gl.lane("cpu", "b")
