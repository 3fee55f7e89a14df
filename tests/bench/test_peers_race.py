"""bench/peers: the race itself and its driver, on the CPU."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from built import BUILD
from cli.program import PROGRAM, ROOT, config, engine

PEERS = ROOT / "bench" / "peers"
DRIVER = Path(os.environ.get("GREENLANE_PEERS_DRIVER", BUILD / "lib" / "libpeers_driver.so"))


def run(script: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(PEERS / script), *map(str, arguments), "--driver", str(DRIVER)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def pipeline(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    urgent = engine("urgent", models / "affine.pt2", rate_hz=50, deadline_ms=1000)
    return config(tmp_path_factory.mktemp("peers"), urgent, engine("other", models / "threads.pt2"))


def test_a_race_on_the_cpu_measures_every_contestant(pipeline: Path, tmp_path: Path) -> None:
    out = tmp_path / "results.json"
    options: list[str | Path] = ["--greenlane", PROGRAM, "--out", out, "--seconds", "0.3"]
    done = run("race.py", *options, "--only", "plain", "processes", "xsched", "lanes", "--configs", pipeline)
    assert done.returncode == 0, done
    results = json.loads(out.read_text())
    assert results["device"]["id"] == "cpu"
    assert results["versions"].keys() >= {"torch", "greenlane"}
    [mix] = results["mixes"]
    status = {(row["name"], row["variant"]): row["status"] for row in mix["contestants"]}
    assert status == {
        ("alone", "eager"): "measured",
        ("plain streams", "eager"): "measured",
        ("separate processes", "eager"): "measured",
        ("XSched", ""): "absent",
        ("greenlane", "lanes"): "measured",
    }, done.stderr
    for row in mix["contestants"]:
        for measured in row["engines"]:
            assert measured["requests"] > 0
            assert measured["checked"] is True
        if row["status"] == "measured":
            assert {each["name"] for each in row["engines"]} == {"urgent", "other"}
            assert row["meets_deadlines"]
    assert [claim["holds"] is None for claim in mix["claims"]] == [False, True, True]
    assert "greenlane, lanes" in done.stdout


def member(out: Path, pipeline: Path, *options: str) -> dict[str, Any]:
    done = run("member.py", "threads", "--config", pipeline, "--out", out, "--seconds", "0.2", *options)
    assert done.returncode == 0, done
    written: dict[str, Any] = json.loads(out.read_text())
    return written


def test_the_driver_keeps_rates(pipeline: Path, tmp_path: Path) -> None:
    written = member(tmp_path / "out.json", pipeline, "--variants", "eager", "--engines", "urgent")
    [urgent] = written["variants"]["eager"]["engines"]
    assert urgent["name"] == "urgent"
    assert 8 <= urgent["requests"] <= 11  # 0.2 s at 50 Hz
    assert (urgent["deadline_us"], urgent["error"]) == (1e6, None)


def test_graphs_on_a_cpu_are_refused(pipeline: Path, tmp_path: Path) -> None:
    done = run("member.py", "threads", "--config", pipeline, "--out", tmp_path / "out.json", "--variants", "graphs")
    assert done.returncode != 0
    assert "there are no CUDA graphs on a CPU" in done.stderr


def test_wrong_outputs_are_an_error(models: Path, tmp_path: Path) -> None:
    inputs, outputs = tmp_path / "x.inputs.pt", tmp_path / "x.outputs.pt"
    inputs.write_bytes((models / "affine.inputs.pt").read_bytes())
    outputs.write_bytes((models / "affine.inputs.pt").read_bytes())  # a file of values that the model does not return
    wrong = config(tmp_path, engine("urgent", models / "affine.pt2", inputs, rate_hz=50))
    written = member(tmp_path / "out.json", wrong, "--variants", "eager")
    [urgent] = written["variants"]["eager"]["engines"]
    assert urgent["checked"] is False
    assert urgent["error"]
