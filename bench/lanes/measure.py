"""Measures one urgent engine beside few and many lanes: measure.py PROGRAM MODELS OUT.json.

The engine runs at 500 Hz in a lane of 8 SMs. Best-effort engines run in lanes of 8 SMs each, 4 and 14 lanes in all,
with CUDA graphs and without. MODELS is a folder with the policy and the head of examples/robot, exported for the GPU.
SECONDS_TO_RUN (default 4) for each run, RUNS (default 3) for each case.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

LANES = (4, 14)
GRAPHS = ("resident", "off")


def configuration(models: Path, lanes: int, graphs: str) -> str:
    """Returns the pipeline file of one case."""

    def engine(name: str, model: str, more: str) -> str:
        files = f'model = "{models}/{model}.pt2"\ninputs = "{models}/{model}.inputs.pt"\n'
        return f'[engine.{name}]\n{files}graphs = "{graphs}"\n{more}[lane.{name}]\nunits = 8\n'

    untuned = "" if graphs == "off" else "tune_kernels = false\n"
    urgent = engine("policy", "policy", "rate_hz = 500\ndeadline_ms = 1.0\n")
    return 'device = "cuda:0"\n' + urgent + "".join(engine(f"head{i}", "head", untuned) for i in range(lanes - 1))


def run(program: str, text: str) -> dict[str, Any]:
    """Returns the program's results."""
    with tempfile.TemporaryDirectory() as folder:
        config, out = Path(folder) / "lanes.toml", Path(folder) / "out.json"
        config.write_text(text)
        seconds = os.environ.get("SECONDS_TO_RUN", "4")
        subprocess.run([program, "run", str(config), "--seconds", seconds, "--json", str(out)], check=True)
        results: dict[str, Any] = json.loads(out.read_text())
    return results


def main() -> None:
    """Runs the program."""
    program, models, out = sys.argv[1], Path(sys.argv[2]).resolve(), Path(sys.argv[3])
    runs = []
    results: dict[str, Any] = {}
    for lanes in LANES:
        for graphs in GRAPHS:
            for _ in range(int(os.environ.get("RUNS", "3"))):
                results = run(program, configuration(models, lanes, graphs))
                policy, *others = results["modes"][0]["engines"]
                numbers = {key: policy[key] for key in ("p50_us", "p99_us", "max_us", "misses")}
                best_effort = sum(engine["rate_hz"] for engine in others)
                runs.append({"lanes": lanes, "graphs": graphs, **numbers, "best_effort_hz": best_effort})
    p99 = {
        graphs: {
            lanes: statistics.median(run["p99_us"] for run in runs if (run["lanes"], run["graphs"]) == (lanes, graphs))
            for lanes in LANES
        }
        for graphs in GRAPHS
    }
    summary = {graphs: {"median_p99_us": p99[graphs], "ratio": p99[graphs][14] / p99[graphs][4]} for graphs in GRAPHS}
    print(json.dumps(summary, indent=1))
    results = {"device": results["device"], "versions": results["versions"], "runs": runs, "summary": summary}
    out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
