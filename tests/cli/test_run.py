"""`greenlane run`: its measurements and its files."""

import itertools
import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cli.program import config, engine, engines, greenlane

MODES = ["lanes", "gates", "shared", "priority"]


@dataclass(frozen=True)
class Compared:
    """One run of the whole pipeline in every mode, with its outputs."""

    done: subprocess.CompletedProcess[str]
    results: dict[str, Any]
    trace: dict[str, Any]


@pytest.fixture(scope="module")
def compared(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Compared:
    folder = tmp_path_factory.mktemp("compare")
    file = config(
        folder,
        engine("policy", models / "affine.pt2", rate_hz=200, deadline_ms=1000),
        engine("vision", models / "pair.pt2", rate_hz=50, lane="perception"),
        engine("filter", models / "affine.pt2", rate_hz=20, lane="perception"),
        engine("head", models / "threads.pt2"),
    )
    arguments = ["--mode", "compare", "--seconds", "0.4", "--check"]
    done = greenlane("run", file, *arguments, "--json", folder / "out.json", "--trace", folder / "trace.json")
    assert done.returncode == 0, done
    assert {path.name for path in folder.iterdir()} == {"pipeline.toml", "out.json", "trace.json"}
    return Compared(
        done, json.loads((folder / "out.json").read_text()), json.loads((folder / "trace.json").read_text())
    )


def test_compare_runs_every_mode(compared: Compared) -> None:
    assert [mode["mode"] for mode in compared.results["modes"]] == MODES
    assert re.findall(r"^mode (\w+)", compared.done.stdout, re.MULTILINE) == MODES


def test_results_have_the_documented_fields(compared: Compared) -> None:
    results = compared.results
    assert re.fullmatch(r"\d+\.\d+\.\d+", results["greenlane"])
    assert {"greenlane", "torch", "cuda", "driver"} <= results["versions"].keys()
    assert results["device"]["id"] == "cpu"
    fields = {"name", "lane", "units", "requests", "rate_hz", "p50_us", "p99_us", "max_us", "deadline_us", "misses"}
    for mode in results["modes"]:
        assert [entry["name"] for entry in mode["engines"]] == ["policy", "vision", "filter", "head"]
        for entry in mode["engines"]:
            assert fields | {"checked"} <= entry.keys()


def test_every_engine_has_requests_and_right_outputs(compared: Compared) -> None:
    for mode in compared.results["modes"]:
        assert mode["stopped_early"] is False
        assert mode["seconds"] == pytest.approx(0.4, rel=0.01)
        for entry in mode["engines"]:
            assert entry["requests"] > 0, entry
            assert 0 < entry["p50_us"] <= entry["p99_us"] <= entry["max_us"]
            assert entry["checked"] is True
            assert entry["error"] is None


def test_requests_arrive_at_the_engines_rate(compared: Compared) -> None:
    for mode in compared.results["modes"]:
        requests = {entry["name"]: entry["requests"] for entry in mode["engines"]}
        assert [requests[name] for name in ("policy", "vision", "filter")] == [80, 20, 8]


def test_the_period_is_the_default_deadline(compared: Compared) -> None:
    for mode in compared.results["modes"]:
        deadlines = {entry["name"]: entry["deadline_us"] for entry in mode["engines"]}
        assert deadlines == {"policy": 1e6, "vision": 2e4, "filter": 5e4, "head": None}


def test_only_engines_of_one_lane_share_cores(compared: Compared) -> None:
    by_name = {entry["name"]: entry for entry in compared.results["modes"][0]["engines"]}
    assert by_name["vision"]["lane"] == by_name["filter"]["lane"] == "perception"
    assert by_name["vision"]["cpus"] == by_name["filter"]["cpus"]
    assert not set(by_name["policy"]["cpus"]) & set(by_name["head"]["cpus"]) or compared.results["device"]["units"] == 1
    for entry in by_name.values():
        assert len(entry["cpus"]) == entry["units"]


def test_the_table_in_a_pipe_has_no_progress(compared: Compared) -> None:
    for name in ("policy", "vision", "filter", "head"):
        assert len(re.findall(rf"^  {name} .* ok", compared.done.stdout, re.MULTILINE)) == len(MODES)
    assert compared.done.stderr == ""
    assert "\033" not in compared.done.stdout


def test_the_trace_has_a_track_per_lane_and_mode(compared: Compared) -> None:
    events = compared.trace["traceEvents"]
    tracks = {(e["pid"], e["tid"]): e["args"]["name"] for e in events if e["name"] == "thread_name"}
    lanes = ["lane policy", "lane perception", "lane head"] * len(MODES)
    assert sorted(tracks.values()) == sorted([*lanes, "gate"]), (
        "the tracks are not the lanes of each mode and the gate of mode gates"
    )
    processes = {e["pid"]: e["args"]["name"] for e in events if e["name"] == "process_name"}
    assert list(processes.values()) == [f"mode {mode}" for mode in MODES]


def test_the_slices_of_a_track_never_overlap(compared: Compared) -> None:
    events = compared.trace["traceEvents"]
    tracks = {(e["pid"], e["tid"]): e["args"]["name"] for e in events if e["name"] == "thread_name"}
    slices: dict[tuple[int, int], list[tuple[float, float, str]]] = {track: [] for track in tracks}
    for event in events:
        if event["ph"] == "X":
            slices[event["pid"], event["tid"]].append((event["ts"], event["dur"], event["name"]))
    engines_of = {
        "lane policy": {"policy"},
        "lane perception": {"vision", "filter"},
        "lane head": {"head"},
        "gate": {"closed"},
    }
    for track, entries in slices.items():
        entries.sort()
        assert {name for _, _, name in entries} == engines_of[tracks[track]]
        for (begin, duration, _), (following, _, _) in itertools.pairwise(entries):
            assert following >= begin + duration - 1e-3


@pytest.mark.parametrize("mode", MODES)
def test_a_single_mode_can_be_run(models: Path, tmp_path: Path, mode: str) -> None:
    file = config(tmp_path, engine("policy", models / "affine.pt2", rate_hz=100))
    done = greenlane("run", file, "--mode", mode, "--seconds", "0.1", "--json", tmp_path / "out.json")
    assert (done.returncode, done.stderr) == (0, "")
    assert [result["mode"] for result in json.loads((tmp_path / "out.json").read_text())["modes"]] == [mode]


def test_a_plan_decides_lanes_and_units(models: Path, tmp_path: Path) -> None:
    file = config(tmp_path, engine("policy", models / "affine.pt2", rate_hz=100), "[lane.policy]\nunits = 10000\n")
    plan = {"lanes": [{"name": "other", "units": 1}], "engines": [{"name": "policy", "lane": "other"}]}
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    done = greenlane("run", file, "--seconds", "0.1", "--plan", tmp_path / "plan.json", "--json", tmp_path / "out.json")
    assert done.returncode == 0
    entry = engines(tmp_path / "out.json")["policy"]
    assert (entry["lane"], entry["units"]) == ("other", 1)


def test_graphs_change_nothing_on_a_cpu(models: Path, tmp_path: Path) -> None:
    """On a CPU the choice changes nothing; a choice that does not exist is refused."""
    file = config(tmp_path, engine("policy", models / "affine.pt2", graphs="resident") + "tune_kernels = false\n")
    for choice in ("resident", "untuned", "off"):
        done = greenlane("run", file, "--graphs", choice, "--seconds", "0.1", "--json", tmp_path / "out.json")
        assert done.returncode == 0, done
        assert "graph for" not in done.stdout
        assert json.loads((tmp_path / "out.json").read_text())["modes"][0]["engines"][0]["graphs"] is None
    assert greenlane("run", file, "--graphs", "on").returncode == 2
