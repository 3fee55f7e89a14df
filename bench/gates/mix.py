"""Measures gates with a short urgent engine: mix.py PROGRAM MODELS_FOLDER OUT.json, with the models of measure.py.

A vision transformer at 60 Hz and a policy net at 500 Hz, both urgent, run beside a transformer of 201 million
parameters. All runs are in one call, on one machine, with the same arrivals, known or random. In each round each urgent
engine runs alone, and then all three run; ROUNDS (default 3), each run SECONDS_TO_RUN (default 12). p99s are compared
within a round, and the medians of the rounds count, because a busy host prolongs single runs: see host_watch.py. The
best-effort rate is compared with the rate that would be left if urgent work cost just its own time on the device.
"""

import json
import os
import statistics
import sys
from pathlib import Path
from typing import Any

import measure
from host_watch import watched_host

SECONDS = float(os.environ.get("SECONDS_TO_RUN", "12"))
ROUNDS = int(os.environ.get("ROUNDS", "3"))


class Mix:
    """The runs so far."""

    def __init__(self, program: str, folder: Path) -> None:
        """Uses the models of this folder."""
        self.program, self.folder = program, folder
        self.runs: list[dict[str, Any]] = []

    def run(self, title: str, *tables: str, seconds: float = SECONDS) -> dict[str, Any]:
        """Runs the engines of these tables in mode gates."""
        measure.SECONDS = seconds / 2 if any("poisson" in table for table in tables) else seconds
        with watched_host() as host:
            run = measure.run(self.program, "gates", *tables)
        self.runs.append({"title": title, "host": host, **run})
        return self.runs[-1]

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

    def row(self, arrivals: str, number: int, alone_hz: float, device_us: dict[str, float]) -> dict[str, Any]:
        """Returns the figures of a round."""
        tables = self.urgent(arrivals)
        alone = {name: self.run(f"{name} alone {number}, {arrivals}", table) for name, table in tables.items()}
        mixed = self.run(f"mix {number}, {arrivals}", *tables.values(), self.head("auto"))
        seen = mixed["engines"]
        bound = alone_hz * (1 - sum(seen[name]["rate_hz"] * device_us[name] * 1e-6 for name in tables))
        row: dict[str, Any] = {
            "arrivals": arrivals,
            "best_effort_hz": seen["large"]["rate_hz"],
            "bound_hz": bound,
            "share_of_bound": seen["large"]["rate_hz"] / bound,
            "gate": mixed["gate"],
            "slices": seen["large"]["graphs"].get("slices"),
            "host": mixed["host"],
        }
        for name, run in alone.items():
            apart = run["engines"][name]
            row[name] = {
                "p50_us": seen[name]["p50_us"],
                "p99_us": seen[name]["p99_us"],
                "p50_alone_us": apart["p50_us"],
                "p99_alone_us": apart["p99_us"],
                "p99_over_alone": seen[name]["p99_us"] / apart["p99_us"],
                "misses": seen[name]["misses"],
                "host_alone": run["host"],
            }
        print(json.dumps(row), flush=True)
        return row


def medians(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Returns the medians of rows."""
    over_alone = {name: statistics.median(row[name]["p99_over_alone"] for row in rows) for name in ("vit", "policy")}
    return {
        "share_of_bound": statistics.median(row["share_of_bound"] for row in rows),
        "vit_p99_over_alone": over_alone["vit"],
        "policy_p99_over_alone": over_alone["policy"],
    }


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
        "medians": {},
    }
    print(json.dumps(summary), flush=True)
    for arrivals in ("periodic", "poisson"):
        rows: list[dict[str, Any]] = []
        for number in range(ROUNDS):
            rows.append(mix.row(arrivals, number, alone["off"], device_us))
            summary["rows"].append(rows[-1])
            summary["medians"][arrivals] = medians(rows)
            first = mix.runs[0]
            result = {"versions": first["versions"], "device": first["device"], "summary": summary, "runs": mix.runs}
            Path(sys.argv[3]).write_text(json.dumps(result, indent=1) + "\n")
        print(json.dumps({arrivals: summary["medians"][arrivals]}), flush=True)


if __name__ == "__main__":
    main()
