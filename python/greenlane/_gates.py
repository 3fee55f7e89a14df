"""Gates, at which urgent engines pass between two slices of a best-effort engine's graph."""

from dataclasses import dataclass

import torch

from greenlane import _checked
from greenlane._native import ops


@dataclass(frozen=True)
class GateReport:
    """The use of a device's gate since the process began."""

    passes: int
    """Number of urgent calls."""
    beside: int
    """Number of those calls that did not hold some best-effort work, because they are short; docs/gates.md tells which
    calls are."""
    held: int
    """Number of times that best-effort work waited."""
    held_us: float
    """Total time in microseconds that best-effort work waited."""
    longest_held_us: float
    """The longest of these waits, in microseconds."""
    limits_hit: int
    """Number of urgent calls that exceeded five deadlines, so that the gate opened before their end."""


def gate_report(device: str | torch.device = "cuda:0") -> GateReport:
    """Returns the use of a device's gate since the process began."""
    report = ops.gate_report(_checked.device(device))
    return GateReport(
        report.passes(),
        report.beside(),
        report.held(),
        report.held_us(),
        report.longest_held_us(),
        report.limits_hit(),
    )


def require_gates(gates: str) -> None:
    """Raises TypeError unless ``gates`` is a string, and ValueError if it cannot be a choice. C++ reads it."""
    if not isinstance(gates, str) or not gates.isascii() or not gates.isprintable() or len(gates) > 50:
        kind = ValueError if isinstance(gates, str) else TypeError
        raise kind(f"gates={_checked.one_line(gates)} is invalid: use 'auto', 'off' or a time such as '50us'")
