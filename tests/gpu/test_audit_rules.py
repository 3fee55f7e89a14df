"""Rules of audits: when one may begin, what may run beside it, and what it leaves behind."""

import gc
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import greenlane as gl
import pytest
import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

BOTH = [ProfilerActivity.CPU, ProfilerActivity.CUDA]
PRELUDE = """
import gc, sys
import greenlane as gl, torch
from torch.profiler import ProfilerActivity, profile
BOTH = [ProfilerActivity.CPU, ProfilerActivity.CUDA]
x = torch.ones(8, device="cuda")
"""


class Plain(nn.Module):
    """A module that stays where it is called."""

    def forward(self, x: Tensor) -> Tensor:
        """Launches two kernels."""
        return torch.relu(x * 2)


@pytest.fixture
def lanes() -> Iterator[dict[str, gl.Lane]]:
    """One partition."""
    gc.collect()
    made = gl.partition("cuda:0", {"small": 16})
    yield made
    del made
    gc.collect()


@pytest.fixture
def small() -> Tensor:
    """An input that is ready on the device."""
    made = torch.arange(256, dtype=torch.float32, device="cuda")
    torch.cuda.synchronize()
    return made


def test_an_audit_beside_the_profiler_is_refused(lanes: dict[str, gl.Lane], small: Tensor) -> None:
    module = Plain()
    gl.set_external_stream(module, lanes["small"])
    module(small)

    def profiled() -> int:
        with profile(activities=BOTH) as profiler:
            module(small)
            torch.cuda.synchronize()
        return sum("CUDA" in str(each.device_type) and "elementwise" in each.name for each in profiler.events())

    assert profiled() == 2
    with profile(activities=BOTH) as profiler:
        with pytest.raises(RuntimeError, match="profiler is running"), gl.audit():
            pass
        module(small)
        torch.cuda.synchronize()
    assert len(profiler.events()) > 0
    for _ in range(3):
        with gl.audit() as audit:
            module(small)
        assert audit.clean, audit
        assert audit.engines[0].kernels == 2
        assert profiled() == 2
    gl.clear_external_stream(module)


def test_only_one_audit_runs_at_a_time(lanes: dict[str, gl.Lane], small: Tensor) -> None:
    module = Plain()
    gl.set_external_stream(module, lanes["small"])
    with gl.audit() as audit:
        with pytest.raises(RuntimeError, match="another one is under way"), gl.audit():
            pass
        module(small)
    assert audit.clean

    def fails() -> None:
        with gl.audit():
            module(small)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    with gl.audit() as audit:
        module(small)
    assert audit.engines[0].kernels == 2
    gl.clear_external_stream(module)


def test_many_audits_lose_no_records(lanes: dict[str, gl.Lane], small: Tensor) -> None:
    module = Plain()
    gl.set_external_stream(module, lanes["small"])
    module(small)
    for _ in range(50):
        with gl.audit() as audit:
            module(small)
        assert audit.engines[0].kernels == 2, audit
        assert audit.dropped == 0
    gl.clear_external_stream(module)


def run(program: str, *arguments: str) -> None:
    """Runs the program in a process that must end well, because CUPTI calls back when a process ends."""
    command = [sys.executable, "-c", PRELUDE + program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done
    assert done.stdout.endswith("fine\n"), done


@pytest.mark.parametrize("order", ["audit", "audit profile", "profile audit", "profile audit profile"])
def test_a_process_ends_normally_after_an_audit(order: str) -> None:
    run(
        """
model = torch.nn.ReLU()
gl.set_external_stream(model, gl.partition("cuda:0", {"a": 16})["a"])
for what in sys.argv[1].split():
    if what == "audit":
        with gl.audit() as audit:
            model(x)
        assert audit.engines[0].kernels == 1, str(audit)
        assert audit.clean, str(audit)
    else:
        with profile(activities=BOTH) as p:
            model(x)
            torch.cuda.synchronize()
        assert len(p.events()) > 0
print("fine")
""",
        order,
    )


def test_a_profiler_during_the_audit_is_noticed() -> None:
    """Kernels that the profiler took are not called clean."""
    run("""
model = torch.nn.ReLU()
gl.set_external_stream(model, gl.partition("cuda:0", {"a": 16})["a"])
try:
    with gl.audit() as audit:
        with profile(activities=BOTH):
            model(x)
        model(x)
except RuntimeError as error:
    assert "the audit has no result" in str(error), error
else:
    raise AssertionError(str(audit))
with gl.audit() as audit:
    model(x)
assert audit.engines[0].kernels == 1, str(audit)
print("fine")
""")


def test_no_partitions_mean_no_strays(models: Path) -> None:
    """This is also true after partitions have come and gone."""
    run(
        """
loose = gl.load(sys.argv[1], name="loose")
x = torch.arange(256, dtype=torch.float32, device="cuda")
loose(x)
for turn in range(2):
    with gl.audit() as audit:
        loose(x)
    assert audit.clean, str(audit)
    assert audit.engines[0].kernels > 0, str(audit)
    lane = gl.partition("cuda:0", {"a": 16})["a"]
    model = torch.nn.ReLU()
    gl.set_external_stream(model, lane)
    model(x)
    with gl.audit() as audit:
        loose(x)
    assert not audit.clean, str(audit)
    gl.clear_external_stream(model)
    del lane, model
    gc.collect()
print("fine")
""",
        str(models / "affine.pt2"),
    )
