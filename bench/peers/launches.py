"""Contestants that the driver races: all engines in one process, or one process for each engine with a common start."""

import json
import time
from collections.abc import Sequence
from pathlib import Path

import children
from mixes import Mix
from rows import Json, Row, rows_of
from setting import Setting

SOON = 0.05  # seconds between the last process's being ready and the common start


def read(out: Path) -> Json:
    """Reads a process's results; a process that wrote nothing measured no variant."""
    written: Json = json.loads(out.read_text()) if out.exists() else {"variants": {}}
    return written


def in_one_process(
    setting: Setting,
    mix: Mix,
    row: Row,
    way: str,
    variants: list[str],
    environment: dict[str, str] | None = None,
    options: Sequence[str | Path] = (),
) -> list[Row]:
    """Returns a row for each variant. One process measures all, because loading costs as much as measuring."""
    out = setting.new_file("json")
    where = ["--where"] if setting.on_gpu and row.kind == "partitioned" else []
    command = setting.member(way, mix.config, variants, out, *where, *options)
    ended = children.run(command, out.with_suffix(".log"), setting.limit(variants), environment)
    member = read(out)
    row.notes |= {key: member.get(key) for key in ("notes", "device", "versions")}
    return rows_of(row, [member], ended.problem, variants)


def in_processes(
    setting: Setting, mix: Mix, row: Row, way: str, variants: list[str], environments: dict[str, dict[str, str]]
) -> list[Row]:
    """Runs one process for each engine, each with an environment of its own."""
    where = ["--where"] if setting.on_gpu and row.kind == "partitioned" else []
    start = setting.new_file("start")
    start.mkdir()
    outs = {engine.name: setting.new_file("json") for engine in mix.engines}
    running = {
        name: children.Child(
            setting.member(way, mix.config, variants, out, "--engines", name, "--start", start, *where),
            out.with_suffix(".log"),
            environments.get(name),
        )
        for name, out in outs.items()
    }
    until = time.monotonic() + setting.limit(variants)
    for variant in variants:
        if not start_together(start, variant, running, until):
            break
    ended = {name: child.end(until) for name, child in running.items()}
    members = [read(out) for out in outs.values()]
    row.notes["members"] = {
        name: {key: member.get(key) for key in ("notes", "device")} for name, member in zip(outs, members, strict=True)
    }
    problems = [f"{name}: {each.problem}" for name, each in ended.items() if each.problem]
    return rows_of(row, members, "; ".join(problems) or None, variants)


def start_together(folder: Path, variant: str, running: dict[str, children.Child], until: float) -> bool:
    """Waits until all are ready and tells them when to start. Returns false where one of them ended first."""
    while time.monotonic() < until and all(child.is_running for child in running.values()):
        if all((folder / f"{variant}.{name}.ready").exists() for name in running):
            part = folder / f"{variant}.part"
            part.write_text(str(time.monotonic_ns() + int(SOON * 1e9)))
            part.rename(folder / f"{variant}.go")
            return True
        time.sleep(0.005)
    return False
