"""Gates: urgent engines pass between two slices of a best-effort engine's graph."""

import re
from dataclasses import dataclass

import torch

from greenlane import _checked
from greenlane._native import ops


@dataclass(frozen=True)
class GateReport:
    """What the gate of a device has done since the process began."""

    passes: int
    """Urgent calls."""
    held: int
    """Times that best-effort work waited."""
    held_us: float
    longest_held_us: float
    limits_hit: int
    """Urgent calls that did not end within five deadlines, and held nobody any more."""


def gate_report(device: str | torch.device = "cuda:0") -> GateReport:
    """The gate of a device."""
    return GateReport(*ops.gate_report(_checked.device(device)))


def longest_slice(gates: str) -> float | None:
    """Of ``"auto"`` (0), a time such as ``"50us"`` in microseconds, or None for ``"off"``; ValueError for others."""
    if gates in ("auto", "off"):
        return 0.0 if gates == "auto" else None
    time = re.fullmatch(r"(\d+(?:\.\d+)?)(us|ms)", gates)
    if time is None or float(time[1]) == 0:
        raise ValueError(f"gates={gates!r}: use 'auto', 'off' or a time such as '50us'")
    return float(time[1]) * (1000 if time[2] == "ms" else 1)
