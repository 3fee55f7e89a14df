"""One engine that throws and one that hangs, in a mix of four on a GPU.

usage: faults.py ROBOT_MODELS OUT.json

The policy net (500 Hz) and the vision encoder (60 Hz) are packages on SMs of their own. The two others are modules in
Python: one throws at every second request, one runs a kernel of some ten seconds. Reports the missed deadlines of the
two packages before the faults, with an engine that throws, and with one that hangs as well, and how long close() takes.
"""

import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import greenlane as gl
import torch

MODELS, OUT = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
SECONDS = 4.0
HANG_CYCLES = 20_000_000_000  # some ten seconds


class Throws(torch.nn.Module):
    """Throws if its input is positive."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns its input and one."""
        if bool(x.cpu()[0] > 0):
            raise ValueError("thrown on purpose")
        return x + 1


class Hangs(torch.nn.Module):
    """Runs a kernel of some ten seconds if its input is positive."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns its input and one."""
        if bool(x.cpu()[0] > 0):
            torch.cuda._sleep(HANG_CYCLES)
        return x + 1


def table(name: str, rate_hz: int, deadline_ms: float, units: int) -> str:
    """Returns the tables of a package and its lane."""
    return (
        f"[engine.{name}]\nmodel = '{MODELS}/{name}.pt2'\ninputs = '{MODELS}/{name}.inputs.pt'\nrate_hz = {rate_hz}\n"
        f"deadline_ms = {deadline_ms}\n[lane.{name}]\nunits = {units}\n"
    )


def module(name: str, units: int) -> str:
    """Returns the tables of a module in Python and its lane."""
    return (
        f"[engine.{name}]\nmodule = '{name}'\npython = true\ninputs = 'x.pt'\nhang_ms = 500\n"
        f"[lane.{name}]\nunits = {units}\n"
    )


class Load(threading.Thread):
    """Submits requests at a rate, until it is stopped."""

    def __init__(self, engine: gl.PipelineEngine, inputs: list[torch.Tensor], rate_hz: float) -> None:
        """Prepares the thread."""
        super().__init__(daemon=True)
        self.engine, self.inputs, self.period, self.stop = engine, inputs, 1 / rate_hz, False
        self.errors: list[str] = []

    def run(self) -> None:
        """Submits until it is stopped, or a request is refused."""
        due = time.perf_counter()
        while not self.stop:
            due += self.period
            time.sleep(max(0.0, due - time.perf_counter()))
            try:
                self.engine.submit(*self.inputs, drop_if_late=False)
            except RuntimeError as error:
                self.errors.append(str(error))
                return


def main() -> None:
    """Measures the phases, and writes the results."""
    result: dict[str, Any] = {"device": torch.cuda.get_device_name(), "torch": torch.__version__, "phases": {}}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "four.toml")
        torch.save([torch.zeros(8)], Path(folder, "x.pt"))
        file.write_text(
            "device = 'cuda:0'\n"
            + table("policy", 500, 1.0, 16)
            + table("vision", 60, 8.0, 48)
            + module("throws", 16)
            + module("hangs", 16)
        )
        pipeline = gl.Pipeline(file, modules={"throws": Throws().cuda(), "hangs": Hangs().cuda()})
    rates = {"policy": 500, "vision": 60}
    loads = []
    for name, rate in rates.items():
        inputs = [tensor.cuda() for tensor in torch.load(MODELS / f"{name}.inputs.pt")]
        loads.append(Load(pipeline[name], inputs, rate))
        loads[-1].start()
    time.sleep(1)

    def figures() -> dict[str, gl.RunFigures]:
        return {name: each.figures for name, each in pipeline.stats().engines.items()}

    def phase(title: str, act: Callable[[], None]) -> None:
        before = figures()
        end = time.perf_counter() + SECONDS
        while time.perf_counter() < end:
            act()
            time.sleep(0.02)
        after = figures()
        result["phases"][title] = {
            name: {
                "runs": after[name].runs - before[name].runs,
                "misses": after[name].misses - before[name].misses,
                "p99_us": after[name].recent.p99_us,
                "failed": after[name].failed - before[name].failed,
            }
            for name in after
        }

    bad, good = torch.ones(8, device="cuda"), torch.zeros(8, device="cuda")
    torch.cuda.synchronize()
    phase("all well", lambda: None)

    def throwing() -> None:
        runs = [pipeline["throws"].submit(x) for x in (bad, good)]
        assert isinstance(runs[0].exception(10), RuntimeError)
        assert runs[1].exception(10) is None

    phase("one throws", throwing)
    hanging = pipeline["hangs"].submit(bad)
    waiting = pipeline["hangs"].submit(good)
    phase("one throws, one hangs", throwing)
    result["hanging"], result["waiting"] = str(hanging.exception(10)), str(waiting.exception(10))
    result["is_broken"] = pipeline.stats().is_broken
    for load in loads:
        load.stop = True
        load.join()
    start = time.perf_counter()
    pipeline.close()
    result["close_s"] = time.perf_counter() - start
    result["load_errors"] = [error for load in loads for error in load.errors]
    OUT.write_text(json.dumps(result, indent=1))
    print(json.dumps(result))


main()
