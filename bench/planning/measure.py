"""Measures plans against every split of a coarse grid: measure.py PROGRAM SPLITS OUT_FOLDER CONFIG...

PROGRAM is greenlane, SPLITS the program of splits.cpp. The engines of all configurations get one profile; each
configuration gets a plan from it, and the grid. The summary has the plan's throughput against the best of the grid that
meets all deadlines, and for each engine the measured against the predicted p99. The best of many runs was lucky in
part, and a plan's figures are those of a run that confirmed it. So the best splits are run again, and the best of the
grid is the best by those second runs. By first runs alone it is `best_of_grid_at_first`. GRID_STEP (default 3) is the
grid's step in groups, GRID_SECONDS (default 1) the time of a split's run (twice that when it is run again), PLAN_BUDGET
(default 60) the most that a plan takes. A profile that is already in the folder is used.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it

Json = dict[str, Any]


def best_of(candidates: list[Json]) -> Json | None:
    """Returns the candidate with the highest throughput among those that meet all deadlines."""
    met = [each for each in candidates if each["measured"]["meets_deadlines"]]
    return max(met, key=lambda each: each["measured"]["throughput"], default=None)


def first_and_second_runs(candidates: list[Json]) -> tuple[list[Json], list[Json]]:
    """Separates first and second runs: a candidate with the mode and lanes of an earlier one is its second run."""
    first: list[Json] = []
    second: list[Json] = []
    seen: set[str] = set()
    for each in candidates:
        which = json.dumps([each["mode"], each["lanes"]], sort_keys=True)
        (second if which in seen else first).append(each)
        seen.add(which)
    return first, second


def errors_of(plan: Json) -> dict[str, float]:
    """Returns measured against predicted p99, by engine; empty where nothing was predicted."""
    return {
        each["name"]: each["measured"]["p99_us"] / each["predicted"]["p99_us"] - 1
        for each in plan["engines"]
        if each["predicted"] and each["predicted"]["p99_us"]
    }


def shortly(candidate: Json) -> Json:
    """Returns a candidate's mode, lanes and measurements."""
    lanes = {lane["name"]: lane.get("units", lane.get("beside", "open")) for lane in candidate["lanes"]}
    return {"mode": candidate["mode"], "lanes": lanes, **candidate["measured"]}


def against_grid(plan: Json | None, candidates: list[Json]) -> Json:
    """Returns the best of the grid, by second and by first runs, and the plan's throughput against these."""
    first, second = first_and_second_runs(candidates)
    summary: Json = {"splits": len(first)}
    for at, best in (("", best_of(second or first)), ("_at_first", best_of(first))):
        summary[f"best_of_grid{at}"] = shortly(best) if best else None
        if plan and best and best["measured"]["throughput"] > 0:
            against = plan["measured"]["throughput"] / best["measured"]["throughput"]
            summary[f"throughput_against_best{at}"] = against
    return summary


def union(configs: list[Path]) -> str:
    """Returns a configuration with the engines of all, in any lanes."""
    engines: Json = {}
    for config in configs:
        for name, engine in tomllib.loads(config.read_text())["engine"].items():
            paths = {key: str((config.parent / engine[key]).resolve()) for key in ("model", "inputs")}
            engines.setdefault(name, engine | paths)
    lines = ['device = "cuda:0"']
    for name, engine in engines.items():
        lines += [f"[engine.{name}]", *(f"{key} = {json.dumps(value)}" for key, value in engine.items())]
    return "\n".join(lines) + "\n"


def timed(*command: str | Path, check: bool = True) -> tuple[int, float]:
    """Runs a command; returns its exit status and seconds."""
    begin = time.monotonic()
    status = subprocess.run(command, check=check).returncode
    return status, time.monotonic() - begin


def measure(program: str, splits: str, profile: Path, config: Path, scratch: Path) -> Json:
    """Makes a plan for this configuration, runs the grid, and compares them."""
    plan, grid = scratch / "plan.json", scratch / "grid.json"
    budget = os.environ.get("PLAN_BUDGET", "60")
    command: list[str | Path] = [program, "plan", config, "--profile", profile, "--out", plan, "--budget", budget]
    status, plan_seconds = timed(*command, check=False)
    step, seconds = os.environ.get("GRID_STEP", "3"), os.environ.get("GRID_SECONDS", "1")
    _, grid_seconds = timed(splits, config, profile, grid, step, seconds)
    tried: Json = json.loads(grid.read_text())
    chosen: Json | None = json.loads(plan.read_text()) if status == 0 else None
    summary: Json = {"config": config.name, "plan_seconds": plan_seconds, "grid_seconds": grid_seconds}
    summary |= against_grid(chosen, tried["candidates"]) | {"plan": shortly(chosen) if chosen else None}
    if chosen:
        summary["p99_errors"] = errors_of(chosen)
    versions = {key: tried[key] for key in ("versions", "device")}
    return versions | {"summary": summary, "plan": chosen, "grid": tried["candidates"]}


def main() -> None:
    """Runs the program."""
    program, splits, out = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    configs = [Path(config).resolve() for config in sys.argv[4:]]
    out.mkdir(parents=True, exist_ok=True)
    profile = out / "profile.json"
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        if not profile.exists():
            every = scratch / "every.toml"
            every.write_text(union(configs))
            _, seconds = timed(program, "profile", every, "--out", profile)
            print(f"profile: {seconds:.0f} s", flush=True)
        for config in configs:
            result = measure(program, splits, profile, config, scratch)
            (out / f"planning-{config.stem}.json").write_text(json.dumps(result, indent=1) + "\n")
            print(json.dumps(result["summary"]), flush=True)


if __name__ == "__main__":
    main()
