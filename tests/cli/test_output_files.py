"""The files that the program writes: it harms no file of others, and says so if one of its own is missing."""

import json
import os
import re
import signal
import stat
import subprocess
import time
from pathlib import Path

import pytest

from cli.program import PROGRAM, config, engine, greenlane, in_shell, refusal


@pytest.fixture
def pipeline(models: Path, tmp_path: Path) -> Path:
    for name in ("affine.pt2", "affine.inputs.pt", "affine.outputs.pt"):
        (tmp_path / name).write_bytes((models / name).read_bytes())
    return config(tmp_path, engine("policy", tmp_path / "affine.pt2", rate_hz=10, deadline_ms=1000))


@pytest.fixture
def best_effort(models: Path, tmp_path: Path) -> Path:
    """A pipeline without a deadline, which has a plan on a machine under any load."""
    (tmp_path / "best_effort").mkdir()
    return config(tmp_path / "best_effort", engine("head", models / "affine.pt2"))


def test_a_link_to_a_device_is_not_replaced(pipeline: Path, tmp_path: Path) -> None:
    (tmp_path / "null").symlink_to("/dev/null")
    assert greenlane("run", pipeline, "--seconds", "0.1", "--json", tmp_path / "null").returncode == 0
    assert (tmp_path / "null").is_symlink()
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_results_can_be_written_to_a_pipe(pipeline: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["timeout", "60", "cat", tmp_path / "pipe"], stdout=subprocess.PIPE, text=True) as reader:
        assert greenlane("run", pipeline, "--seconds", "0.1", "--json", tmp_path / "pipe").returncode == 0
        assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
        assert json.loads(reader.communicate(timeout=60)[0])["modes"]


@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
def test_standard_output_holds_only_the_results(pipeline: Path, best_effort: Path, name: str) -> None:
    done = greenlane("run", pipeline, "--seconds", "0.1", "--json", name)
    assert done.returncode == 0
    assert json.loads(done.stdout)["modes"]
    assert "mode lanes" in done.stderr
    assert not Path("-").exists()
    commands: list[list[str | Path]] = [
        ["profile", pipeline, "--seconds", "0.01"],
        ["plan", best_effort, "--no-verify"],
    ]
    for command in commands:
        assert json.loads(greenlane(*command, "--out", name).stdout)["engines"]


def test_a_file_with_the_suffix_part_is_unchanged(pipeline: Path, tmp_path: Path) -> None:
    (tmp_path / "out.json.part").write_text("precious")
    assert greenlane("run", pipeline, "--seconds", "0.1", "--json", tmp_path / "out.json").returncode == 0
    assert (tmp_path / "out.json.part").read_text() == "precious"


@pytest.mark.parametrize("name", ["pipeline.toml", "affine.pt2", "affine.inputs.pt", "affine.outputs.pt", "plan.json"])
@pytest.mark.parametrize("way", ["same", "dots", "link", "hard"])
def test_an_output_is_never_an_input(pipeline: Path, tmp_path: Path, name: str, way: str) -> None:
    plan = {"lanes": [{"name": "policy", "units": 1}], "engines": [{"name": "policy", "lane": "policy"}]}
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    (tmp_path / "link").symlink_to(name)
    (tmp_path / "hard").hardlink_to(tmp_path / name)
    before = (tmp_path / name).read_bytes()
    outputs: dict[str, str | Path] = {"same": tmp_path / name, "dots": f"{tmp_path}/./{name}"}
    output = outputs.get(way, tmp_path / way)
    for option in ("--json", "--trace"):
        message = refusal("run", pipeline, "--plan", tmp_path / "plan.json", "--seconds", "0.1", option, output)
        assert option in message
        assert "which is read; name another file" in message
    assert (tmp_path / name).read_bytes() == before


def test_profile_and_plan_never_replace_their_inputs(pipeline: Path, tmp_path: Path) -> None:
    profile = tmp_path / "profile.json"
    assert greenlane("profile", pipeline, "--seconds", "0.01", "--out", profile).returncode == 0
    before = {file: file.read_bytes() for file in (pipeline, profile, tmp_path / "affine.pt2")}
    for output in (pipeline, tmp_path / "affine.pt2"):
        assert "which is read" in refusal("profile", pipeline, "--out", output)
        assert "which is read" in refusal("plan", pipeline, "--out", output)
    assert "which is read" in refusal("plan", pipeline, "--profile", profile, "--out", profile)
    assert {file: file.read_bytes() for file in before} == before


def test_two_outputs_must_be_two_files(pipeline: Path, tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text("old")
    (tmp_path / "link.json").symlink_to("old.json")
    (tmp_path / "folder").symlink_to(".")
    for one, other in (("new.json", "./new.json"), ("new.json", "folder/new.json"), ("old.json", "link.json")):
        message = refusal(
            "run", pipeline, "--seconds", "0.1", "--json", f"{tmp_path}/{one}", "--trace", f"{tmp_path}/{other}"
        )
        assert "--json and --trace: both name" in message
    assert "both name" in refusal("run", pipeline, "--json", "-", "--trace", "/dev/stdout")
    assert not (tmp_path / "new.json").exists()


@pytest.mark.parametrize("option", ["--json", "--trace", "--plan"])
def test_an_empty_name_is_refused(pipeline: Path, option: str) -> None:
    for arguments in ([option, ""], [f"{option}="]):
        done = greenlane("run", pipeline, "--seconds", "0.1", *arguments)
        assert done.returncode == 2
        assert option in done.stderr
    assert "is empty; name a file" in greenlane("run", pipeline, option, "").stderr


def test_concurrent_runs_may_write_the_same_file(pipeline: Path, tmp_path: Path) -> None:
    arguments = ["run", pipeline, "--mode", "lanes", "--json", tmp_path / "out.json", "--seconds"]
    commands = [[str(PROGRAM), *(str(each) for each in arguments), "0.2"] for _ in range(4)]
    running = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for command in commands]
    assert [process.wait(timeout=120) for process in running] == [0] * 4
    assert json.loads((tmp_path / "out.json").read_text())["modes"]
    assert not [file for file in tmp_path.iterdir() if file.name.startswith(".")]


@pytest.mark.parametrize("target", [">/dev/full", ">&-"])
def test_results_are_kept_if_printing_fails(pipeline: Path, tmp_path: Path, target: str) -> None:
    out = tmp_path / "out.json"
    for arguments in (["devices"], ["--version"], ["run", pipeline, "--seconds", "0.1", "--json", out]):
        done = in_shell(f'"$0" "$@" {target}', *arguments)
        assert done.returncode == 1, done
        assert re.fullmatch(r"greenlane: standard output cannot be written: [^\n]*; direct it to [^\n]*\n", done.stderr)
    assert json.loads(out.read_text())["modes"]


def test_unwritable_results_are_an_error(pipeline: Path) -> None:
    assert "No space left on device" in refusal_of_results("/dev/full", pipeline)
    done = in_shell('"$0" run "$1" --seconds 0.1 --json - >&-', pipeline)
    assert done.returncode == 2
    assert "standard output is closed" in done.stderr


@pytest.mark.parametrize("option", ["--json", "--trace"])
def test_a_document_on_a_full_standard_output_is_a_failure(pipeline: Path, option: str) -> None:
    done = in_shell('"$0" run "$1" --seconds 0.1 "$2" - > /dev/full', pipeline, option)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("greenlane: standard output cannot be written: No space left on device; direct it to ")


def refusal_of_results(output: str, pipeline: Path) -> str:
    """Returns the message of a run whose results could not be written."""
    done = greenlane("run", pipeline, "--seconds", "0.1", "--json", output)
    assert done.returncode == 2
    return done.stderr


def test_results_are_kept_if_the_reader_ends(pipeline: Path, tmp_path: Path) -> None:
    script = '"$0" run "$1" --seconds 0.3 --json "$2" | true; exit ${PIPESTATUS[0]}'
    assert in_shell(script, pipeline, tmp_path / "out.json").returncode == 1
    assert json.loads((tmp_path / "out.json").read_text())["modes"]


def test_results_are_kept_for_a_path_outside_utf_8(pipeline: Path, tmp_path: Path) -> None:
    file = Path(os.fsdecode(bytes(tmp_path) + b"/caf\xe9.toml"))
    file.write_text(pipeline.read_text())
    out = tmp_path / "out.json"
    assert subprocess.run([PROGRAM, "run", file, "--seconds", "0.1", "--json", out], check=False).returncode == 0
    assert json.loads(out.read_text())["config"] == f"{tmp_path}/caf\ufffd.toml"


def heed_signals() -> None:
    """Resets SIGINT and SIGHUP: a shell's background jobs, and nohup's, ignore them, and so would their children."""
    for each in (signal.SIGINT, signal.SIGHUP):
        signal.signal(each, signal.SIG_DFL)


def stopped(by: signal.Signals, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs the program for two seconds, which is enough to load the models, and sends it the signal."""
    command = [str(PROGRAM), *(str(argument) for argument in arguments)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed_signals
    ) as process:
        time.sleep(2)
        process.send_signal(by)
        stdout, stderr = process.communicate(timeout=60)
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stopped_plan_is_not_written(best_effort: Path, tmp_path: Path, by: signal.Signals) -> None:
    done = stopped(by, "plan", best_effort, "--out", tmp_path / "plan.json", "--seconds", "60", "--budget", "600")
    assert done.returncode == -by
    assert "stopped by a signal" in done.stderr
    assert "; start it again" in done.stderr
    assert not (tmp_path / "plan.json").exists()


def test_a_closed_terminal_stops_nothing_under_nohup(pipeline: Path, tmp_path: Path) -> None:
    script = 'trap "" HUP; "$0" run "$1" --seconds 1 --json "$2" & sleep 0.7; kill -HUP $!; wait $!'
    assert in_shell(script, pipeline, tmp_path / "out.json").returncode == 0
    assert json.loads((tmp_path / "out.json").read_text())["modes"][0]["stopped_early"] is False


@pytest.mark.parametrize("name", ["INT", "TERM"])
def test_an_ignored_signal_stops_nothing(pipeline: Path, tmp_path: Path, name: str) -> None:
    script = f'trap "" {name}; "$0" run "$1" --seconds 1 --json "$2" & sleep 0.7; kill -{name} $!; wait $!'
    assert in_shell(script, pipeline, tmp_path / "out.json").returncode == 0
    assert json.loads((tmp_path / "out.json").read_text())["modes"][0]["stopped_early"] is False


def test_a_signal_ends_the_wait_for_a_reader(pipeline: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    command = [str(PROGRAM), "run", str(pipeline), "--seconds", "0.1", "--json", str(pipe)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        time.sleep(3)
        assert process.poll() is None, "the program ended although the pipe has no reader"
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "the pipe had no reader" in stderr


def test_ctrl_c_ends_the_loop_of_a_shell(pipeline: Path) -> None:
    """Bash goes on after a program that ends with status 130, but not after a program that SIGINT ended."""
    script = 'for i in 1 2 3; do "$0" run "$1" --seconds 60; echo again; done'
    command = ["bash", "-c", script, str(PROGRAM), str(pipeline)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=heed_signals
    ) as shell:
        time.sleep(2)
        os.killpg(shell.pid, signal.SIGINT)
        stdout, _ = shell.communicate(timeout=60)
    assert "again" not in stdout
    assert shell.returncode == -signal.SIGINT
