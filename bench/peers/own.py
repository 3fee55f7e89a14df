"""greenlane's own contestants: the program, in its modes and with a plan."""

import json
from dataclasses import replace
from pathlib import Path

import children
from mixes import Mix
from rows import Row, problems_of
from setting import Setting

MOST_FOR_A_PROFILE = 300  # seconds; five engines on an H200 take 130


def run(setting: Setting, mix: Mix, row: Row, *options: str | Path) -> Row:
    """Runs one mode, in a process of its own."""
    out = setting.new_file("json")
    command: list[str | Path] = [setting.greenlane, "run", mix.config, "--check", "--seconds", str(setting.seconds)]
    command += ["--spin-ms", str(setting.spin_ms)]
    ended = children.run([*command, "--json", out, *options], out.with_suffix(".log"), setting.limit([row.variant]))
    if not out.exists():
        return replace(row, status="failed", what_happened=ended.problem or "it wrote no result")
    result = json.loads(out.read_text())
    mode = result["modes"][0]
    notes = row.notes | {"mode": mode["mode"], "gate": mode.get("gate")}
    notes |= {key: result[key] for key in ("versions", "device")}
    happened = problems_of(mode["engines"], {}) or ended.problem
    status = "failed" if happened else "measured"
    return replace(row, engines=mode["engines"], notes=notes, status=status, what_happened=happened)


def run_planned(setting: Setting, mix: Mix, row: Row) -> Row:
    """Runs a plan made from engines, rates and deadlines alone; lanes and units of the file do not matter."""
    plan = setting.new_file("json")
    command: list[str | Path] = [setting.greenlane, "plan", mix.config, "--out", plan]
    if setting.profile:
        command += ["--profile", setting.profile]
    limit = 60 + 2 * setting.plan_budget + (0 if setting.profile else MOST_FOR_A_PROFILE)
    ended = children.run([*command, "--budget", str(setting.plan_budget)], plan.with_suffix(".log"), limit)
    if not plan.exists():
        return replace(row, status="failed", what_happened=ended.problem or "it wrote no plan")
    chosen = json.loads(plan.read_text())
    measured = run(setting, mix, row, "--plan", plan)
    measured.notes["plan"] = {key: chosen.get(key) for key in ("mode", "lanes", "predicted", "measured")}
    measured.notes["plan"]["engines"] = [
        {key: each.get(key) for key in ("name", "lane", "gated")} for each in chosen["engines"]
    ]
    return measured
