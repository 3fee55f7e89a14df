"""What the tests of Torch-TensorRT engines need: the stand-in for its runtime, and lanes."""

import gc
import time
from collections.abc import Iterator

import greenlane as gl
import pytest
from python.lanes import a, b

from compat import stand_in

__all__ = ["a", "b"]


@pytest.fixture(scope="session", autouse=True)
def _stand_in() -> None:
    stand_in.load()


@pytest.fixture
def engine() -> stand_in.Engine:
    return stand_in.new_engine()


@pytest.fixture
def model() -> stand_in.Model:
    return stand_in.Model()


@pytest.fixture
def before() -> Iterator[int]:
    """How many engines there are; after the test as many, or fewer."""
    gc.collect()
    seen = [stand_in.live_engines()]
    while len(seen) < 20 or len(set(seen[-20:])) > 1:  # those of other tests may be on their way
        time.sleep(0.01)
        seen.append(stand_in.live_engines())
    before = seen[-1]
    yield before
    gc.collect()
    assert stand_in.eventually(lambda: stand_in.live_engines() <= before), "engines are never freed"


@pytest.fixture
def closed() -> gl.Lane:
    lane = gl.lane("cpu", "gone")
    lane.close()
    return lane
