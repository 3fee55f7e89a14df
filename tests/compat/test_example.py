"""examples/torch_tensorrt: a C++ program that binds the engines in a package, without Python in its process."""

import os
import subprocess
from pathlib import Path

import pytest
import torch
from built import BUILD
from torch import Tensor, nn

from compat import stand_in

PROGRAM = BUILD / "bin" / "bind_engines"


class Product(nn.Module):
    """A model with two engines that returns its result without the thread numbers."""

    def __init__(self, device: str) -> None:
        super().__init__()
        self.model = stand_in.Model()
        self.model._run_on_acc_0.engine = stand_in.new_engine("first", device=device)
        self.model._run_on_acc_1.engine = stand_in.new_engine("second", device=device)

    def forward(self, x: Tensor) -> Tensor:
        product, _, _ = self.model(x)
        result: Tensor = product
        return result


def export(folder: Path, device: str) -> Path:
    """Compiles a package, and writes its inputs beside it."""
    program = torch.export.export(Product(device), (torch.ones(4),), strict=False)
    torch._inductor.aoti_compile_and_package(program, package_path=str(folder / "model.pt2"))
    torch.save([torch.ones(4)], folder / "model.inputs.pt")
    return folder / "model.pt2"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package whose engines are on the CPU."""
    return export(tmp_path_factory.mktemp("example"), "cpu")


@pytest.fixture(scope="module")
def package_of_gpu_engines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package whose engines are on a GPU."""
    return export(tmp_path_factory.mktemp("example"), "0")


def run(package: Path, *more: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [PROGRAM, stand_in.LIBRARY, package, package.with_suffix(".inputs.pt"), *more]
    return subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, **variables},
    )


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="the example divides two cores")
@pytest.mark.skipif(
    tuple(map(int, torch.__version__.split(".")[:2])) < (2, 13),
    reason="this PyTorch does not give access to the engines in a package",
)
def test_each_engine_gets_its_own_lane(package: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    done = run(package, GREENLANE_STAND_IN_LOG=str(log))
    assert done.returncode == 0, done.stderr
    first, second, outputs = done.stdout.splitlines()
    assert first.startswith("first on ")
    assert second.startswith("second on ")
    assert outputs == "outputs agree"
    unbound, bound = log.read_text().splitlines()[:2], log.read_text().splitlines()[2:]
    assert unbound == ["first on bind_engines", "second on bind_engines"]  # the program's first thread
    assert bound == ["first on lane _torchbind", "second on lane _torchbind"]  # workers of lanes


def test_engines_share_a_lane_with_passthrough(package: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    done = run(package, "--passthrough", GREENLANE_STAND_IN_LOG=str(log))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["all engines on 1 units", "outputs agree"]
    assert log.read_text().splitlines() == [
        "first on bind_engines",
        "second on bind_engines",
        "first on lane all",
        "second on lane all",
    ]


@pytest.mark.skipif(not stand_in.FAKE_CUDA.exists(), reason=f"{stand_in.FAKE_CUDA} is not built")
def test_passthrough_keeps_engines_on_the_callers_stream(package_of_gpu_engines: Path, tmp_path: Path) -> None:
    """The lane's worker calls from the default stream, where stock Torch-TensorRT uses a stream of PyTorch's pool."""
    log = tmp_path / "log"
    preload = {"LD_PRELOAD": str(stand_in.FAKE_CUDA), "GREENLANE_STAND_IN_LOG": str(log)}
    done = run(package_of_gpu_engines, "--passthrough", **preload)
    assert (done.returncode, done.stderr) == (0, "")
    assert log.read_text().splitlines() == [
        "first on its own stream",
        "second on its own stream",
        "first on the caller's stream",
        "second on the caller's stream",
    ]


def test_a_missing_package_is_reported(package: Path) -> None:
    done = run(package.with_name("missing.pt2"))
    assert done.returncode == 1
    assert "bind_engines: " in done.stderr
    assert "missing.pt2" in done.stderr
