"""The user's settings of cores and threads: affinity, OpenMP's variables and nice values."""

import os
import re
from pathlib import Path

import greenlane as gl
import pytest

from python.children import run_program

CORES = sorted(os.sched_getaffinity(0))

SHOW = """
import os, torch, greenlane as gl
lanes = gl.partition("cpu", {str(i): 1 for i in range(gl.devices()[-1].units)})
class Asks(torch.nn.Module):
    def forward(self, x):
        return (x @ x).sum() * 0, sorted(os.sched_getaffinity(0)), torch.get_num_threads()
asks = Asks()
print([lane.cpus for lane in lanes.values()])
for lane in lanes.values():
    gl.set_external_stream(asks, lane)
    print(asks(torch.randn(8, 8))[1:])
"""

WHOLE = """
import torch, greenlane as gl
lane = gl.partition("cpu", {"all": gl.REST})["all"]
module = torch.nn.Linear(8, 8)
gl.set_external_stream(module, lane)
class Asks(torch.nn.Module):
    def forward(self):
        return torch.get_num_threads()
asks = Asks()
gl.set_external_stream(asks, lane)
print(lane.units, asks())
asks()
"""


def needs_two_cores() -> None:
    if len(CORES) < 2:
        pytest.skip("this test needs two cores")


def test_a_pinned_thread_sees_all_cores_of_the_process() -> None:
    needs_two_cores()
    done = run_program(
        """
import os, threading
import greenlane as gl

def control_loop():
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    gl.devices()

thread = threading.Thread(target=control_loop)
thread.start()
thread.join()
print(gl.devices()[-1].units)
"""
    )
    assert (done.stdout, done.stderr) == (f"{len(CORES)}\n", "")


def test_the_initial_affinity_is_kept() -> None:
    done = run_program(SHOW, prefix=("taskset", "-c", str(CORES[-1])))
    assert done.stdout.splitlines()[:1] == [f"[({CORES[-1]},)]"], done
    assert done.stderr == ""


def test_a_refusal_explains_the_number_of_cores() -> None:
    code = "import greenlane as gl; gl.partition('cpu', {'a': 1, 'b': 1})"
    done = run_program(code, prefix=("taskset", "-c", str(CORES[-1])))
    last = done.stderr.strip().splitlines()[-1]
    assert "cannot give 1 core of cpu to 'b'" in last or "cores of cpu to 'b'" in last
    if (os.cpu_count() or 1) > 1:
        assert f"this process may run on 1 of the machine's {os.cpu_count()} cores" in last
        assert "taskset" in last


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OMP_PROC_BIND", "true"),
        ("OMP_PROC_BIND", "spread"),
        ("OMP_PLACES", "cores"),
        ("GOMP_CPU_AFFINITY", "0-63"),
        ("GOMP_CPU_AFFINITY", "0 1"),
    ],
)
def test_openmp_binding_gives_one_warning(variable: str, value: str) -> None:
    needs_two_cores()
    done = run_program(SHOW, environment={variable: value})
    assert done.returncode == 0, done
    assert len(done.stdout.splitlines()) == 1 + len(CORES), "not every core got a lane"
    assert done.stderr.count("OpenMP") == 1, done.stderr
    assert f"{variable}={value}" in done.stderr
    assert "unset it" in done.stderr


def test_default_openmp_settings_give_no_warning() -> None:
    done = run_program(SHOW)
    assert done.stderr == ""
    assert [line for line in done.stdout.splitlines()[1:]] == [f"([{cpu}], 1)" for cpu in cpus_of(done.stdout)]


def cpus_of(shown: str) -> list[str]:
    return re.findall(r"\((\d+),\)", shown.splitlines()[0])


@pytest.mark.parametrize("variable", ["OMP_NUM_THREADS", "OMP_THREAD_LIMIT"])
def test_a_small_number_of_threads_gives_one_warning(variable: str) -> None:
    needs_two_cores()
    done = run_program(WHOLE, environment={variable: "1"})
    assert done.stdout.split() == [str(len(CORES)), "1"], done
    assert done.stderr.count(f"{variable}=1") == 1, done.stderr
    assert "unset it" in done.stderr


@pytest.mark.parametrize("value", ["", "many", "0", "-1", "999", "999,2", " 64"])
def test_other_numbers_of_threads_give_no_warning(value: str) -> None:
    done = run_program(WHOLE, environment={"OMP_NUM_THREADS": value})
    assert done.stdout.split() == [str(len(CORES))] * 2, done
    assert "lane 'all'" not in done.stderr


def test_a_refused_nice_value_names_the_processs_own(tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("this test needs root to become another user")
    code = """
import os, sys
import greenlane as gl
os.setpriority(os.PRIO_PROCESS, 0, 7)
own = os.nice(0)
os.setuid(65534)
print(own, gl.lane("cpu", "same", priority=own).name, gl.lane("cpu", "nicer", priority=own + 2).name)
gl.lane("cpu", "urgent", priority=own - 1)
"""
    done = run_program(code)
    own, *names = done.stdout.split()
    assert names == ["same", "nicer"]
    refused = rf"lane 'urgent' could not be given the nice value {int(own) - 1}: .*; use a value .* which is {own}"
    assert re.search(refused, done.stderr)


def test_devices_are_described_without_a_warning(capfd: pytest.CaptureFixture[str]) -> None:
    gl.devices()
    assert capfd.readouterr().err == ""
