"""Races the ways to share a device: the same compiled engines, rates and deadlines, in one run on one machine.

    race.py --greenlane PROGRAM --driver LIBRARY --configs PIPELINE.toml... --out results.json

docs/benchmarks.md says how each contestant is set up and why, and how to read the results.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import claims
import contestants
import table
from mixes import Mix, load_mix
from rows import Row
from setting import Setting


def device_of(greenlane: Path) -> dict[str, Any]:
    """Returns the first device that greenlane sees: a GPU where there is one."""
    done = subprocess.run([greenlane, "devices", "--json"], capture_output=True, text=True, timeout=60, check=True)
    devices = json.loads(done.stdout)
    first: dict[str, Any] = next((each for each in devices if each["unit"] == "SM"), devices[0])
    return first


class Race:
    """A race of contestants on mixes, with the results so far."""

    def __init__(self, setting: Setting, device: dict[str, Any], out: Path) -> None:
        """Starts without results."""
        self.setting, self.out = setting, out
        self.alone: Row | None = None
        self.results: dict[str, Any] = {"device": device, "versions": {}, "seconds": setting.seconds, "mixes": []}
        self.results["spin_ms"] = setting.spin_ms

    def run(self, mix: Mix, names: list[str]) -> None:
        """Races on one mix."""
        begin = time.monotonic()
        rows: list[Row] = []
        for name in names:
            start = time.monotonic()
            try:
                added = contestants.ALL[name](self.setting, mix)
            except Exception as error:  # an error of one contestant does not end the race
                added = [Row(name, "", status="failed", what_happened=f"{type(error).__name__}: {error}")]
            rows += added
            self.say(mix, added, start)
        # Last, because programs that run first on a machine find it asleep.
        start = time.monotonic()
        self.alone = contestants.alone(self.setting, mix, self.alone)
        rows.insert(0, self.alone)
        self.say(mix, [self.alone], start)
        verdicts = claims.evaluate(mix, rows)
        for row in rows:
            self.results["versions"] |= row.notes.get("versions") or {}
        entry = {"mix": mix.name, "config": str(mix.config), "took_s": time.monotonic() - begin, "claims": verdicts}
        entry["contestants"] = [
            row.json()
            | {"throughput": claims.throughput(row, rows[0], mix), "meets_deadlines": claims.meets_deadlines(row, mix)}
            for row in rows
        ]
        self.results["mixes"].append(entry)
        self.out.write_text(json.dumps(self.results, indent=1) + "\n")
        print(table.text(mix, rows, verdicts), flush=True)

    @staticmethod
    def say(mix: Mix, rows: list[Row], start: float) -> None:
        """Prints progress for whoever waits."""
        for row in rows:
            row.took_s = time.monotonic() - start
            why = f" ({row.what_happened})" if row.what_happened else ""
            print(f"{mix.name}: {row.title}: {row.status} after {row.took_s:.1f} s{why}", file=sys.stderr, flush=True)


def parse_arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description="Races the ways to share a device.")
    parser.add_argument("--configs", type=Path, nargs="+", required=True, help="pipelines, as greenlane run has them")
    parser.add_argument("--greenlane", type=Path, required=True, help="the program")
    parser.add_argument("--driver", type=Path, required=True, help="libpeers_driver.so")
    parser.add_argument("--out", type=Path, required=True, help="results, as JSON")
    parser.add_argument("--seconds", type=float, default=3, help="that each contestant is measured (%(default)s)")
    parser.add_argument("--spin-ms", type=float, default=0.1, help="that threads spin before an arrival (%(default)s)")
    parser.add_argument("--plan-budget", type=float, default=30, help="seconds that the planner tries plans for")
    parser.add_argument("--profile", type=Path, help="of the engines on such a device, for the planner")
    parser.add_argument("--only", nargs="+", choices=list(contestants.ALL), metavar="NAME", help="%(choices)s")
    parser.add_argument("--no-eager", action="store_true", help="with CUDA graphs only, where there is a choice")
    parser.add_argument("--xsched", type=Path, help="where XSched is installed: the folder with lib/")
    parser.add_argument("--holoscan", type=Path, help="a folder that holds the holoscan package, if Python lacks it")
    return parser.parse_args()


def main() -> int:
    """Runs the program."""
    arguments = parse_arguments()
    device = device_of(arguments.greenlane)
    on_gpu = device["unit"] == "SM"
    names = arguments.only or list(contestants.ALL if on_gpu else contestants.ON_CPU)
    with tempfile.TemporaryDirectory() as scratch:
        setting = Setting(
            greenlane=arguments.greenlane.resolve(),
            driver=arguments.driver.resolve(),
            scratch=Path(scratch),
            seconds=arguments.seconds,
            units=device["units"],
            spin_ms=arguments.spin_ms,
            on_gpu=on_gpu,
            eager=not arguments.no_eager,
            xsched=arguments.xsched.resolve() if arguments.xsched else None,
            holoscan=arguments.holoscan.resolve() if arguments.holoscan else None,
            plan_budget=arguments.plan_budget,
            profile=arguments.profile.resolve() if arguments.profile else None,
        )
        race = Race(setting, device, arguments.out)
        for mix in map(load_mix, arguments.configs):
            race.run(mix, names)
    return 0


if __name__ == "__main__":
    sys.exit(main())
