"""Measures gates: measure.py PROGRAM MODELS_FOLDER OUT.json, with the models of export.py and the robot's policy.

An urgent vision transformer runs beside a best-effort transformer, at two rates, with known and with random arrivals.
Its p99 is compared with its p99 alone on the whole GPU with the same arrivals. The best-effort rate is compared with
the rate that would be left if nothing were lost. For one of these cases, other lengths of slices and other modes
follow. Then a policy net runs beside both, gated or in a lane of its own. SECONDS_TO_RUN (default 8) for each run,
twice that for random arrivals; all runs are in one call, on one machine.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

SECONDS = float(os.environ.get("SECONDS_TO_RUN", "8"))


def engine(name: str, folder: Path, **keys: object) -> str:
    """Returns an engine's table of the configuration."""
    lines = [f"[engine.{name}]", f'model = "{folder / name}.pt2"', f'inputs = "{folder / name}.inputs.pt"']
    return "\n".join([*lines, *(f"{key} = {json.dumps(value)}" for key, value in keys.items())]) + "\n"


def run(program: str, mode: str, *tables: str) -> dict[str, Any]:
    """Returns the results of one mode: engines by name, and the gate."""
    with tempfile.TemporaryDirectory() as scratch:
        config, out = Path(scratch) / "pipeline.toml", Path(scratch) / "out.json"
        config.write_text('device = "cuda:0"\n' + "".join(tables))
        # The p99 of random arrivals depends on the few requests that follow each other closely.
        length = str(2 * SECONDS if any("poisson" in table for table in tables) else SECONDS)
        command = [program, "run", str(config), "--mode", mode, "--check", "--seconds", length, "--json", str(out)]
        subprocess.run(command, check=True)
        results = json.loads(out.read_text())
    measured: dict[str, Any] = results["modes"][0]
    measured["engines"] = {each["name"]: each for each in measured["engines"]}
    return measured | {key: results[key] for key in ("versions", "device")}


def lane(name: str, **keys: object) -> str:
    """Returns a lane's table of the configuration."""
    return "\n".join([f"[lane.{name}]", *(f"{key} = {json.dumps(value)}" for key, value in keys.items())]) + "\n"


class Measurement:
    """The runs so far, and the figures that follow from them."""

    def __init__(self, program: str, folder: Path) -> None:
        """Uses the models of this folder."""
        self.program, self.folder = program, folder
        self.runs: dict[str, Any] = {}
        self.solo_hz = 0.0

    def run(self, title: str, mode: str, *tables: str) -> dict[str, Any]:
        """Runs one mode and keeps the result under this title."""
        self.runs[title] = run(self.program, mode, *tables)
        engines: dict[str, Any] = self.runs[title]["engines"]
        return engines

    def vit(self, rate: float, arrivals: str, **keys: object) -> str:
        """Returns the table of the urgent engine."""
        return engine("vit", self.folder, rate_hz=rate, deadline_ms=10, arrivals=arrivals, **keys)

    def head(self, **keys: object) -> str:
        """Returns the table of the best-effort engine."""
        return engine("head", self.folder, **keys)

    def rates(self, title: str, *others: str) -> dict[str, float]:
        """Returns the best-effort rates without urgent work, uncut ("off") and cut ("auto"), measured in turns."""
        rates: dict[str, list[float]] = {"off": [], "auto": []}
        for turn in range(2):
            for gates, seen in rates.items():
                engines = self.run(f"{title}, gates {gates}, {turn}", "gates", *others, self.head(gates=gates))
                seen.append(engines["head"]["rate_hz"])
        return {gates: statistics.mean(seen) for gates, seen in rates.items()}

    def row(self, rate: float, arrivals: str, mode: str, gates: str = "auto", *lanes: str) -> dict[str, Any]:
        """Runs both engines, and compares them with the urgent one alone and with what it leaves of the other."""
        title = f"alone, {rate} Hz {arrivals}"
        if title not in self.runs:
            self.run(title, "gates", self.vit(rate, arrivals))
        alone = self.runs[title]["engines"]["vit"]
        tables = (self.vit(rate, arrivals), self.head(gates=gates), *lanes)
        both = self.run(f"both, {mode}, slices {gates}, {rate} Hz {arrivals}", mode, *tables)
        bound = self.solo_hz * (1 - rate * alone["p50_us"] * 1e-6)
        row = {
            "rate_hz": rate,
            "arrivals": arrivals,
            "mode": mode,
            "slices": gates,
            "alone_p50_us": alone["p50_us"],
            "alone_p99_us": alone["p99_us"],
            "p99_us": both["vit"]["p99_us"],
            "p99_against_alone": both["vit"]["p99_us"] / alone["p99_us"],
            "best_effort_hz": both["head"]["rate_hz"],
            "bound_hz": bound,
            "share_of_bound": both["head"]["rate_hz"] / bound,
        }
        print(json.dumps(row), flush=True)
        return row

    def policy(self) -> list[dict[str, Any]]:
        """Runs a policy net beside both: everything gated, or the net in a lane of its own and gates on the rest."""
        policy = engine("policy", self.folder, rate_hz=500, deadline_ms=1)
        alone = self.run("policy alone", "gates", policy)["policy"]
        ways: dict[str, tuple[str, list[str]]] = {"gated": ("gates", [])}
        lanes = [lane("policy", units=8), lane("vit", units="rest"), lane("head", beside="vit")]
        ways["lane of 8 SMs"] = ("lanes", lanes)
        vit = self.runs["alone, 60 Hz periodic"]["engines"]["vit"]
        rows = []
        for way, (mode, lanes) in ways.items():
            three = self.run(f"policy {way}", mode, policy, self.vit(60, "periodic"), self.head(), *lanes)
            row = {
                "way": way,
                "alone_p50_us": alone["p50_us"],
                "alone_p99_us": alone["p99_us"],
                "p50_us": three["policy"]["p50_us"],
                "p99_us": three["policy"]["p99_us"],
                "p99_against_alone": three["policy"]["p99_us"] / alone["p99_us"],
                "vit_p99_us": three["vit"]["p99_us"],
                "vit_p99_against_alone": three["vit"]["p99_us"] / vit["p99_us"],
                "best_effort_hz": three["head"]["rate_hz"],
            }
            print(json.dumps(row), flush=True)
            rows.append(row)
        return rows


def main() -> None:
    """Runs the program."""
    program, folder, out = sys.argv[1], Path(sys.argv[2]).resolve(), Path(sys.argv[3])
    measured = Measurement(program, folder)
    alone = measured.rates("best effort alone")
    measured.solo_hz = alone["off"]
    # The only request of this urgent engine comes before the measurement begins.
    idle = measured.rates("beside an idle one", measured.vit(0.01, "periodic"))
    summary: dict[str, Any] = {
        "cost_without_urgent_work": 1 - alone["auto"] / alone["off"],
        "cost_beside_idle_urgent": 1 - idle["auto"] / idle["off"],
        "rows": [],
    }
    print(json.dumps(summary), flush=True)
    rows = summary["rows"]
    for rate in (60, 200):
        for arrivals in ("periodic", "poisson"):
            rows.append(measured.row(rate, arrivals, "gates"))
    for slices in ("25us", "100us"):
        rows.append(measured.row(200, "poisson", "gates", slices))
    rows.append(measured.row(200, "poisson", "priority", "off"))
    rows.append(measured.row(200, "poisson", "lanes", "off", lane("vit", units=64), lane("head", units="rest")))
    if (folder / "policy.pt2").exists():
        summary["policy"] = measured.policy()
    first = next(iter(measured.runs.values()))
    result = {"versions": first["versions"], "device": first["device"], "summary": summary, "runs": measured.runs}
    out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
