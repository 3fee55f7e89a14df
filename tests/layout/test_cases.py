"""CTest runs every case of the programs of tests, although many suites share one entry."""

import json
import re
import subprocess
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from built import BUILD

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = {"core": ("core", "driver", "text"), "planner": ("planner",), "torch": (), "audit": (), "runtime": ()}
BESIDE = {"runtime": ("edges", "metrics", "pipeline", "serving")}
"""Further programs that have cases of the same folder."""
ALL = (*PROGRAMS, *(program for programs in BESIDE.values() for program in programs))
MACRO = re.compile(r"^(?:TEST|TEST_F|TEST_P|TYPED_TEST|RC_GTEST_PROP)\(\s*(\w+),\s*(\w+)", re.MULTILINE)


def cases_of(program: str) -> set[str]:
    """Returns the names of a program's cases: `Suite.Case`, with the parts that parameters add."""
    path = BUILD / "bin" / f"greenlane_{program}_tests"
    listed = subprocess.run([path, "--gtest_list_tests"], capture_output=True, text=True, check=True).stdout
    cases, suite = set(), ""
    for line in (line.split("#")[0].rstrip() for line in listed.splitlines()):
        if line.startswith("  "):
            cases.add(suite + line.strip())
        elif line.endswith("."):
            suite = line
    return cases


def filters_of(program: str) -> list[str]:
    """Returns the filter of each of CTest's entries that runs the program."""
    shown = subprocess.run(
        ["ctest", "--test-dir", BUILD, "--show-only=json-v1"], capture_output=True, text=True, check=True
    ).stdout
    commands = [test["command"] for test in json.loads(shown)["tests"] if "command" in test]
    prefix = "--gtest_filter="
    return [
        argument.removeprefix(prefix)
        for command in commands
        if Path(command[0]).name == f"greenlane_{program}_tests"
        for argument in command[1:]
        if argument.startswith(prefix)
    ]


@pytest.mark.parametrize("program", ALL)
def test_each_case_has_one_entry(program: str) -> None:
    cases, filters = cases_of(program), filters_of(program)
    assert cases
    entries = {case: sum(fnmatchcase(case, one) for one in filters) for case in cases}
    assert {case: count for case, count in entries.items() if count != 1} == {}
    assert [one for one in filters if not any(fnmatchcase(case, one) for case in cases)] == []


@pytest.mark.parametrize("program", PROGRAMS)
def test_each_case_in_the_sources_is_built(program: str) -> None:
    cases = set().union(*(cases_of(each) for each in (program, *BESIDE.get(program, ()))))
    plain = {re.sub(r"^\w+/(?=[A-Za-z_]\w*\.)|/\d+", "", case) for case in cases}
    folders = PROGRAMS[program] or (program,)
    written = {
        f"{suite}.{case}"
        for folder in folders
        for file in (ROOT / "tests" / folder).rglob("*_test.cpp")
        for suite, case in MACRO.findall(file.read_text())
    }
    assert written == plain


def test_the_number_of_cases_does_not_fall() -> None:
    """The programs had 1027 cases when suites began to share an entry."""
    assert sum(len(cases_of(program)) for program in PROGRAMS) >= 1000
