"""The folders that packages are unpacked to: nothing of them stays, however a command ends."""

import signal
import subprocess
import time
import zipfile
from functools import partial
from pathlib import Path

import pytest

from cli.program import PROGRAM, config, engine, greenlane, small_pipeline

COMMANDS = {
    "run": ["--seconds", "30"],
    "profile": ["--seconds", "30", "--out", "profile.json"],
    "plan": ["--out", "plan.json"],
}


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def broken(package: Path, folder: Path, ending: str, text: bytes) -> Path:
    """Copies a package. Entries with this ending get `text`, or are left out if it is empty."""
    made = folder / "broken.pt2"
    with zipfile.ZipFile(package) as source, zipfile.ZipFile(made, "w") as target:
        for name in source.namelist():
            new = text if name.endswith(ending) else source.read(name)
            if new or not name.endswith(ending):
                target.writestr(name, new)
    return made


@pytest.mark.parametrize(("ending", "text"), [(".so", b""), (".so", b"no library"), ("_metadata.json", b"{")])
def test_a_failed_load_leaves_no_files(models: Path, tmp_path: Path, temporary: Path, ending: str, text: bytes) -> None:
    inputs = models / "affine.inputs.pt"
    file = config(
        tmp_path,
        engine("good", models / "pair.pt2"),
        engine("bad", broken(models / "affine.pt2", tmp_path, ending, text), inputs),
    )
    for _ in range(2):
        done = greenlane("run", file, "--seconds", "0.1")
        assert done.returncode == 2, done
        assert "could not be loaded" in done.stderr
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stopped_command_leaves_no_files(
    models: Path, tmp_path: Path, temporary: Path, command: str, by: signal.Signals
) -> None:
    heeds = partial(signal.signal, by, signal.SIG_DFL)  # under nohup, SIGHUP would stay ignored
    line = [str(PROGRAM), command, str(small_pipeline(tmp_path, models)), *COMMANDS[command]]
    with subprocess.Popen(line, cwd=tmp_path, stdout=subprocess.DEVNULL, preexec_fn=heeds) as process:
        try:
            until = time.monotonic() + 60
            while not any(temporary.iterdir()) and time.monotonic() < until:
                time.sleep(0.02)
            process.send_signal(by)
            process.wait(timeout=60)
        finally:
            process.kill()
    assert process.returncode == -by
    assert list(temporary.iterdir()) == []


def test_a_finished_command_leaves_no_files(models: Path, tmp_path: Path, temporary: Path) -> None:
    done = greenlane("run", small_pipeline(tmp_path, models), "--seconds", "0.1")
    assert done.returncode == 0, done
    assert list(temporary.iterdir()) == []
