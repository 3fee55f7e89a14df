"""Helpers of the tests of graphs."""

import greenlane as gl
import torch
from torch import Tensor, nn
from where import sms_of, where

CALLS = 5  # an eager one, the capture, and replays


class Where(nn.Module):
    """The SMs that it runs on, plus its first input."""

    def __init__(self) -> None:
        super().__init__()
        self.zero = nn.Buffer(torch.zeros(1, dtype=torch.int32))

    def forward(self, x: Tensor) -> Tensor:
        """See where.where."""
        out: Tensor = where(x + self.zero)
        return out


def bind(engine: nn.Module, stream: gl.StreamLike) -> None:
    """With graphs, whatever it is."""
    gl.set_external_stream(engine, stream, graphs="off" if isinstance(engine, gl.Engine) else "resident")


def number(value: int = 0) -> Tensor:
    """An input."""
    return torch.full((1,), value, dtype=torch.int32, device="cuda")


def report(engine: nn.Module) -> gl.GraphReport:
    """Of an engine that has graphs."""
    made = gl.graph_report(engine)
    assert made is not None
    return made


def sms(engine: nn.Module, calls: int = CALLS) -> set[int]:
    """Of several calls."""
    used: set[int] = set()
    with torch.no_grad():
        for _ in range(calls):
            used |= sms_of(engine(number()))
    return used
