"""Draws the results of measure.py: plot.py OUT.svg PLANNING.json...

Shows every split of the grid by its best-effort throughput and the slack of its tightest deadline, and the plan.
Requires matplotlib.
"""

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt

LOWEST = -1.0  # later than twice the deadline is all the same
MODES = {
    "lanes": ("o", "tab:blue"),
    "gates": ("D", "tab:green"),
    "priority": ("^", "tab:pink"),
    "shared": ("s", "tab:orange"),
}


def draw(axes: Any, measured: dict[str, Any]) -> None:
    """Draws one mix."""
    for mode, (mark, colour) in MODES.items():
        runs = [each["measured"] for each in measured["grid"] if each["mode"] == mode]
        x = [max(run["slack"], LOWEST) for run in runs]
        axes.plot(x, [run["throughput"] for run in runs], mark, color=colour, markersize=5, alpha=0.7, label=mode)
    plan = measured["plan"]
    if plan:
        at = (plan["measured"]["slack"], plan["measured"]["throughput"])
        axes.plot(*at, "*", color="black", markersize=13, label=f"the plan ({plan['mode']})")
    axes.axvline(0, color="tab:red", linewidth=0.8, linestyle="--")
    axes.set_xlim(LOWEST - 0.05, 1)
    axes.set_ylim(0, 1.1)
    axes.set_title(Path(measured["summary"]["config"]).stem)
    axes.set_xlabel("slack of the tightest deadline")
    axes.legend(loc="lower left", fontsize=7)


def main() -> None:
    """Runs the program."""
    target, *sources = map(Path, sys.argv[1:])
    mpl.rcParams.update({"font.size": 9, "svg.fonttype": "path", "svg.hashsalt": "greenlane"})
    columns = 2
    rows = -(-len(sources) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(7.5, 3 * rows), sharey=True, squeeze=False)
    for each, source in zip(axes.flat, sources, strict=False):
        draw(each, json.loads(source.read_text()))
    for row in axes:
        row[0].set_ylabel("best effort, against alone")
    for unused in axes.flat[len(sources) :]:
        unused.set_visible(False)
    figure.tight_layout()
    figure.savefig(target, metadata={"Date": None})


if __name__ == "__main__":
    main()
