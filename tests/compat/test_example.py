"""examples/torch_tensorrt: a C++ program that binds the engines in a package, without Python in its process."""

import os
import subprocess
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from compat import stand_in

PROGRAM = stand_in.ROOT / "build" / "bin" / "bind_engines"


class Product(nn.Module):
    """Two engines, and their product alone."""

    def __init__(self) -> None:
        super().__init__()
        self.model = stand_in.Model()

    def forward(self, x: Tensor) -> Tensor:
        product, _, _ = self.model(x)
        result: Tensor = product
        return result


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With its inputs beside it."""
    folder = tmp_path_factory.mktemp("example")
    program = torch.export.export(Product(), (torch.ones(4),), strict=False)
    torch._inductor.aoti_compile_and_package(program, package_path=str(folder / "model.pt2"))
    torch.save([torch.ones(4)], folder / "model.inputs.pt")
    return folder / "model.pt2"


def run(package: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [PROGRAM, stand_in.LIBRARY, package, package.with_suffix(".inputs.pt"), *more]
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="the example divides two cores")
@pytest.mark.skipif(
    tuple(map(int, torch.__version__.split(".")[:2])) < (2, 13), reason="this PyTorch does not give the engines out"
)
def test_each_engine_gets_a_lane_of_its_own(package: Path) -> None:
    done = run(package)
    assert done.returncode == 0, done.stderr
    first, second, outputs = done.stdout.splitlines()
    assert first.startswith("first on ")
    assert second.startswith("second on ")
    assert outputs == "outputs agree"


def test_with_passthrough_they_share_one(package: Path) -> None:
    done = run(package, "--passthrough")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["all engines on 1 units", "outputs agree"]


def test_what_is_missing_is_said(package: Path) -> None:
    done = run(package.with_name("missing.pt2"))
    assert done.returncode == 1
    assert "bind_engines: " in done.stderr
    assert "missing.pt2" in done.stderr
