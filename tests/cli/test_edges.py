"""Rehearsals and plans of pipelines with edges: recorded items, checks by sequence number, paths, traces."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from greenlane.report.__main__ import main

from cli.program import config, engine, greenlane, refusal

CAMERA = "[source.camera]\nrate_hz = 100\nitems = 'items.pt'\n"
PATH = "[path.act]\nfrom = 'camera'\nto = 'second'\ndeadline_ms = {deadline}\n"


def chain(folder: Path, models: Path, *more: str, deadline: float = 1000, second: dict[str, Any] | None = None) -> Path:
    """Writes a pipeline of two packages behind a camera, with three recorded items."""
    torch.save([torch.full((4, 8), float(i)) for i in range(3)], folder / "items.pt")
    return config(
        folder,
        CAMERA,
        engine("first", models / "affine.pt2") + "from = 'camera'\non = 'camera'\n",
        engine("second", models / "affine.pt2", **(second or {}))
        + "from = 'first'\n"
        + ("" if second else "on = 'first'\n"),
        PATH.format(deadline=deadline),
        *more,
    )


def run(file: Path, *options: str | Path) -> tuple[dict[str, Any], str]:
    """Runs the pipeline, and returns the results of its mode and the text that was printed."""
    results = file.with_name("results.json")
    done = greenlane("run", file, "--seconds", "0.5", "--json", results, *options)
    assert done.returncode == 0, done
    (mode,) = json.loads(results.read_text())["modes"]
    return mode, done.stdout


def test_recorded_items_are_played_and_checked(tmp_path: Path, models: Path) -> None:
    mode, text = run(chain(tmp_path, models), "--check")
    assert mode["sources"] == [{"name": "camera", "published": pytest.approx(50, abs=15)}]
    first, second = mode["engines"]
    assert first["checked"] is True
    assert second["checked"] is True
    (edge,) = second["edges"]
    assert edge["producer"] == "first"
    assert edge["taken"] > 10
    assert 0 < second["age_p50_us"] <= second["age_p99_us"]
    (path,) = mode["paths"]
    assert (path["name"], path["from"], path["to"], path["deadline_us"]) == ("act", "camera", "second", 1e6)
    assert path["items"] > 10
    assert path["misses"] == 0
    assert 0 < path["p50_us"] <= path["p99_us"] <= path["max_us"]
    assert "path" in text
    assert "inputs of second: age" in text


@pytest.mark.parametrize("command", ["run", "plan"])
def test_a_source_without_a_rate_is_not_rehearsed(tmp_path: Path, models: Path, command: str) -> None:
    file = chain(tmp_path, models)
    file.write_text(file.read_text().replace("rate_hz = 100\n", ""))
    message = refusal(command, file)
    assert "source.camera.rate_hz" in message
    assert "how often the program publishes" in message


def test_without_items_the_recorded_inputs_are_played(tmp_path: Path, models: Path) -> None:
    file = chain(tmp_path, models)
    file.write_text(file.read_text().replace("items = 'items.pt'\n", ""))
    mode, _ = run(file, "--check")
    assert mode["paths"][0]["items"] > 10


def test_a_timer_takes_the_latest_value(tmp_path: Path, models: Path) -> None:
    mode, _ = run(chain(tmp_path, models, second={"rate_hz": 300, "max_age_ms": 1000}), "--check")
    second = mode["engines"][1]
    assert second["requests"] > second["edges"][0]["taken"] > 10
    assert second["checked"] is True


def test_all_modes_run_edges(tmp_path: Path, models: Path) -> None:
    file = chain(tmp_path, models)
    results = tmp_path / "all.json"
    done = greenlane("run", file, "--seconds", "0.2", "--mode", "compare", "--json", results)
    assert done.returncode == 0, done
    for mode in json.loads(results.read_text())["modes"]:
        assert mode["paths"][0]["items"] > 3, mode["mode"]


def test_a_trace_draws_the_way_of_each_item(tmp_path: Path, models: Path) -> None:
    file = chain(tmp_path, models)
    run(file, "--trace", tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    tracks = {event["args"]["name"]: event["tid"] for event in events if event["name"] == "thread_name"}
    assert "source camera" in tracks
    arrows: dict[str, list[dict[str, Any]]] = {}
    for event in events:
        if event.get("cat") == "item":
            arrows.setdefault(event["id"], []).append(event)
    whole = [arrow for arrow in arrows.values() if len(arrow) == 3]
    assert len(whole) > 10
    for begin, middle, end in whole:
        assert [each["ph"] for each in (begin, middle, end)] == ["s", "t", "f"]
        assert begin["ts"] <= middle["ts"] <= end["ts"]
        assert begin["tid"] == tracks["source camera"]
    slices = [(event["tid"], event["ts"], event["ts"] + event["dur"]) for event in events if event["ph"] == "X"]
    for arrow in whole[:5]:
        for place in arrow:
            assert any(tid == place["tid"] and begin <= place["ts"] <= end for tid, begin, end in slices)


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([], r"source.camera.items: .* holds 0 tensors, and an item has 1"),
        ([torch.zeros(4, 9)], r"source.camera.items: an item of source 'camera' does not fit engine 'first'"),
    ],
)
def test_items_that_do_not_fit_are_refused(
    tmp_path: Path, models: Path, items: list[torch.Tensor], message: str
) -> None:
    file = chain(tmp_path, models)
    torch.save(items, tmp_path / "items.pt")
    assert re.search(message, refusal("run", file, "--seconds", "0.2"))


def test_a_plan_bounds_the_path(tmp_path: Path, models: Path) -> None:
    file = chain(tmp_path, models)
    out = tmp_path / "plan.json"
    done = greenlane("plan", file, "--seconds", "0.2", "--budget", "2", "--out", out)
    assert done.returncode == 0, done
    assert "act" in done.stdout
    (path,) = json.loads(out.read_text())["paths"]
    assert (path["name"], path["deadline_us"]) == ("act", 1e6)
    assert path["measured_p99_us"] > 0


def test_a_plan_says_which_path_fails_by_how_much(tmp_path: Path, models: Path) -> None:
    profile = tmp_path / "profile.json"
    assert greenlane("profile", chain(tmp_path, models), "--out", profile).returncode == 0
    # The timer's period alone is longer than the path may take.
    file = chain(tmp_path, models, deadline=4, second={"rate_hz": 100})
    done = greenlane("plan", file, "--profile", profile, "--no-verify", "--out", tmp_path / "plan.json")
    assert done.returncode == 1, done
    assert "path 'act'" in done.stderr
    assert not (tmp_path / "plan.json").exists()


def test_a_page_has_the_paths_and_the_timeline(tmp_path: Path, models: Path) -> None:
    file = chain(tmp_path, models)
    run(file, "--trace", tmp_path / "trace.json")
    page = tmp_path / "page.html"
    assert main([*(str(tmp_path / name) for name in ("results.json", "trace.json")), "-o", str(page)]) == 0
    assert re.search(r"<td[^>]*>act</td>\s*<td[^>]*>camera</td>\s*<td[^>]*>second</td>", page.read_text())


@pytest.mark.parametrize("option", ["--json", "--trace"])
def test_recorded_items_are_never_overwritten(tmp_path: Path, models: Path, option: str) -> None:
    file = chain(tmp_path, models)
    items = (tmp_path / "items.pt").read_bytes()
    message = refusal("run", file, "--seconds", "0.2", option, tmp_path / "items.pt")
    assert "that file is the recorded items of source 'camera', which is read" in message
    assert (tmp_path / "items.pt").read_bytes() == items
