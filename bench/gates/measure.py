"""Measures gates: measure.py PROGRAM MODELS_FOLDER OUT.json, with the models of export.py and the robot's policy in it.

An urgent vision transformer beside a best-effort transformer, at two rates, with known and with random arrivals: p99
against its p99 alone on the whole GPU with the same arrivals, and the best-effort rate against what would be left if
nothing were lost. SECONDS_TO_RUN (default 7) for each run; all in one call, on one machine.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

SECONDS = os.environ.get("SECONDS_TO_RUN", "7")


def engine(name: str, folder: Path, **keys: object) -> str:
    """A table of the configuration."""
    lines = [f"[engine.{name}]", f'model = "{folder / name}.pt2"', f'inputs = "{folder / name}.inputs.pt"']
    return "\n".join([*lines, *(f"{key} = {json.dumps(value)}" for key, value in keys.items())]) + "\n"


def run(program: str, mode: str, *tables: str) -> dict[str, Any]:
    """What one mode measured: engines by name, and the gate."""
    with tempfile.TemporaryDirectory() as scratch:
        config, out = Path(scratch) / "pipeline.toml", Path(scratch) / "out.json"
        config.write_text('device = "cuda:0"\n' + "".join(tables))
        command = [program, "run", str(config), "--mode", mode, "--check", "--seconds", SECONDS, "--json", str(out)]
        subprocess.run(command, check=True)
        results = json.loads(out.read_text())
    measured: dict[str, Any] = results["modes"][0]
    measured["engines"] = {each["name"]: each for each in measured["engines"]}
    return measured | {key: results[key] for key in ("versions", "device")}


def main() -> None:
    """Runs the program."""
    program, folder, out = sys.argv[1], Path(sys.argv[2]).resolve(), Path(sys.argv[3])
    runs: dict[str, Any] = {}
    head = engine("head", folder)
    runs["best effort alone, gates off"] = run(program, "gates", engine("head", folder, gates="off"))
    runs["best effort alone, gates"] = run(program, "gates", head)
    whole = runs["best effort alone, gates off"]["engines"]["head"]["rate_hz"]
    gated = runs["best effort alone, gates"]["engines"]["head"]["rate_hz"]
    summary: dict[str, Any] = {"cost_without_urgent_work": 1 - gated / whole, "rows": []}
    for rate in (60, 200):
        for arrivals in ("periodic", "poisson"):
            vit = engine("vit", folder, rate_hz=rate, deadline_ms=10, arrivals=arrivals)
            alone = runs[f"alone, {rate} Hz {arrivals}"] = run(program, "gates", vit)
            modes = ("gates", "priority") if arrivals == "poisson" else ("gates",)
            for mode in modes:
                both = runs[f"both, {mode}, {rate} Hz {arrivals}"] = run(program, mode, vit, head)
                service = alone["engines"]["vit"]["p50_us"] * 1e-6
                bound = whole * (1 - rate * service)
                row = {
                    "rate_hz": rate,
                    "arrivals": arrivals,
                    "mode": mode,
                    "alone_p50_us": alone["engines"]["vit"]["p50_us"],
                    "alone_p99_us": alone["engines"]["vit"]["p99_us"],
                    "p99_us": both["engines"]["vit"]["p99_us"],
                    "p99_against_alone": both["engines"]["vit"]["p99_us"] / alone["engines"]["vit"]["p99_us"],
                    "best_effort_hz": both["engines"]["head"]["rate_hz"],
                    "bound_hz": bound,
                    "share_of_bound": both["engines"]["head"]["rate_hz"] / bound,
                }
                summary["rows"].append(row)
                print(json.dumps(row), flush=True)
    if (folder / "policy.pt2").exists():
        policy = engine("policy", folder, rate_hz=500, deadline_ms=1)
        vit = engine("vit", folder, rate_hz=60, deadline_ms=10)
        alone = runs["policy alone"] = run(program, "gates", policy)
        three = runs["all three, gates"] = run(program, "gates", policy, vit, head)
        p99 = [each["engines"]["policy"]["p99_us"] for each in (alone, three)]
        summary["policy"] = {"alone_p99_us": p99[0], "p99_us": p99[1], "p99_against_alone": p99[1] / p99[0]}
    first = runs["best effort alone, gates"]
    whole_result = {"versions": first["versions"], "device": first["device"], "summary": summary, "runs": runs}
    out.write_text(json.dumps(whole_result, indent=1) + "\n")
    print(json.dumps({key: value for key, value in summary.items() if key != "rows"}))


if __name__ == "__main__":
    main()
