"""Gates, at which urgent engines pass between two slices of a best-effort engine's graph."""

import re
from dataclasses import dataclass

import torch

from greenlane import _checked
from greenlane._native import ops


@dataclass(frozen=True)
class GateReport:
    """The use of a device's gate since the process began."""

    passes: int
    """Number of urgent calls."""
    held: int
    """Number of times that best-effort work waited."""
    held_us: float
    """Total time in microseconds that best-effort work waited."""
    longest_held_us: float
    """The longest of these waits, in microseconds."""
    limits_hit: int
    """Number of urgent calls that did not end within five deadlines and were let go of."""


def gate_report(device: str | torch.device = "cuda:0") -> GateReport:
    """Returns the use of a device's gate since the process began."""
    return GateReport(*ops.gate_report(_checked.device(device)))


def longest_slice(gates: str) -> float | None:
    """Returns the longest slice in microseconds: 0 for ``"auto"``, the time for a text such as ``"50us"``.

    None stands for ``"off"``.

    :raises ValueError: ``gates`` is none of these.
    :raises TypeError: ``gates`` is no string.
    """
    wanted = f"gates={gates!r}: use 'auto', 'off' or a time such as '50us'"
    if not isinstance(gates, str):
        raise TypeError(wanted)
    if gates in ("auto", "off"):
        return 0.0 if gates == "auto" else None
    time = re.fullmatch(r"(\d+(?:\.\d+)?)(us|ms)", gates)
    if time is None or float(time[1]) == 0:
        raise ValueError(wanted)
    return float(time[1]) * (1000 if time[2] == "ms" else 1)
