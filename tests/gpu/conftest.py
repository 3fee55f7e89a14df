"""Set-up of the GPU tests, which are skipped without a GPU."""

import gc
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import greenlane as gl
import pytest
import torch
from torch import Tensor

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks every test of this folder, and skips it if there is no GPU."""
    here = [item for item in items if HERE in item.path.parents]
    for item in here:
        item.add_marker(pytest.mark.gpu)
        if not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="this machine has no NVIDIA GPU"))


@pytest.fixture(scope="session")
def models() -> Path:
    """The folder of the exported packages; exports them at the first use."""
    folder = HERE / "build"
    subprocess.run([sys.executable, str(HERE / "export_models.py"), str(folder)], check=True)
    return folder


@pytest.fixture(autouse=True)
def _quiet_device() -> Iterator[None]:
    """Seeds PyTorch, and waits for the device, so that neither numbers nor work of one test reach the next."""
    torch.manual_seed(0)
    yield
    if torch.cuda.is_available():
        torch.cuda.synchronize()


# For the tests of Torch-TensorRT engines


@pytest.fixture
def tensorrt() -> Iterator[None]:
    """Loads Torch-TensorRT's runtime, and restores its settings after the test."""
    from tensorrt_runtime import load

    load()
    yield
    gl.set_engine_stream_passthrough(False)
    gc.collect()
    time.sleep(0.1)  # greenlane frees bound engines a little later, and must not do so while the next test captures


@pytest.fixture
def lanes() -> dict[str, gl.Lane]:
    """Two partitions."""
    return gl.partition("cuda:0", {"small": 24, "large": 40})


@pytest.fixture
def x() -> Tensor:
    """An input that is ready on the device."""
    made = torch.arange(64, dtype=torch.float32, device="cuda")
    torch.cuda.synchronize()
    return made
