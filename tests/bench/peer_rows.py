"""Small mixes and rows for the tests of the race of peers."""

from pathlib import Path
from typing import Any

from mixes import Mix, load_mix
from rows import Row

MIX = """
[engine.head]
model = "head.pt2"
inputs = "head.inputs.pt"
[engine.vision]
model = "vision.pt2"
inputs = "vision.inputs.pt"
rate_hz = 50
[engine.policy]
model = "policy.pt2"
inputs = "policy.inputs.pt"
rate_hz = 500
deadline_ms = 1.0
[lane.policy]
units = 16
[lane.vision]
units = 48
[lane.head]
units = "rest"
"""


def mix(folder: Path, text: str = MIX) -> Mix:
    """Returns a mix of two urgent engines and one without a deadline."""
    file = folder / "small.toml"
    file.write_text(text)
    return load_mix(file)


def engine(name: str, *, p99_us: float = 100.0, rate_hz: float = 10.0, error: str | None = None) -> dict[str, Any]:
    """Returns an engine's results in the form of `greenlane run --json`, shortened."""
    times = {"p50_us": p99_us / 2, "p99_us": p99_us, "max_us": 2 * p99_us}
    return {"name": name, "requests": 10, "misses": 0, "rate_hz": rate_hz, "error": error, **times}


def row(name: str, kind: str, *, policy: float = 100.0, vision: float = 1000.0, head: float = 10.0, **keys: Any) -> Row:
    """Returns a contestant's row: p99 of the urgent engines, and the rate of the other one."""
    engines = [engine("head", rate_hz=head), engine("vision", p99_us=vision), engine("policy", p99_us=policy)]
    return Row(name, kind, engines=engines, **keys)
