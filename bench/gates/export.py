"""Compiles the models for measuring gates, on the GPU of this machine: export.py FOLDER [NAME...].

The urgent one is a vision transformer of 86 million parameters, the best-effort ones eight and sixteen wide transformer
blocks.
"""

import sys
from pathlib import Path

import torch
from torch import Tensor, nn


class Block(nn.Module):
    """A transformer block."""

    def __init__(self, width: int) -> None:
        """Makes a block of this many features."""
        super().__init__()
        self.heads = width // 64
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Applies attention and a wide layer."""
        batch, tokens, width = x.shape
        qkv = self.qkv(self.norms[0](x)).view(batch, tokens, 3, self.heads, 64).permute(2, 0, 3, 1, 4)
        attended = nn.functional.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2])
        x = x + self.out(attended.transpose(1, 2).reshape(batch, tokens, width))
        y: Tensor = x + self.down(nn.functional.gelu(self.up(self.norms[1](x))))
        return y


class Vision(nn.Module):
    """A vision transformer like ViT-B/16."""

    def __init__(self) -> None:
        """Makes it with random weights."""
        super().__init__()
        self.patches = nn.Conv2d(3, 768, 16, 16)
        self.places = nn.Parameter(0.02 * torch.randn(1, 196, 768))
        self.blocks = nn.Sequential(*(Block(768) for _ in range(12)))
        self.head = nn.Linear(768, 1000)

    def forward(self, pictures: Tensor) -> Tensor:
        """Returns the scores of a thousand classes."""
        x = self.patches(pictures).flatten(2).transpose(1, 2) + self.places
        y: Tensor = self.head(self.blocks(x).mean(1))
        return y


class Head(nn.Module):
    """Eight wide blocks."""

    count = 8

    def __init__(self) -> None:
        """Makes them with random weights."""
        super().__init__()
        self.blocks = nn.Sequential(*(Block(1024) for _ in range(self.count)))

    def forward(self, x: Tensor) -> Tensor:
        """Applies all blocks."""
        y: Tensor = self.blocks(x)
        return y


class Large(Head):
    """Sixteen wide blocks."""

    count = 16


def repeat_weights(model: nn.Module) -> None:
    """Repeats the weights, so that a package of 200 MB packs into a few MB. The computation costs the same."""
    period = 65537  # a prime, so that no two rows of a weight are alike
    for parameter in model.parameters():
        flat = parameter.data.flatten()
        parameter.data = flat[torch.arange(flat.numel(), device=flat.device) % period].view(parameter.shape)


def main() -> None:
    """Runs the program."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    wanted = sys.argv[2:]
    models = {"vit": (Vision, (4, 3, 224, 224)), "head": (Head, (8, 256, 1024)), "large": (Large, (8, 256, 1024))}
    for name, (kind, shape) in models.items():
        if (wanted and name not in wanted) or (folder / f"{name}.pt2").exists():
            continue
        torch.manual_seed(0)
        model = kind().cuda().half().eval()
        repeat_weights(model)
        x = torch.randn(*shape, device="cuda", dtype=torch.half)
        with torch.no_grad():
            y = model(x)
            program = torch.export.export(model, (x,))
            torch._inductor.aoti_compile_and_package(program, package_path=str(folder / f"{name}.pt2"))
        torch.save([x.cpu()], folder / f"{name}.inputs.pt")
        torch.save([y.cpu()], folder / f"{name}.outputs.pt")
        print(f"{name}: {sum(p.numel() for p in model.parameters()) / 1e6:.1f} M parameters", flush=True)


if __name__ == "__main__":
    main()
