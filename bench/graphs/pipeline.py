"""Runs the robot's pipeline with and without graphs, and its urgent engines alone: pipeline.py PROGRAM OUT.json.

The heavy neighbour of examples/robot/h200-neighbour.toml runs beside them; alone, each engine has the same partition.
All runs are in one call, on lanes; SECONDS_TO_RUN (default 10) for each.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROBOT = Path(__file__).resolve().parents[2] / "examples" / "robot"
URGENT = ("policy", "vision")


def alone(text: str, engine: str) -> str:
    """Returns the configuration without the other engines and lanes."""
    tables = re.split(r"(?m)^(?=\[)", text)
    return tables[0] + "".join(t for t in tables[1:] if re.match(rf"\[(engine|lane)\.{engine}\]", t))


def run(program: str, config: Path, graphs: str) -> dict[str, Any]:
    """Returns the program's results, by engine."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        seconds = os.environ.get("SECONDS_TO_RUN", "10")
        command = [program, "run", str(config), "--graphs", graphs, "--check", "--seconds", seconds, "--json", str(out)]
        print("+", " ".join(command), flush=True)
        subprocess.run(command, check=True)
        results: dict[str, Any] = json.loads(out.read_text())
    results["engines"] = {engine["name"]: engine for engine in results.pop("modes")[0]["engines"]}
    return results


def main() -> None:
    """Runs the program."""
    program, out = sys.argv[1], Path(sys.argv[2])
    text = (ROBOT / "h200-neighbour.toml").read_text()
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(dir=ROBOT) as folder:
        for name in URGENT:
            config = Path(folder) / f"{name}.toml"
            config.write_text(alone(text, name).replace('"build/', '"../build/'))
            for graphs in ("resident", "off"):
                results[f"{name} alone, {graphs}"] = run(program, config, graphs)
        for graphs in ("resident", "untuned", "off"):
            results[f"all, {graphs}"] = run(program, ROBOT / "h200-neighbour.toml", graphs)
    first = next(iter(results.values()))
    summary = {
        name: {
            "alone_p99_us": results[f"{name} alone, resident"]["engines"][name]["p99_us"],
            **{
                f"{graphs}_p99_us": results[f"all, {graphs}"]["engines"][name]["p99_us"]
                for graphs in ("resident", "untuned", "off")
            },
        }
        for name in URGENT
    }
    for row in summary.values():
        row["against_alone"] = row["resident_p99_us"] / row["alone_p99_us"]
    runs = {name: {"engines": each["engines"]} for name, each in results.items()}
    whole = {"versions": first["versions"], "device": first["device"], "summary": summary, "runs": runs}
    out.write_text(json.dumps(whole, indent=1) + "\n")
    print(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
