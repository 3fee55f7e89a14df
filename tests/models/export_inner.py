"""Compiles a package with two engines of another maker inside: export_inner.py FOLDER LIBRARY.

The library is the one made of tests/support/scaler_class.cpp. Does nothing if the package is newer than the library and
this file.
"""

import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch._library.fake_class_registry import register_fake_class


def register(library: str) -> None:
    """Loads the class, and describes its operator's result to torch.export."""
    torch.ops.load_library(library)

    @register_fake_class("greenlane_test::Scaler")
    class FakeScaler:
        def __init__(self, name: str, factor: float) -> None:
            self.name = name
            self.factor = factor

        @classmethod
        def __obj_unflatten__(cls, flat: tuple[tuple[str, Any], ...]) -> "FakeScaler":
            return cls(**dict(flat))

    def fake_scale(x: Tensor, scaler: Any) -> tuple[Tensor, Tensor]:
        return torch.empty_like(x), x.new_empty(1, dtype=torch.int64)

    torch.library.register_fake("greenlane_test::scale", fake_scale)


class TwoScalers(nn.Module):
    """Multiplies x by 2 and by 3. Also returns the threads of the multiplications."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.classes.greenlane_test.Scaler("first", 2.0)
        self.second = torch.classes.greenlane_test.Scaler("second", 3.0)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, first = torch.ops.greenlane_test.scale(x, self.first)
        x, second = torch.ops.greenlane_test.scale(x, self.second)
        return x, first, second


def main() -> None:
    """Runs the program."""
    folder, library = Path(sys.argv[1]), sys.argv[2]
    folder.mkdir(parents=True, exist_ok=True)
    package = folder / "inner.pt2"
    needed = max(Path(library).stat().st_mtime, Path(__file__).stat().st_mtime)
    if package.exists() and package.stat().st_mtime > needed:
        return
    register(library)
    program = torch.export.export(TwoScalers(), (torch.ones(4),), strict=False)
    part = folder / "inner.part.pt2"
    torch._inductor.aoti_compile_and_package(program, package_path=str(part))
    torch.save([torch.ones(4)], folder / "inner.inputs.pt")
    part.rename(package)


if __name__ == "__main__":
    main()
