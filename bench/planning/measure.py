"""Measures plans against every split of a coarse grid: measure.py PROGRAM SPLITS CONFIG OUT.json [STEP].

PROGRAM is greenlane, SPLITS the program of splits.cpp. One configuration on one machine: a profile, a plan from it, the
grid, and the plan once more beside it. In the summary: the plan's throughput against the best of the grid that meets
all deadlines, and for each engine the predicted against the measured p99.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

Json = dict[str, Any]


def best_of(candidates: list[Json]) -> Json | None:
    """Of those that meet all deadlines, the one with the highest throughput."""
    met = [each for each in candidates if each["measured"]["meets_deadlines"]]
    return max(met, key=lambda each: each["measured"]["throughput"], default=None)


def errors_of(plan: Json) -> dict[str, float]:
    """Measured against predicted p99, by engine; empty where nothing was predicted."""
    return {
        each["name"]: each["measured"]["p99_us"] / each["predicted"]["p99_us"] - 1
        for each in plan["engines"]
        if each["predicted"] and each["predicted"]["p99_us"]
    }


def shortly(candidate: Json) -> Json:
    """Which one it is and what it gave."""
    lanes = {lane["name"]: lane.get("units", lane.get("beside", "open")) for lane in candidate["lanes"]}
    return {"mode": candidate["mode"], "lanes": lanes, **candidate["measured"]}


def main() -> None:
    """Runs the program."""
    program, splits, config, out = sys.argv[1:5]
    step = sys.argv[5] if len(sys.argv) > 5 else "3"
    with tempfile.TemporaryDirectory() as scratch:
        profile, plan, grid = (Path(scratch) / f"{name}.json" for name in ("profile", "plan", "grid"))
        subprocess.run([program, "profile", config, "--out", profile], check=True)
        planned = subprocess.run([program, "plan", config, "--profile", profile, "--out", plan], check=False)
        subprocess.run([splits, config, profile, grid, step], check=True)
        tried: Json = json.loads(grid.read_text())
        chosen: Json | None = json.loads(plan.read_text()) if planned.returncode == 0 else None
        known: Json = json.loads(profile.read_text())
    best = best_of(tried["candidates"])
    summary: Json = {"config": Path(config).name, "best_of_grid": shortly(best) if best else None, "plan": None}
    if chosen:
        summary["plan"] = shortly(chosen)
        summary["p99_errors"] = errors_of(chosen)
        if best and best["measured"]["throughput"] > 0:
            summary["throughput_against_best"] = chosen["measured"]["throughput"] / best["measured"]["throughput"]
    versions = {key: tried[key] for key in ("versions", "device")}
    result = versions | {"summary": summary, "profile": known, "plan": chosen, "grid": tried["candidates"]}
    Path(out).write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
