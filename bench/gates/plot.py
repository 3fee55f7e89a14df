"""Draws the results of measure.py: plot.py GATES.json OUT.svg.

Requires matplotlib.
"""

import json
import sys
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt

NAMES = {"priority": "priorities", "lanes": "lanes of 64 and 68 SMs"}


def main() -> None:
    """Runs the program."""
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    measured = json.loads(source.read_text())
    rows = [row for row in measured["summary"]["rows"] if row["rate_hz"] == 200 and row["arrivals"] == "poisson"]
    mpl.rcParams.update({"font.size": 10, "svg.fonttype": "path", "svg.hashsalt": "greenlane"})
    figure, axes = plt.subplots(figsize=(7, 4))
    gates = sorted((row for row in rows if row["mode"] == "gates"), key=lambda row: row["share_of_bound"])
    axes.plot(
        [r["share_of_bound"] for r in gates],
        [r["p99_against_alone"] for r in gates],
        "o",
        label="gates, by longest slice",
    )
    for row in rows:
        at = (row["share_of_bound"], row["p99_against_alone"])
        if row["mode"] == "gates":
            below = row["slices"] == "auto"
            offset = (0, -12 if below else 6)
            axes.annotate(row["slices"], at, offset, textcoords="offset points", ha="center", fontsize=8)
        else:
            axes.plot(*at, "s", label=NAMES[row["mode"]])
    axes.set_yscale("log", base=2)
    axes.set_yticks([1, 1.5, 2, 3, 4, 5], ["1", "1.5", "2", "3", "4", "5"])
    axes.set_ylim(0.9, 5)
    axes.axhline(1, color="grey", linewidth=0.8)
    axes.axvline(1, color="grey", linewidth=0.8)
    axes.set_xlabel("best effort: share of what is left if nothing is lost")
    axes.set_ylabel("urgent: p99 against alone")
    axes.set_title(f"200 urgent requests a second, at random, on one {measured['device']['name']}")
    axes.legend(loc="upper left")
    figure.tight_layout()
    figure.savefig(target, metadata={"Date": None})


if __name__ == "__main__":
    main()
