"""A model with kernels of several libraries."""

import torch
from torch import Tensor, nn


class Mixed(nn.Module):
    """Products, attention, a convolution, and elementwise work: kernels of several libraries."""

    def __init__(self) -> None:
        super().__init__()
        self.cut, self.up = nn.Conv2d(3, 256, 16, 16), nn.Linear(256, 768)
        self.norm, self.down = nn.LayerNorm(256), nn.Linear(256, 256)

    def forward(self, x: Tensor) -> Tensor:
        """Returns a value for each patch."""
        patches = self.norm(self.cut(x).flatten(2).transpose(1, 2))
        q, k, v = self.up(patches).view(x.shape[0], -1, 3, 4, 64).permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        out: Tensor = nn.functional.gelu(self.down(mixed)) + patches
        return out


def pictures(seed: int) -> Tensor:
    """Returns an input of Mixed, on the CPU."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(4, 3, 224, 224, generator=generator).half()
