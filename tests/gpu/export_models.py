"""Compiles the small packages of the GPU tests on this machine's GPU: export_models.py FOLDER [NAME]."""

import subprocess
import sys
from pathlib import Path

import state_models
import torch
from mixed_model import Mixed, pictures
from torch import Tensor, nn
from where import where


class Affine(nn.Module):
    """One small kernel, so that a measurement around it shows the cost of the call."""

    def forward(self, x: Tensor) -> Tensor:
        """Doubles and adds one."""
        return 2 * x + 1


class Chain(nn.Module):
    """Reads its input late and writes its output early and late, so that a missing join or record shows."""

    def forward(self, x: Tensor) -> Tensor:
        """Multiplies the input with itself a few times; every element is 1 for an input of ones."""
        n = x.shape[0]
        y = x @ x / n
        for _ in range(6):
            y = y @ x / n
        return y


class Where(nn.Module):
    """Returns the SMs that the engine runs on."""

    def forward(self, x: Tensor) -> Tensor:
        """See where.where."""
        out: Tensor = where(x)
        return out


class Nonzero(nn.Module):
    """A model whose output size depends on data."""

    def forward(self, x: Tensor) -> Tensor:
        """Returns the places where x is not 0."""
        return torch.nonzero(x)


class Rows(nn.Module):
    """A few layers on rows, whose number may vary."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(256, 512), nn.Linear(512, 128)

    def forward(self, x: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        """Returns features of each row, and the sum of each row."""
        return self.second(torch.relu(self.first(x))) * scale.unsqueeze(1), x.sum(1)


class Noise(nn.Module):
    """Draws random numbers in compiled kernels."""

    def forward(self, x: Tensor) -> Tensor:
        """Drops elements, and adds noise."""
        return nn.functional.dropout(x, 0.3, training=True) + torch.randn_like(x)


MODELS: dict[str, tuple[nn.Module, list[Tensor]]] = {
    "affine": (Affine(), [torch.arange(256, dtype=torch.float32)]),
    "chain": (Chain(), [torch.ones(2048, 2048, dtype=torch.float16)]),
    "mixed": (Mixed().half(), [pictures(0)]),
    "where": (Where(), [torch.zeros(1, dtype=torch.int32)]),
    "rows": (Rows().half(), [torch.randn(4, 256).half(), torch.ones(4).half()]),
    "noise": (Noise(), [torch.ones(300)]),
    "nonzero": (Nonzero(), [torch.tensor([0, 1, 2, 0])]),
}
STATE_MODELS = {kind.__name__.lower(): kind for kind in state_models.MODELS}


def export(folder: Path, name: str) -> None:
    """Compiles the package of this name."""
    if name in STATE_MODELS:
        kind = STATE_MODELS[name]
        model, inputs = kind().train(), [tensor.cpu() for tensor in state_models.inputs_of(kind)]
    else:
        model, inputs = MODELS[name]
        model.eval()
    batch = torch.export.Dim("batch", min=2, max=64)
    sizes = {"x": {0: batch}, "scale": {0: batch}} if name == "rows" else None
    program = torch.export.export(model.cuda(), tuple(tensor.cuda() for tensor in inputs), dynamic_shapes=sizes)
    part = folder / f"{name}.part.pt2"
    torch._inductor.aoti_compile_and_package(program, package_path=str(part))
    torch.save(inputs, folder / f"{name}.inputs.pt")
    part.rename(folder / f"{name}.pt2")
    print(f"exported {name}", flush=True)


def main() -> None:
    """Exports the missing packages, each in a process of its own, because compiling takes its time."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    if len(sys.argv) > 2:
        export(folder, sys.argv[2])
        return
    missing = [name for name in (*MODELS, *STATE_MODELS) if not (folder / f"{name}.pt2").exists()]
    children = [subprocess.Popen([sys.executable, __file__, str(folder), name]) for name in missing]
    if failed := [name for name, child in zip(missing, children, strict=True) if child.wait() != 0]:
        raise SystemExit(f"not exported: {', '.join(failed)}")


if __name__ == "__main__":
    main()
