"""Models that change more than their outputs. Graphs and tuning must leave the state as calls alone leave it."""

import torch
from torch import Tensor, nn

STEPS = 1024


class Cache(nn.Module):
    """A model like a KV cache: writes at a position that it counts, and fails after the last position."""

    def __init__(self) -> None:
        super().__init__()
        self.keys = nn.Buffer(torch.zeros(STEPS, 16))
        self.position = nn.Buffer(torch.zeros(1, dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        """Returns the sum of all inputs so far, plus their number."""
        self.keys.index_copy_(0, self.position, x.reshape(1, 16))
        self.position.add_(1)
        return self.keys.sum(0) + self.position


class Norm(nn.Module):
    """Batch norm in training mode."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(16)

    def forward(self, x: Tensor) -> Tensor:
        """Returns the running mean after this call."""
        normal: Tensor = self.norm(x)
        assert self.norm.running_mean is not None
        return normal * 0 + self.norm.running_mean


class Drop(nn.Module):
    """Dropout in training mode."""

    def forward(self, x: Tensor) -> Tensor:
        """Sets half of the elements to 0, at random."""
        return torch.nn.functional.dropout(x, 0.5, training=True)


class InPlace(nn.Module):
    """Writes to its first input, and to a part of its second."""

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the first input itself, and a sum."""
        x.add_(1)
        y[1:3].mul_(-1)
        return x, x.sum() + y.sum()


def inputs_of(model: type[nn.Module], call: int = 0) -> tuple[Tensor, ...]:
    """Returns the inputs for the call of that number, on the GPU."""
    x = torch.arange(16.0, device="cuda") + call % 7
    if model is Norm:
        return (torch.stack([x, 2 * x, x - 3, x * 0]),)
    if model is InPlace:
        return x, torch.arange(4.0, device="cuda")
    return (x,)


MODELS: tuple[type[nn.Module], ...] = (Cache, Norm, Drop, InPlace)
