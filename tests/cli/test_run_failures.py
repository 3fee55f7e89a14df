"""`greenlane run` when something fails on the way, and when it is stopped."""

import json
import os
import re
import select
import shutil
import signal
import subprocess
import time
from functools import partial
from pathlib import Path

import pytest
import torch

from cli.program import PROGRAM, config, engine, engines, greenlane, refusal


def test_wrong_outputs_are_reported_and_fail_the_run(models: Path, tmp_path: Path) -> None:
    shutil.copy(models / "affine.inputs.pt", tmp_path / "wrong.inputs.pt")
    torch.save([torch.zeros(4, 8)], tmp_path / "wrong.outputs.pt")
    file = config(
        tmp_path,
        engine("wrong", models / "affine.pt2", tmp_path / "wrong.inputs.pt", rate_hz=100),
        engine("right", models / "affine.pt2", rate_hz=100),
    )
    done = greenlane("run", file, "--seconds", "0.2", "--check", "--json", tmp_path / "out.json")
    assert done.returncode == 1
    assert re.fullmatch(
        r"greenlane: engine 'wrong': output 0 differs by up to [\d.]+ \(element \d+: .+ instead of .+\)\n", done.stderr
    )
    assert re.search(r"^  wrong .* WRONG$", done.stdout, re.MULTILINE)
    entries = engines(tmp_path / "out.json")
    assert entries["wrong"]["checked"] is False
    assert "output 0 differs" in entries["wrong"]["error"]
    assert entries["right"]["checked"] is True
    assert entries["right"]["error"] is None


def test_outputs_are_compared_only_on_request(models: Path, tmp_path: Path) -> None:
    shutil.copy(models / "affine.inputs.pt", tmp_path / "wrong.inputs.pt")
    torch.save([torch.zeros(4, 8)], tmp_path / "wrong.outputs.pt")
    file = config(tmp_path, engine("wrong", models / "affine.pt2", tmp_path / "wrong.inputs.pt", rate_hz=100))
    assert greenlane("run", file, "--seconds", "0.1", "--json", tmp_path / "out.json").returncode == 0
    assert engines(tmp_path / "out.json")["wrong"]["checked"] is None


def test_missing_expected_outputs_are_not_compared(models: Path, tmp_path: Path) -> None:
    shutil.copy(models / "affine.inputs.pt", tmp_path / "alone.inputs.pt")
    file = config(tmp_path, engine("alone", models / "affine.pt2", tmp_path / "alone.inputs.pt", rate_hz=100))
    assert greenlane("run", file, "--seconds", "0.1", "--check", "--json", tmp_path / "out.json").returncode == 0
    assert engines(tmp_path / "out.json")["alone"]["checked"] is None


@pytest.mark.parametrize("kind", ["no tensors", "folder", "dangling link"])
def test_unusable_expected_outputs_are_refused(models: Path, tmp_path: Path, kind: str) -> None:
    inputs = tmp_path / "affine.inputs.pt"
    shutil.copy(models / "affine.inputs.pt", inputs)
    outputs = tmp_path / "affine.outputs.pt"
    if kind == "no tensors":
        torch.save([], outputs)
    elif kind == "folder":
        outputs.mkdir()
    else:
        outputs.symlink_to(tmp_path / "nowhere")
    file = config(tmp_path, engine("affine", models / "affine.pt2", inputs))
    assert "affine.outputs.pt" in refusal("run", file, "--seconds", "0.1", "--check")


def test_an_engine_that_throws_does_not_stop_the_others(models: Path, tmp_path: Path) -> None:
    file = config(
        tmp_path,
        engine("bad", models / "throws.pt2", models / "out_of_table.inputs.pt", rate_hz=100),
        engine("good", models / "affine.pt2", rate_hz=100),
    )
    done = greenlane("run", file, "--seconds", "0.2", "--check", "--json", tmp_path / "out.json")
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert len(lines) == 1, "PyTorch's own lines were printed instead of logged for debugging"
    assert re.match(r"greenlane: engine 'bad' failed on lane 'bad' \(\d+ cores?\): index out of bounds", lines[0])
    entries = engines(tmp_path / "out.json")
    assert "index out of bounds" in entries["bad"]["error"]
    assert "\n" not in entries["bad"]["error"]
    assert entries["bad"]["requests"] == 0
    assert entries["bad"]["p50_us"] is None
    assert entries["bad"]["checked"] is not True
    assert entries["good"]["requests"] == 20
    assert entries["good"]["checked"] is True
    assert entries["good"]["error"] is None


def read_until(terminal: int, pattern: bytes, seconds: float) -> bytes:
    """Returns the terminal's output up to the first match; fails if there is none in time."""
    shown = b""
    end = time.monotonic() + seconds
    while not re.search(pattern, shown):
        ready, _, _ = select.select([terminal], [], [], max(0, end - time.monotonic()))
        assert ready, f"not shown in time: {pattern!r} in {shown!r}"
        shown += os.read(terminal, 4096)
    return shown


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_keeps_the_results(models: Path, tmp_path: Path, stop: signal.Signals) -> None:
    file = config(tmp_path, engine("policy", models / "affine.pt2", rate_hz=100), engine("head", models / "pair.pt2"))
    terminal, its_end = os.openpty()
    arguments = ["run", file, "--mode", "compare", "--seconds", "20", "--check", "--json", tmp_path / "out.json"]
    command = [str(PROGRAM), *(str(argument) for argument in arguments)]
    heeds = partial(signal.signal, stop, signal.SIG_DFL)  # under nohup, SIGHUP would stay ignored
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=its_end, text=True, preexec_fn=heeds) as process:
        os.close(its_end)
        try:
            # Progress is shown on terminals only. It tells when something has been measured.
            shown = read_until(terminal, rb"running mode lanes [^\r]* [1-9]\d* %", 60)
            process.send_signal(stop)
            stdout, _ = process.communicate(timeout=15)
        finally:
            process.kill()
            os.close(terminal)
    assert b"loading models" in shown
    assert process.returncode == -stop, "the signal did not end the program"
    assert re.search(r"^mode lanes \(stopped after [\d.]+ s\)$", stdout, re.MULTILINE)
    modes = json.loads((tmp_path / "out.json").read_text())["modes"]
    assert [mode["mode"] for mode in modes] == ["lanes"]  # the other modes were not begun
    assert modes[0]["stopped_early"] is True
    assert 0 < modes[0]["seconds"] < 19
    for entry in modes[0]["engines"]:
        assert entry["requests"] > 0
        assert entry["checked"] is True
    rate = next(entry["rate_hz"] for entry in modes[0]["engines"] if entry["name"] == "policy")
    assert 10 < rate < 200
