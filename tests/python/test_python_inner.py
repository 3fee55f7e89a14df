"""Engines inside a package, bound by name. The package holds two objects of another maker's class."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import greenlane as gl
import pytest
import torch
from built import BUILD
from models import export_inner
from torch import nn

LIBRARY = BUILD / "lib" / "libgreenlane_test_scaler.so"

pytestmark = pytest.mark.skipif(
    tuple(map(int, torch.__version__.split(".")[:2])) < (2, 13),
    reason="this PyTorch does not give access to the engines in a package",
)


@pytest.fixture(scope="module")
def package(models: Path) -> Path:
    """The package. The tests of C++ may have exported it before."""
    subprocess.run([sys.executable, export_inner.__file__, str(models), str(LIBRARY)], check=True)
    torch.ops.load_library(str(LIBRARY))
    return models / "inner.pt2"


@pytest.fixture
def engine(package: Path) -> gl.Engine:
    return gl.load(package)


def threads(engine: nn.Module) -> tuple[int, int]:
    """Returns the threads of the first and the second engine."""
    product, first, second = engine(torch.ones(4))
    assert product.tolist() == [6.0] * 4
    return int(first), int(second)


def worker_of(lane: gl.Lane) -> int:
    """Returns the thread of a lane, as a module on it sees it."""
    seen: list[int] = []

    class Look(nn.Module):
        def forward(self) -> None:
            seen.append(threading.get_native_id())

    look = Look()
    with gl.set_external_stream(look, lane):
        look()
    return seen[0]


def test_each_inner_engine_is_bound_by_its_name(engine: gl.Engine) -> None:
    one, other = gl.lane("cpu", "one"), gl.lane("cpu", "other")
    here = threading.get_native_id()
    assert threads(engine) == (here, here)
    with gl.set_external_stream(engine, {"first": one, "second": other}) as binding:
        assert binding.names == ("first", "second")
        assert threads(engine) == (worker_of(one), worker_of(other))
        assert gl.is_external_stream_set(engine, "first")
        assert not gl.is_external_stream_set(engine)
        gl.clear_external_stream(engine, ["first"])
        assert threads(engine) == (here, worker_of(other))
    assert threads(engine) == (here, here)


def test_an_inner_engine_is_bound_inside_a_module(engine: gl.Engine) -> None:
    model = nn.Sequential(engine)
    one, other = gl.lane("cpu", "one"), gl.lane("cpu", "other")
    gl.set_external_stream(model, {"": one, "0._torchbind_obj1": other})
    assert threads(engine) == (worker_of(one), worker_of(other))


def test_unknown_names_are_listed_with_the_known_ones(engine: gl.Engine) -> None:
    with pytest.raises(ValueError, match="no submodule 'third'") as error:
        gl.set_external_stream(engine, {"first": gl.lane("cpu"), "third": gl.lane("cpu")})
    assert "'first'" in str(error.value)
    assert "'second'" in str(error.value)
    assert not gl.is_external_stream_set(engine, "first")


def test_an_engine_with_two_names_is_bound_once(engine: gl.Engine) -> None:
    one, other = gl.lane("cpu", "one"), gl.lane("cpu", "other")
    assert gl.set_external_stream(engine, {"first": one, "_torchbind_obj0": one}).names == ("first",)
    with pytest.raises(ValueError, match="are one module and cannot be on two streams"):
        gl.set_external_stream(engine, {"first": one, "_torchbind_obj0": other})


def test_a_second_load_has_unbound_inner_engines(package: Path) -> None:
    engine = gl.load(package)
    gl.set_external_stream(engine, {"first": gl.lane("cpu", "one")})
    here = threading.get_native_id()
    assert threads(gl.load(package)) == (here, here)


def test_a_package_with_an_unknown_class_is_refused(package: Path) -> None:
    code = f"import greenlane as gl; gl.load({str(package)!r})"
    environment = {**os.environ, "PYTHONPATH": str(Path(gl.__file__).parents[1])}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert result.returncode != 0
    assert "could not be loaded" in result.stderr
    assert "custom operators" in result.stderr
