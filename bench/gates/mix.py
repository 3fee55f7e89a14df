"""Measures gates with a short urgent engine: mix.py PROGRAM MODELS_FOLDER OUT.json, with the models of measure.py.

A vision transformer at 60 Hz and a policy net at 500 Hz, both urgent, run beside a transformer of 201 million
parameters. All runs are in one call, on one machine, with the same arrivals, known or random. The urgent engines are
compared with the same engines without best effort, each alone and both together. The best-effort rate is compared with
the rate that would be left if urgent work cost just its own time on the device. SECONDS_TO_RUN (default 20) for each
mix.
"""

import json
import os
import statistics
import sys
from pathlib import Path
from typing import Any

import measure

SECONDS = float(os.environ.get("SECONDS_TO_RUN", "20"))
ROUNDS = int(os.environ.get("ROUNDS", "2"))


class Mix:
    """The runs so far."""

    def __init__(self, program: str, folder: Path) -> None:
        """Uses the models of this folder."""
        self.program, self.folder = program, folder
        self.runs: list[dict[str, Any]] = []

    def run(self, title: str, *tables: str, seconds: float = SECONDS) -> dict[str, Any]:
        """Runs the engines of these tables in mode gates."""
        measure.SECONDS = seconds / 2 if any("poisson" in table for table in tables) else seconds
        run = measure.run(self.program, "gates", *tables)
        self.runs.append({"title": title, **run})
        return run

    def urgent(self, arrivals: str) -> dict[str, str]:
        """Returns the tables of the urgent engines, by name."""
        settings: dict[str, dict[str, object]] = {
            "vit": {"rate_hz": 60, "deadline_ms": 10, "arrivals": arrivals},
            "policy": {"rate_hz": 500, "deadline_ms": 1, "arrivals": arrivals},
        }
        return {name: measure.engine(name, self.folder, **keys) for name, keys in settings.items()}

    def head(self, gates: str) -> str:
        """Returns the table of the best-effort engine."""
        return measure.engine("large", self.folder, gates=gates)

    def rows(self, arrivals: str, alone_hz: float, device_us: dict[str, float]) -> list[dict[str, Any]]:
        """Returns the figures of each round."""
        tables = self.urgent(arrivals)
        alone = {name: self.run(f"{name} alone, {arrivals}", table)["engines"][name] for name, table in tables.items()}
        together = self.run(f"urgent engines, {arrivals}", *tables.values())["engines"]
        rows = []
        for number in range(ROUNDS):
            mixed = self.run(f"mix {number}, {arrivals}", *tables.values(), self.head("auto"))
            seen = mixed["engines"]
            share = sum(seen[name]["rate_hz"] * device_us[name] * 1e-6 for name in tables)
            bound = alone_hz * (1 - share)
            row: dict[str, Any] = {
                "arrivals": arrivals,
                "best_effort_hz": seen["large"]["rate_hz"],
                "bound_hz": bound,
                "share_of_bound": seen["large"]["rate_hz"] / bound,
                "gate": mixed["gate"],
                "slices": seen["large"]["graphs"].get("slices"),
            }
            for name in tables:
                figures = {"p50_us": seen[name]["p50_us"], "p99_us": seen[name]["p99_us"]}
                figures["p99_alone_us"] = alone[name]["p99_us"]
                figures["p99_over_alone"] = seen[name]["p99_us"] / alone[name]["p99_us"]
                figures["p99_over_urgent_only"] = seen[name]["p99_us"] / together[name]["p99_us"]
                figures["misses"] = seen[name]["misses"]
                row[name] = figures
            print(json.dumps(row), flush=True)
            rows.append(row)
        return rows


def main() -> None:
    """Runs the program."""
    folder = Path(sys.argv[2]).resolve()
    mix = Mix(sys.argv[1], folder)
    # The time of the urgent engines on the device: that of a run back to back, where the host is not waited for.
    device_us = json.loads((folder / "device_us.json").read_text())
    rates: dict[str, list[float]] = {"off": [], "auto": []}
    for _ in range(2):
        for gates, seen in rates.items():
            engines = mix.run(f"best effort alone, gates {gates}", mix.head(gates), seconds=SECONDS / 2)["engines"]
            seen.append(engines["large"]["rate_hz"])
    alone = {gates: statistics.mean(seen) for gates, seen in rates.items()}
    summary: dict[str, Any] = {
        "best_effort_alone_hz": rates,
        "cost_without_urgent_work": 1 - alone["auto"] / alone["off"],
        "device_us": device_us,
        "rows": [],
    }
    print(json.dumps(summary), flush=True)
    for arrivals in ("periodic", "poisson"):
        summary["rows"] += mix.rows(arrivals, alone["off"], device_us)
    first = mix.runs[0]
    result = {"versions": first["versions"], "device": first["device"], "summary": summary, "runs": mix.runs}
    Path(sys.argv[3]).write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
