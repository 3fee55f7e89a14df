"""Compiles a model that takes a picture of 600 kB, for edge_cost: export_picture.py FOLDER."""

import sys
from pathlib import Path

import torch
from torch import Tensor, nn


class Mean(nn.Module):
    """Averages each colour."""

    def forward(self, picture: Tensor) -> Tensor:
        """Returns the mean of each colour, of a picture (1, 3, 224, 224)."""
        return picture.mean(dim=(2, 3))


def main() -> None:
    """Runs the program."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    picture = torch.ones(1, 3, 224, 224, device="cuda")
    exported = torch.export.export(Mean().cuda(), (picture,))
    torch._inductor.aoti_compile_and_package(exported, package_path=str(folder / "picture.pt2"))
    torch.save([picture.cpu()], folder / "picture.inputs.pt")


if __name__ == "__main__":
    main()
