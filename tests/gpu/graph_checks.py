"""Helpers for the tests of graphs."""

import greenlane as gl
import torch
from torch import Tensor, nn
from where import sms_of, where

CALLS = 5  # an eager call, the capture, and replays


class Where(nn.Module):
    """Returns the SMs that it runs on, plus its first input."""

    def __init__(self) -> None:
        super().__init__()
        self.zero = nn.Buffer(torch.zeros(1, dtype=torch.int32))

    def forward(self, x: Tensor) -> Tensor:
        """See where.where."""
        out: Tensor = where(x + self.zero)
        return out


def bind(engine: nn.Module, stream: gl.StreamLike) -> None:
    """Binds an engine of any kind with graphs."""
    gl.set_external_stream(engine, stream, graphs="off" if isinstance(engine, gl.Engine) else "resident")


def number(value: int = 0) -> Tensor:
    """Returns an input."""
    return torch.full((1,), value, dtype=torch.int32, device="cuda")


def report(engine: nn.Module) -> gl.GraphReport:
    """Returns the report of an engine that has graphs."""
    made = gl.graph_report(engine)
    assert made is not None
    return made


def sms(engine: nn.Module, calls: int = CALLS) -> set[int]:
    """Returns the SMs that several calls run on together."""
    used: set[int] = set()
    with torch.no_grad():
        for _ in range(calls):
            used |= sms_of(engine(number()))
    return used
