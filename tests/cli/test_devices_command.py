"""`greenlane devices`, `--help` and `--version`."""

import json
import os
import re

from cli.program import greenlane


def test_the_table_lists_the_cpu() -> None:
    done = greenlane("devices")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^ *device +name +units", done.stdout)
    assert re.search(rf"^ *cpu +.* {len(os.sched_getaffinity(0))} cores? .* –$", done.stdout, re.MULTILINE)


def test_json_lists_the_same_devices() -> None:
    done = greenlane("devices", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    cpu = json.loads(done.stdout)[-1]
    assert cpu["id"] == "cpu"
    assert cpu["unit"] == "core"
    assert cpu["units"] == cpu["groups"] == len(os.sched_getaffinity(0))
    assert cpu["partitions"] is True
    assert cpu["memory_bytes"] > 1 << 20
    assert "hardware_queues" not in cpu


def test_units_are_the_allowed_cores() -> None:
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert json.loads(greenlane("devices", "--json").stdout)[-1]["units"] == 1
    finally:
        os.sched_setaffinity(0, allowed)


def test_help_and_version_succeed() -> None:
    assert re.fullmatch(r"greenlane \d+\.\d+\.\d+\n", greenlane("--version").stdout)
    for arguments in (["--help"], ["run", "--help"], ["devices", "--help"]):
        done = greenlane(*arguments)
        assert done.returncode == 0
        assert "--help" in done.stdout
