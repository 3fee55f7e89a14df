"""Compiles the small packages that the GPU tests run, on the GPU of this machine: export_models.py FOLDER."""

import sys
from pathlib import Path

import torch
from torch import Tensor, nn
from where import where


class Affine(nn.Module):
    """One small kernel: what is measured around it is the cost of the call."""

    def forward(self, x: Tensor) -> Tensor:
        """Doubles and adds one."""
        return 2 * x + 1


class Chain(nn.Module):
    """Reads its input late and writes its output early and late, so that a missing join or record shows."""

    def forward(self, x: Tensor) -> Tensor:
        """Adds up a few products of the input and itself; every element is 1 for an input of ones."""
        n = x.shape[0]
        y = x @ x / n
        for _ in range(6):
            y = y @ x / n
        return y


class Where(nn.Module):
    """The SMs that the engine runs on."""

    def forward(self, x: Tensor) -> Tensor:
        """See where.where."""
        out: Tensor = where(x)
        return out


MODELS: dict[str, tuple[nn.Module, list[Tensor]]] = {
    "affine": (Affine(), [torch.arange(256, dtype=torch.float32)]),
    "chain": (Chain(), [torch.ones(2048, 2048, dtype=torch.float16)]),
    "where": (Where(), [torch.zeros(1, dtype=torch.int32)]),
}


def main() -> None:
    """Exports what is not there yet."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, (model, inputs) in MODELS.items():
        package = folder / f"{name}.pt2"
        if package.exists():
            continue
        on_gpu = tuple(tensor.cuda() for tensor in inputs)
        program = torch.export.export(model.cuda().eval(), on_gpu)
        part = folder / f"{name}.part.pt2"
        torch._inductor.aoti_compile_and_package(program, package_path=str(part))
        torch.save(inputs, folder / f"{name}.inputs.pt")
        part.rename(package)
        print(f"exported {package}")


if __name__ == "__main__":
    main()
