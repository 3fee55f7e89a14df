"""`greenlane profile` and `greenlane plan`, and runs of the plans."""

import json
from pathlib import Path
from typing import Any

import pytest

from cli.program import config, engine, engines, greenlane, refusal, small_pipeline

ROBOT = Path(__file__).parents[2] / "examples/robot"


@pytest.fixture(scope="module")
def pipeline(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_pipeline(tmp_path_factory.mktemp("plan"), models)


@pytest.fixture(scope="module")
def profile(pipeline: Path) -> Path:
    file = pipeline.with_name("profile.json")
    done = greenlane("profile", pipeline, "--out", file, "--seconds", "0.1")
    assert done.returncode == 0, done
    assert done.stderr == ""
    return file


def read(file: Path) -> dict[str, Any]:
    """Returns the JSON document in a file."""
    document: dict[str, Any] = json.loads(file.read_text())
    return document


def test_a_profile_has_every_engine_on_every_size(profile: Path) -> None:
    known = read(profile)
    assert {"greenlane", "torch", "cuda", "driver"} <= known["versions"].keys()
    assert [each["name"] for each in known["engines"]] == ["policy", "head"]
    for each in known["engines"]:
        assert [point["units"] for point in each["curve"]] == list(range(1, known["device"]["units"] + 1))


def test_a_plan_is_tried_written_and_run(pipeline: Path, profile: Path, tmp_path: Path) -> None:
    file, out = tmp_path / "plan.json", tmp_path / "out.json"
    done = greenlane("plan", pipeline, "--profile", profile, "--out", file, "--seconds", "0.2", "--budget", "20")
    assert done.returncode == 0, done
    plan = read(file)
    assert plan["measured"]["meets_deadlines"] is True
    assert {each["mode"] for each in plan["candidates"]} == {"lanes", "gates", "shared", "priority"}
    for each in plan["candidates"]:
        assert [entry["name"] for entry in each["engines"]] == ["policy", "head"]
        assert each["measured"]["throughput"] > 0
    done = greenlane("run", pipeline, "--plan", file, "--seconds", "0.2", "--json", out)
    assert done.returncode == 0, done
    assert read(out)["modes"][0]["mode"] == plan["mode"]
    assert {name: entry["lane"] for name, entry in engines(out).items()} == {
        entry["name"]: entry["lane"] for entry in plan["engines"]
    }


def test_the_command_lines_mode_takes_precedence(pipeline: Path, profile: Path, tmp_path: Path) -> None:
    file, out = tmp_path / "plan.json", tmp_path / "out.json"
    assert greenlane("plan", pipeline, "--profile", profile, "--out", file, "--no-verify").returncode == 0
    file.write_text(json.dumps(read(file) | {"mode": "priority"}))
    for arguments, mode in (([], "priority"), (["--mode", "shared"], "shared")):
        done = greenlane("run", pipeline, "--plan", file, *arguments, "--seconds", "0.1", "--json", out)
        assert done.returncode == 0, done
        assert read(out)["modes"][0]["mode"] == mode


def test_a_plan_for_another_device_is_not_tried(pipeline: Path, profile: Path, tmp_path: Path) -> None:
    known = read(profile)
    known["device"] |= {"id": "cuda:7", "name": "a large GPU", "units": 132, "granularity": 8, "groups": 15}
    known["device"] |= {"remainder": 12}
    for each in known["engines"]:
        each["curve"] = [{**each["curve"][0], "units": units} for units in (*range(8, 121, 8), 132)]
    other, file = tmp_path / "other.json", tmp_path / "plan.json"
    other.write_text(json.dumps(known))
    done = greenlane("plan", pipeline, "--profile", other, "--out", file)
    assert done.returncode == 0, done
    assert "a large GPU" in done.stdout
    assert "not verified" in done.stdout
    plan = read(file)
    assert plan["device"]["name"] == "a large GPU"
    assert plan["measured"] is None
    assert all(entry["predicted"]["p99_us"] > 0 for entry in plan["engines"])


def test_a_plan_names_the_long_kernel(tmp_path: Path) -> None:
    known = read(ROBOT / "profiles/h200.json")
    hog = next(each for each in known["engines"] if each["gated"])
    hog["long_kernel"] = {"name": "_sm90_gemm", "time_us": 1090.0, "kernels": 1, "units": 132}
    profile, out = tmp_path / "profile.json", tmp_path / "plan.json"
    profile.write_text(json.dumps(known))
    done = greenlane("plan", ROBOT / "h200.toml", "--profile", profile, "--no-verify", "--out", out)
    assert done.returncode == 0, done
    (reason,) = read(out)["reasons"]
    assert reason.startswith(f"engine '{hog['name']}' has units apart from 'policy'")
    assert reason.endswith("kernel '_sm90_gemm' takes 1090 µs on 132 SMs and cannot be cut")
    assert reason in done.stdout


@pytest.mark.parametrize("mix", ["h200", "h200-tight", "h200-neighbour", "h200-memory"])
def test_the_recorded_profile_can_be_planned_without_its_gpu(mix: str, tmp_path: Path) -> None:
    pipeline, file = tmp_path / f"{mix}.toml", tmp_path / "plan.json"
    pipeline.write_text((ROBOT / f"{mix}.toml").read_text())
    done = greenlane("plan", pipeline, "--profile", ROBOT / "profiles/h200.json", "--no-verify", "--out", file)
    assert done.returncode == 0, done
    plan = read(file)
    assert plan["device"]["name"] == "NVIDIA H200"
    assert plan["predicted"]["meets_deadlines"]
    assert plan["predicted"]["exact"]


def test_impossible_deadlines_give_status_1_and_no_file(models: Path, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    impossible = config(tmp_path, engine("policy", models / "affine.pt2", rate_hz=50, deadline_ms=0.0001))
    for arguments in ([], ["--no-verify"]):
        done = greenlane("plan", impossible, "--out", file, "--seconds", "0.1", *arguments)
        assert done.returncode == 1, done
        assert "policy" in done.stderr
        assert done.stderr.count("\n") == 1
        assert not file.exists()


def test_an_engine_without_requests_can_be_planned(models: Path, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    slow = config(
        tmp_path,
        engine("planner", models / "affine.pt2", rate_hz=0.01),
        engine("control", models / "affine.pt2", rate_hz=50),
    )
    done = greenlane("plan", slow, "--out", file, "--seconds", "0.1", "--budget", "5")
    assert done.returncode == 0, done
    measured = {entry["name"]: entry["measured"] for entry in read(file)["engines"]}
    assert measured["planner"]["p99_us"] is None
    assert measured["control"]["p99_us"] > 0


def test_a_run_without_units_plans_them(pipeline: Path, models: Path, tmp_path: Path) -> None:
    done = greenlane("run", pipeline, "--seconds", "0.1")
    assert done.returncode == 0, done
    assert "pipeline.toml sets no units: they are planned" in done.stdout
    hasty = config(
        tmp_path,
        engine("policy", models / "affine.pt2", rate_hz=50, deadline_ms=0.0001),
        engine("head", models / "pair.pt2"),
    )
    done = greenlane("run", hasty, "--seconds", "0.1")
    assert done.returncode == 0, done
    assert "they are divided evenly" in done.stdout
    assert "policy" in done.stdout
    written = config(tmp_path, engine("policy", models / "affine.pt2"), "[lane.policy]\nunits = 1\n")
    assert "says nothing" not in greenlane("run", written, "--seconds", "0.1").stdout


def test_bad_files_are_refused(pipeline: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text("{}")
    assert "no profile" in refusal("plan", pipeline, "--profile", broken)
    assert "cannot be written" in refusal("plan", pipeline, "--out", tmp_path / "none" / "plan.json")
    assert "cannot be written" in refusal("profile", pipeline, "--out", tmp_path / "none" / "profile.json")
    assert "no such file" in refusal("profile", tmp_path / "none.toml")
