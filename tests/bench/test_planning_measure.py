"""bench/planning: the measurements to which a plan is compared."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

FILE = Path(__file__).resolve().parents[2] / "bench" / "planning" / "measure.py"


@pytest.fixture(scope="module")
def measure() -> Any:
    # Loaded by its path, because another folder of the benchmarks has a file of the same name.
    spec = importlib.util.spec_from_file_location("planning_measure", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def split(units: int, throughput: float, meets: bool = True) -> dict[str, Any]:
    lanes = [{"name": "policy", "units": units}, {"name": "head", "units": "rest"}]
    return {"mode": "lanes", "lanes": lanes, "measured": {"throughput": throughput, "meets_deadlines": meets}}


def test_repeated_runs_decide_the_best_of_the_grid(measure: Any) -> None:
    gates = split(8, 0.9) | {"mode": "gates"}
    grid = [gates, split(8, 1.0), split(16, 2.0), split(24, 9.0, meets=False), split(8, 1.5), split(16, 1.25)]
    summary = measure.against_grid(split(40, 1.2), grid)
    assert summary["splits"] == 4
    assert summary["best_of_grid"]["lanes"] == {"policy": 8, "head": "rest"}
    assert summary["best_of_grid"]["throughput"] == 1.5
    assert summary["best_of_grid_at_first"]["throughput"] == 2.0
    assert summary["throughput_against_best"] == pytest.approx(0.8)
    assert summary["throughput_against_best_at_first"] == pytest.approx(0.6)


def test_first_runs_count_without_repetitions(measure: Any) -> None:
    summary = measure.against_grid(None, [split(8, 1.0), split(16, 2.0)])
    assert summary["best_of_grid"] == summary["best_of_grid_at_first"]
    assert summary["best_of_grid"]["throughput"] == 2.0
    assert "throughput_against_best" not in summary


def test_a_grid_that_meets_no_deadline_has_no_best(measure: Any) -> None:
    summary = measure.against_grid(split(8, 1.0), [split(8, 1.0, meets=False)])
    assert summary == {"splits": 1, "best_of_grid": None, "best_of_grid_at_first": None}
