"""Profiles and plans from Python."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import greenlane as gl
import pytest
from cli.program import config, engine, small_pipeline


@pytest.fixture(scope="module")
def pipeline(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_pipeline(tmp_path_factory.mktemp("plan"), models)


def test_a_profile_can_be_saved_and_planned(pipeline: Path, tmp_path: Path) -> None:
    profile = gl.profile(pipeline, seconds=0.1)
    assert list(profile.engines) == ["policy", "head"]
    units = [point.units for point in profile.engines["head"].curve]
    assert units == list(range(1, gl.devices()[-1].units + 1))
    profile.save(tmp_path / "profile.json")
    assert gl.Profile.read(tmp_path / "profile.json") == profile

    plan = gl.plan(pipeline, profile, verify=False)
    assert plan.mode == "lanes"
    assert set(plan.engines) == {"policy", "head"}
    assert {each.lane for each in plan.engines.values()} == set(plan.lanes)
    for each in plan.engines.values():
        assert each.predicted_p99_us is not None
        assert each.measured_p99_us is None


def test_a_profile_has_the_long_kernel_and_a_plan_its_reason(pipeline: Path, tmp_path: Path) -> None:
    profile = gl.profile(pipeline, seconds=0.1)
    assert profile.engines["head"].long_kernel is None
    document = json.loads(profile.json)
    known = next(each for each in document["engines"] if each["name"] == "head")
    known["long_kernel"] = {"name": "matmul", "time_us": 1090.0, "kernels": 2, "units": 1}
    (tmp_path / "profile.json").write_text(json.dumps(document))
    read = gl.Profile.read(tmp_path / "profile.json")
    assert read.engines["head"].long_kernel == gl.LongKernel("matmul", 1090.0, 2)
    (reason,) = json.loads(gl.plan(pipeline, read, verify=False).json)["reasons"]
    assert "kernel 'matmul' and 1 other take 1090 µs on 1 core and cannot be cut" in reason


def test_plans_are_tried(pipeline: Path) -> None:
    plan = gl.plan(pipeline, gl.profile(pipeline, seconds=0.1), seconds=0.1, budget=20)
    for each in plan.engines.values():
        assert each.measured_p99_us is not None
        assert each.measured_p99_us > 0


def test_impossible_deadlines_and_missing_files_are_refused(models: Path, tmp_path: Path) -> None:
    hasty = config(tmp_path, engine("policy", models / "affine.pt2", rate_hz=50, deadline_ms=0.0001))
    with pytest.raises(RuntimeError, match="policy"):
        gl.plan(hasty, gl.profile(hasty, seconds=0.1), verify=False)
    with pytest.raises(RuntimeError, match="there is no such file"):
        gl.profile(tmp_path / "none.toml")


def test_ctrl_c_ends_planning(pipeline: Path) -> None:
    # A shell's background job ignores SIGINT, and so do its children.
    heeds = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    program = f"{heeds}; import greenlane as gl; print('ready', flush=True); gl.plan({str(pipeline)!r}, seconds=1000)"
    environment = os.environ | {"PYTHONPATH": str(Path(gl.__file__).parents[1])}
    with subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        time.sleep(2)
        assert running.poll() is None
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=60)
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert "RuntimeError" not in errors


PROFILE = {
    "device": {"name": "a CPU"},
    "engines": [
        {
            "name": "policy",
            "curve": [{"units": 1, "p50_us": 1.0, "p99_us": 2.0, "mean_us": 1.1, "requests": 10}],
            "gated": [],
        }
    ],
}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no JSON"),
        ("{", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("[]", "the file is no object"),
        ("{}", "engines is missing"),
        ('{"engines": 1}', "engines is not a list"),
        ('{"engines": [{}]}', r"engines\[0\].name is missing"),
        ('{"engines": []}', "device is no object"),
        (json.dumps(PROFILE).replace("10}", '"ten"}'), r"engines\[0\].curve\[0\].requests is not a number"),
    ],
)
def test_a_damaged_profile_is_refused_with_its_name(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "profile.json"
    file.write_text(text)
    with pytest.raises(ValueError, match=rf"profile.json' is no profile: .*{why}") as error:
        gl.Profile.read(file)
    assert "\n" not in str(error.value)


def test_a_binary_profile_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "profile.json").write_bytes(b"\xff")
    with pytest.raises(ValueError, match=r"profile\.json' is no profile: it is no JSON"):
        gl.Profile.read(tmp_path / "profile.json")


def test_a_profile_is_read_completely(tmp_path: Path) -> None:
    (tmp_path / "profile.json").write_text(json.dumps(PROFILE))
    profile = gl.Profile.read(tmp_path / "profile.json")
    assert profile.device == "a CPU"
    assert profile.engines["policy"].curve == (gl.LatencyPoint(1, 1.0, 2.0, 1.1, 10),)
    with_device_time = json.dumps(PROFILE).replace('"requests"', '"device_us": 0.5, "requests"')
    (tmp_path / "profile.json").write_text(with_device_time)
    points = gl.Profile.read(tmp_path / "profile.json").engines["policy"].curve
    assert points == (gl.LatencyPoint(1, 1.0, 2.0, 1.1, 10, 0.5),)


@pytest.mark.parametrize("given", ["profile.json", Path("profile.json"), 1])
def test_an_argument_that_is_no_profile_is_refused(given: Any) -> None:
    with pytest.raises(TypeError, match=r"profile is .*: give a Profile \(greenlane.Profile.read reads one"):
        gl.plan("nowhere.toml", given)
