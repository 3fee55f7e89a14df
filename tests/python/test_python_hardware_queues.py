"""The number of hardware queues that importing greenlane asks CUDA for."""

import os
import subprocess
import sys
from pathlib import Path

import greenlane as gl
import pytest

PYTHON = Path(__file__).resolve().parents[2] / "python"
VARIABLE = "CUDA_DEVICE_MAX_CONNECTIONS"
SETTING = "GREENLANE_HARDWARE_QUEUES"
# Prints the variable as Python has it, and the number that the library found in the process's environment.
SHOW = f"import os; print(os.environ.get({VARIABLE!r}), gl.hardware_queues().in_force)"


def imported(code: str = SHOW, before: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {key: value for key, value in os.environ.items() if key not in (VARIABLE, SETTING)}
    return subprocess.run(
        [sys.executable, "-c", f"{before}\nimport greenlane as gl\n{code}"],
        env={**inherited, "PYTHONPATH": str(PYTHON), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_import_requests_sixteen_queues() -> None:
    assert imported().stdout.split() == ["16", "16"]


@pytest.mark.parametrize("value", ["1", "8", "32"])
def test_the_users_value_is_kept(value: str) -> None:
    assert imported(**{VARIABLE: value}).stdout.split() == [value, value]
    assert imported(**{VARIABLE: value, SETTING: "24"}).stdout.split() == [value, value]


def test_an_invalid_value_is_kept_and_counts_as_eight() -> None:
    assert imported(**{VARIABLE: "many"}).stdout.split() == ["many", "8"]


@pytest.mark.parametrize(("setting", "shown"), [("8", ["8", "8"]), ("32", ["32", "32"]), ("keep", ["None", "8"])])
def test_the_setting_gives_the_number_of_queues(setting: str, shown: list[str]) -> None:
    assert imported(**{SETTING: setting}).stdout.split() == shown


@pytest.mark.parametrize("setting", ["", "0", "7", "33", "many", "-8"])
def test_an_invalid_setting_is_refused_with_a_remedy(setting: str) -> None:
    done = imported(**{SETTING: setting})
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"ValueError: {SETTING}={setting!r}")
    assert "from 8 to 32" in last
    assert "'keep'" in last


def test_a_request_after_the_start_of_cuda_is_too_late() -> None:
    started = "import torch; torch.cuda.is_initialized = lambda: True"
    assert imported(before=started).stdout.split() == ["None", "8"]


def test_the_default_stream_is_in_use() -> None:
    assert gl.hardware_queues("cuda:0").streams >= 1


def test_a_cpu_has_no_hardware_queues() -> None:
    with pytest.raises(RuntimeError, match="cpu has no hardware queues"):
        gl.hardware_queues("cpu")
