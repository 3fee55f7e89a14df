"""Command lines that make no sense: one message in greenlane's words. Help that says what a script needs."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from cli.program import PROGRAM, best_effort_pipeline, greenlane, refusal

COMMANDS = ("devices", "run", "profile", "plan", "audit")
RUN_OPTIONS = (
    "--help, --mode, --plan, --plan-of-another-device, --graphs, --seconds, --spin-ms, --check, --json, --trace or "
    "--metrics"
)


@pytest.mark.parametrize("arguments", [["nosuch"], ["nosuch", "--help"], ["walk", "robot.toml"], [""]])
def test_an_unknown_command_is_refused_with_the_commands(arguments: list[str]) -> None:
    assert refusal(*arguments) == (
        f"greenlane: there is no command '{arguments[0]}'; use devices, run, profile, plan or audit\n"
    )


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("rum", "run"),
        ("urn", "run"),
        ("devcies", "devices"),
        ("prof", "profile"),
        ("aduit", "audit"),
        ("plans", "plan"),
    ],
)
def test_a_mistyped_command_is_refused_with_the_one_that_was_meant(written: str, meant: str) -> None:
    assert refusal(written, "robot.toml") == (
        f"greenlane: there is no command '{written}'; did you mean '{meant}'? "
        "use devices, run, profile, plan or audit\n"
    )


@pytest.mark.parametrize(
    ("arguments", "written", "meant"),
    [
        (["run", "x.toml", "--secnds", "3"], "--secnds", "--seconds"),
        (["run", "x.toml", "--secnds=3"], "--secnds", "--seconds"),
        (["run", "--chekc", "x.toml"], "--chekc", "--check"),
        (["run", "--hlep"], "--hlep", "--help"),
        (["run", "x.toml", "-json"], "-json", "--json"),
        (["plan", "x.toml", "--no-verfy"], "--no-verfy", "--no-verify"),
        (["--verison"], "--verison", "--version"),
    ],
)
def test_a_mistyped_option_is_refused_with_the_one_that_was_meant(
    arguments: list[str], written: str, meant: str
) -> None:
    of = f"greenlane {arguments[0]}" if arguments[0] in COMMANDS else "greenlane"
    message = refusal(*arguments)
    assert message.startswith(f"greenlane: there is no option '{written}' of `{of}`; did you mean '{meant}'? use --")


@pytest.mark.parametrize("option", ["--faster", "-x", "--x=1"])
def test_an_option_far_from_all_is_refused_with_the_options(option: str) -> None:
    name = option.split("=")[0]
    message = f"greenlane: there is no option '{name}' of `greenlane run`; use {RUN_OPTIONS}\n"
    assert refusal("run", "x.toml", option) == message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "a command is missing; use devices, run, profile, plan or audit: `greenlane --help` describes them"),
        (
            ["run"],
            "CONFIG of `greenlane run` is missing: the command needs a pipeline's TOML file; name one, as in "
            "`greenlane run pipeline.toml`",
        ),
        (
            ["run", ""],
            "CONFIG '': the name of the file is empty; name a file, or leave the option out",
        ),
        (
            ["run", "x.toml", "y.toml"],
            "`greenlane run` takes no further argument 'y.toml'; leave it out: `greenlane run --help` shows what it "
            "takes",
        ),
        (
            ["devices", "run"],
            "`greenlane devices` takes no further argument 'run'; leave it out: `greenlane devices --help` shows what "
            "it takes",
        ),
        (
            ["run", "x.toml", "--seconds", "0"],
            "--seconds '0': that is no number from 0.01 to 1000000; give such a number",
        ),
        (
            ["run", "x.toml", "--seconds", "soon"],
            "--seconds 'soon': that is no number from 0.01 to 1000000; give such a number",
        ),
        (
            ["run", "x.toml", "--seconds", "-1"],
            "--seconds '-1': that is no number from 0.01 to 1000000; give such a number",
        ),
        (
            ["plan", "x.toml", "--margin", "nan"],
            "--margin 'nan': that is no number from 0 to 10; give such a number",
        ),
        (
            ["run", "x.toml", "--seconds"],
            "--seconds has no value; write one behind it: `greenlane run --help` describes it",
        ),
        (
            ["run", "x.toml", "--plan", "a", "--plan", "b"],
            "--plan is given more than once; give it once: `greenlane run --help` describes it",
        ),
        (
            ["run", "x.toml", "--plan-of-another-device"],
            "--plan-of-another-device requires --plan; give both, or neither",
        ),
        (
            ["audit", "x.toml", "--plan-of-another-device"],
            "--plan-of-another-device requires --plan; give both, or neither",
        ),
        (
            ["run", "x.toml", "--plan-of-another-device=maybe"],
            "--plan-of-another-device takes no value; write it alone: `greenlane run --help` describes it",
        ),
        (
            ["run", "x.toml", "--mode", "lane"],
            "--mode lane: there is no such mode; did you mean 'lanes'? use lanes, gates, shared, priority or compare",
        ),
        (
            ["run", "x.toml", "--graphs", "none"],
            "--graphs none: there is no such choice of graphs; use resident, untuned or off",
        ),
        (
            ["run", "x.toml", "--metrics", "localhost"],
            "--metrics 'localhost' is no address for metrics: it does not end with a port, 0 to 65535; write "
            "HOST:PORT, such as 127.0.0.1:9464",
        ),
    ],
)
def test_a_message_says_what_is_wrong_and_what_to_do(arguments: list[str], message: str) -> None:
    assert refusal(*arguments) == f"greenlane: {message}\n"


def test_names_on_the_command_line_are_escaped() -> None:
    assert refusal("r\x1b[31m") == (
        "greenlane: there is no command 'r\\x1b[31m'; use devices, run, profile, plan or audit\n"
    )


def test_version_has_a_short_name() -> None:
    assert greenlane("-V").stdout == greenlane("--version").stdout != ""


def help_of(*command: str) -> str:
    done = greenlane(*command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)])
def test_help_ends_with_exit_statuses_and_examples(command: tuple[str, ...]) -> None:
    end = help_of(*command).partition("\nExit status:\n")[2]
    statuses, _, examples = end.partition("\n\nExamples:\n")
    assert re.findall(r"^  (0|1|2|128 \+ N) +\S", statuses, re.MULTILINE) == ["0", "1", "2", "128 + N"]
    assert 1 <= len(examples_of(*command)) <= 3
    assert all(f"greenlane {' '.join(command)}" in line for line in examples.splitlines())


def examples_of(*command: str) -> list[str]:
    return [line.strip() for line in help_of(*command).partition("\nExamples:\n")[2].splitlines()]


def run_examples(folder: Path, *command: str) -> list[tuple[str, int, list[str]]]:
    """Runs the examples in order in a folder, as a user of a shell does. Returns them with status and messages."""
    script = f'greenlane() {{ {shlex.quote(str(PROGRAM))} "$@"; }}\n'
    ran = []
    for example in examples_of(*command):
        shell = ["bash", "-c", script + example]
        done = subprocess.run(shell, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
        messages = [line for line in done.stderr.splitlines() if line.startswith("greenlane: ")]
        ran.append((example, done.returncode, messages))
    return ran


@pytest.mark.parametrize("command", [(), ("devices",), ("run",), ("profile",), ("plan",)])
def test_the_examples_of_a_help_work(models: Path, tmp_path: Path, command: tuple[str, ...]) -> None:
    best_effort_pipeline(tmp_path, models)
    assert [entry for entry in run_examples(tmp_path, *command) if entry[1:] != (0, [])] == []


def test_the_examples_of_an_audit_need_only_a_gpu(models: Path, tmp_path: Path) -> None:
    best_effort_pipeline(tmp_path, models)
    for _, status, messages in run_examples(tmp_path, "audit"):
        assert status == 2
        assert ["cannot be audited on cpu" in message for message in messages] == [True]
