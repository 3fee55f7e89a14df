"""What needs no model starts without PyTorch."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cli.program import PROGRAM, greenlane, small_pipeline

WITHOUT_PYTORCH = [
    ["--help"],
    ["-V"],
    ["--version"],
    ["run", "--help"],
    ["audit", "--help"],
    ["devices"],
    ["devices", "--json"],
    [],
    ["rum"],
    ["run"],
    ["run", "x.toml", "--secnds", "3"],
    ["run", "x.toml", "--seconds", "0"],
    ["run", "x.toml", "--mode", "fastest"],
    ["run", "x.toml", "--metrics", "nowhere"],
]


def libraries_of(*arguments: str | Path) -> list[str]:
    """Returns the libraries that the loader initialised in the program."""
    command = [str(PROGRAM), *(str(argument) for argument in arguments)]
    traced = os.environ | {"LD_DEBUG": "libs"}
    done = subprocess.run(command, env=traced, capture_output=True, text=True, timeout=120, check=False)
    return [line.split()[-1] for line in done.stderr.splitlines() if "calling init:" in line]


@pytest.mark.parametrize("arguments", WITHOUT_PYTORCH, ids=" ".join)
def test_no_pytorch_is_loaded_without_need(arguments: list[str]) -> None:
    names = [Path(library).name for library in libraries_of(*arguments)]
    assert "libgreenlane_core.so" in names
    foreign = ("libtorch", "libc10", "libcuda", "libprometheus", "libgomp")
    assert [name for name in names if name.startswith(foreign)] == []
    assert {name for name in names if name.startswith("libgreenlane")} == {"libgreenlane_core.so"}


def test_a_run_loads_pytorch(models: Path, tmp_path: Path) -> None:
    """Shows that the test before sees it."""
    names = [
        Path(library).name for library in libraries_of("run", small_pipeline(tmp_path, models), "--seconds", "0.1")
    ]
    assert {"libtorch_cpu.so", "libgreenlane_commands.so"} <= set(names)


PEAK = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
assert status == 0, status
print(usage.ru_maxrss)
"""
"""A process counts as its own the memory of the process that started it, so a small one does that."""


def peak_of(*arguments: str | Path) -> int:
    """Returns the largest resident set of the program. Units: bytes."""
    command = [sys.executable, "-I", "-S", "-c", PEAK, str(PROGRAM), *(str(argument) for argument in arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return int(done.stdout) * 1024


def test_devices_takes_little_memory(models: Path, tmp_path: Path) -> None:
    devices = peak_of("devices")
    assert devices < 30e6
    assert 3 * devices <= peak_of("run", small_pipeline(tmp_path, models), "--seconds", "0.1")


@pytest.fixture
def without_pytorch(tmp_path: Path) -> Path:
    """An installed program whose libraries that need PyTorch are missing."""
    for name in ("bin/greenlane", "lib/libgreenlane_core.so", "lib/libgreenlane_commands.so"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(PROGRAM.parents[1] / name, tmp_path / name)
    return tmp_path / "bin" / "greenlane"


def test_a_missing_library_is_named_with_a_remedy(without_pytorch: Path) -> None:
    done = subprocess.run([without_pytorch, "run", "x.toml"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(
        "greenlane: this command needs PyTorch and greenlane's libraries, which cannot be loaded: libgreenlane_"
    )
    assert "cannot open shared object file" in done.stderr
    assert "; install PyTorch" in done.stderr
    assert "LD_LIBRARY_PATH" in done.stderr


def test_what_needs_no_pytorch_works_without(without_pytorch: Path) -> None:
    done = subprocess.run([without_pytorch, "devices", "--json"], capture_output=True, text=True, check=False)
    assert json.loads(done.stdout)[-1]["id"] == "cpu"
    assert subprocess.run([without_pytorch, "run", "--help"], capture_output=True, check=False).returncode == 0


def test_a_library_of_another_program_is_refused(tmp_path: Path, without_pytorch: Path) -> None:
    library = tmp_path / "lib" / "libgreenlane_commands.so"
    shutil.copy(tmp_path / "lib" / "libgreenlane_core.so", library)
    done = subprocess.run([without_pytorch, "run", "x.toml"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "libgreenlane_commands.so is not of this program" in done.stderr
    assert "install the program and its libraries together" in done.stderr


def test_the_build_can_be_moved(models: Path, tmp_path: Path) -> None:
    for folder in ("bin", "lib"):
        (tmp_path / folder).mkdir()
    shutil.copy(PROGRAM, tmp_path / "bin")
    for library in (PROGRAM.parents[1] / "lib").glob("*greenlane_*.so"):
        (tmp_path / "lib" / library.name).symlink_to(library)
    moved: list[str | Path] = [
        tmp_path / "bin" / "greenlane",
        "run",
        small_pipeline(tmp_path, models),
        "--seconds",
        "0.1",
    ]
    assert subprocess.run(moved, capture_output=True, timeout=120, check=False).returncode == 0


def test_an_error_of_a_library_keeps_its_kind() -> None:
    """The library throws a configuration's error, and the program maps it to its exit status."""
    done = greenlane("run", "nowhere.toml")
    assert done.returncode == 2
    assert "nowhere.toml: there is no such file" in done.stderr
