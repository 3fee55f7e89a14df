"""`--json` of `profile` and `plan`: standard output is one JSON document in place of the tables."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from cli.program import best_effort_pipeline, config, engine, greenlane, in_shell, refusal


@pytest.fixture
def pipeline(models: Path, tmp_path: Path) -> Path:
    return best_effort_pipeline(tmp_path, models)


def document(*arguments: str | Path) -> tuple[Any, str]:
    """Returns the document on standard output, and standard error."""
    done = greenlane(*arguments)
    assert done.returncode == 0, done
    return json.loads(done.stdout), done.stderr


def test_a_profile_is_printed_as_in_its_file(pipeline: Path, tmp_path: Path) -> None:
    out = tmp_path / "profile.json"
    printed, messages = document("profile", pipeline, "--seconds", "0.01", "--json", "--out", out)
    assert printed == json.loads(out.read_text())
    assert [entry["name"] for entry in printed["engines"]] == ["policy", "head"]
    assert f"written to {out}" in messages
    assert "p99" not in messages, "the table was printed, too"


@pytest.mark.parametrize("way", [["--no-verify"], ["--seconds", "0.1", "--budget", "0.5"]])
def test_a_plan_is_printed_as_in_its_file(pipeline: Path, tmp_path: Path, way: list[str]) -> None:
    out = tmp_path / "plan.json"
    printed, messages = document("plan", pipeline, *way, "--json", "--out", out)
    assert printed == json.loads(out.read_text())
    assert {entry["name"] for entry in printed["engines"]} == {"policy", "head"}
    assert printed["candidates"]
    for entry in printed["engines"]:
        assert way != ["--no-verify"] or entry["predicted"]["p99_us"] > 0
        assert (entry["measured"] is None) == (way == ["--no-verify"])
    assert f"written to {out}" in messages
    assert "p99 predicted" not in messages, "the tables were printed, too"


def test_the_paths_of_a_plan_are_printed(models: Path, tmp_path: Path) -> None:
    file = config(
        tmp_path,
        f"[source.camera]\nitems = '{models / 'affine.inputs.pt'}'\nrate_hz = 20\n",
        engine("vision", models / "affine.pt2") + "from = 'camera'\non = 'camera'\n",
        "[path.see]\nfrom = 'camera'\nto = 'vision'\ndeadline_ms = 100000\n",
    )
    printed, _ = document("plan", file, "--seconds", "0.2", "--budget", "1", "--json", "--out", tmp_path / "plan.json")
    assert [path["name"] for path in printed["paths"]] == ["see"]
    assert printed["paths"][0]["measured_p99_us"] > 0


def test_a_plan_that_misses_deadlines_is_printed_and_not_written(models: Path, tmp_path: Path) -> None:
    file = config(tmp_path, engine("policy", models / "affine.pt2", rate_hz=50, deadline_ms=0.001))
    out = tmp_path / "plan.json"
    done = greenlane("plan", file, "--seconds", "0.1", "--budget", "0.5", "--json", "--out", out)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("greenlane: ")
    assert not out.exists()
    assert json.loads(done.stdout)["measured"]["meets_deadlines"] is False


@pytest.mark.parametrize("command", ["profile", "plan"])
def test_two_documents_on_one_output_are_refused(pipeline: Path, command: str) -> None:
    assert "both name" in refusal(command, pipeline, "--json", "--out", "-")


COMMANDS = [["profile", "--seconds", "0.01"], ["plan", "--no-verify"]]


@pytest.mark.parametrize("target", [">/dev/full", ">&-"])
@pytest.mark.parametrize(
    "command", [["profile", "--seconds", "0.01"], ["plan", "--no-verify"]], ids=["profile", "plan"]
)
def test_a_document_that_cannot_be_printed_is_a_failure(
    pipeline: Path, tmp_path: Path, command: list[str], target: str
) -> None:
    done = in_shell(f'"$0" "$@" {target}', *command, pipeline, "--json", "--out", tmp_path / "out.json")
    assert done.returncode == 1, done
    last = done.stderr.splitlines()[-1]
    assert re.fullmatch(r"greenlane: standard output cannot be written: [^/]*; direct it to [^;]*", last), done.stderr


@pytest.mark.parametrize(
    "command", [["profile", "--seconds", "0.01"], ["plan", "--no-verify"]], ids=["profile", "plan"]
)
def test_a_document_alone_writes_no_file(pipeline: Path, tmp_path: Path, command: list[str]) -> None:
    out = tmp_path / f"{command[0]}.json"  # the name that --out would have
    done = in_shell(f'cd {tmp_path} && "$0" "$@" --json > {out}', *command, pipeline)
    assert done.returncode == 0, done
    assert json.loads(out.read_text())["engines"]
    assert "written to" not in done.stderr
