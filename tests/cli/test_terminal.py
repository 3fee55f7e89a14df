"""What is written to a terminal."""

import os
import subprocess
from pathlib import Path

import pytest

from cli.program import PROGRAM, best_effort_pipeline


@pytest.fixture
def pipeline(models: Path, tmp_path: Path) -> Path:
    return best_effort_pipeline(tmp_path, models)


def on_a_terminal(environment: dict[str, str], *arguments: str | Path) -> str:
    """Returns what the program writes to a terminal, which is both its standard output and its standard error."""
    ours, its_end = os.openpty()
    bare = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "TERM", "COLORTERM")}
    command = [str(PROGRAM), *(str(argument) for argument in arguments)]
    with subprocess.Popen(command, env=bare | environment, stdout=its_end, stderr=its_end) as process:
        os.close(its_end)
        shown = b""
        try:
            while part := os.read(ours, 4096):
                shown += part
        except OSError:  # the program closed its end
            pass
        finally:
            os.close(ours)
        assert process.wait(timeout=60) == 0
    return shown.decode().replace("\r\n", "\n")  # the terminal's own


def test_progress_is_drawn_on_a_terminal(pipeline: Path) -> None:
    shown = on_a_terminal({"TERM": "xterm"}, "run", pipeline, "--seconds", "0.3")
    assert "loading models …" in shown
    assert "\r\x1b[K" in shown
    assert "\r\x1b[K" in on_a_terminal({"TERM": "xterm", "NO_COLOR": ""}, "run", pipeline, "--seconds", "0.3")


@pytest.mark.parametrize(
    "environment", [{"TERM": "xterm", "NO_COLOR": "1"}, {"TERM": "dumb"}, {"TERM": "dumb", "COLORTERM": "truecolor"}]
)
def test_only_plain_lines_are_written_where_no_more_is_wanted(
    pipeline: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    commands: list[list[str | Path]] = [
        ["run", pipeline, "--seconds", "0.3"],
        ["profile", pipeline, "--seconds", "0.01", "--out", tmp_path / "profile.json"],
        ["plan", pipeline, "--profile", tmp_path / "profile.json", "--seconds", "0.1", "--budget", "0.5"],
        ["devices"],
    ]
    for command in commands:
        if command[0] == "plan":
            command += ["--out", tmp_path / "plan.json"]
        shown = on_a_terminal(environment | {"GREENLANE_LOG": "debug"}, *command)
        assert shown
        assert not {"\r", "\x1b", "\b"} & set(shown), shown
