"""The fixtures of the tests of Torch-TensorRT engines: the stand-in for its runtime, and lanes."""

import gc
import time
from collections.abc import Iterator
from pathlib import Path

import greenlane as gl
import pytest
import torch
from models.fixture import models
from python.lanes import a, b
from seeds import same_random_numbers

from compat import stand_in

__all__ = ["a", "b", "models", "same_random_numbers"]


@pytest.fixture(scope="session", autouse=True)
def _stand_in() -> None:
    stand_in.load()


@pytest.fixture
def engine() -> stand_in.Engine:
    return stand_in.new_engine()


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An AOTInductor package with the two engines of the stand-in's model inside."""
    if tuple(map(int, torch.__version__.split(".")[:2])) < (2, 13):
        pytest.skip("this PyTorch does not give access to the engines in a package")
    path = tmp_path_factory.mktemp("package") / "engines.pt2"
    program = torch.export.export(stand_in.Model(), (torch.ones(4),), strict=False)
    torch._inductor.aoti_compile_and_package(program, package_path=str(path))
    return path


@pytest.fixture
def model() -> stand_in.Model:
    return stand_in.Model()


@pytest.fixture
def before() -> Iterator[int]:
    """The number of engines before the test. After the test there must not be more."""
    gc.collect()
    seen = [stand_in.live_engines()]
    while len(seen) < 20 or len(set(seen[-20:])) > 1:  # engines of earlier tests may still be on their way out
        time.sleep(0.01)
        seen.append(stand_in.live_engines())
    before = seen[-1]
    yield before
    gc.collect()
    assert stand_in.eventually(lambda: stand_in.live_engines() <= before), "an engine of this test was not freed"


@pytest.fixture
def closed() -> gl.Lane:
    lane = gl.lane("cpu", "gone")
    lane.close()
    return lane
