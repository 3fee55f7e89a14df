"""Measures what a flood of one tenant's requests costs the others: tenants.py OUT.json, on the CPU of this machine.

Three tenants have an engine each on one lane of one core, and the clients run on the other cores. Two ask it at random,
for a tenth of the time each. The third first keeps two requests in flight, which is all that it can use, and then sends
from four threads, 2 ms after each refusal. Its `rate_hz` and `request_queue` refuse what is too much. Latencies are
those of the pipeline, from submit() to the result.
"""

import json
import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import greenlane as gl
import torch
from torch import Tensor, nn

SECONDS = float(os.environ.get("SECONDS_TO_RUN", "40"))
CORES = os.sched_getaffinity(0)
STEADY = ("one", "two")


class Work(nn.Module):
    """A matrix product of about a millisecond."""

    def __init__(self) -> None:
        """Makes it with random weights."""
        super().__init__()
        self.weight = nn.Parameter(torch.randn(512, 512))

    def forward(self, x: Tensor) -> Tensor:
        """Returns the product."""
        return x @ self.weight


def write_pipeline(folder: Path) -> Path:
    """Exports the model and writes the configuration."""
    x = torch.randn(512, 512)
    with torch.no_grad():
        program = torch.export.export(Work().eval(), (x,))
        options = {"cpp.dynamic_threads": True}
        torch._inductor.aoti_compile_and_package(
            program, package_path=str(folder / "work.pt2"), inductor_configs=options
        )
    torch.save([x], folder / "work.inputs.pt")
    tables = ["device = 'cpu'\n[lane.shared]\nunits = 1\n"]
    for name in (*STEADY, "flood"):
        files = "model = 'work.pt2'\ninputs = 'work.inputs.pt'\n"
        tables.append(f"[engine.{name}]\n{files}tenant = '{name}'\nlane = 'shared'\n[tenant.{name}]\n")
    file = folder / "tenants.toml"
    file.write_text("".join(tables) + "request_queue = 4\nrate_hz = 2000\n")  # of the last tenant
    return file


def run(file: Path, ask: Callable[[gl.PipelineEngine, float], None], threads: int) -> dict[str, Any]:
    """Serves for a while, with the third tenant asking in this way, and returns figures."""
    os.sched_setaffinity(0, CORES)
    x = torch.randn(512, 512)
    with gl.Pipeline(file) as pipeline:
        begin = time.monotonic()
        for _ in range(50):
            pipeline["one"].submit(x).result(60)
        period = 10 * (time.monotonic() - begin) / 50
    with gl.Pipeline(file) as pipeline:
        os.sched_setaffinity(0, CORES - set(pipeline["one"].lane.cpus))  # of this thread and those that it starts
        end = time.monotonic() + SECONDS

        def steady(name: str) -> None:
            arrivals, due = random.Random(name), time.monotonic()
            while due < end:
                due += arrivals.expovariate(1 / period)
                time.sleep(max(0.0, due - time.monotonic()))
                pipeline[name].submit(x)

        workers = [threading.Thread(target=steady, args=(name,)) for name in STEADY]
        workers += [threading.Thread(target=ask, args=(pipeline["flood"], end)) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        stats = pipeline.stats()
    figures: dict[str, Any] = {"period_ms": period * 1e3, "refused": stats.tenants["flood"].refused}
    for name, engine in stats.engines.items():
        whole = engine.figures.whole
        figures[name] = {"runs": engine.figures.runs, "p50_us": whole.p50_us, "p99_us": whole.p99_us}
    return figures


def two_in_flight(engine: gl.PipelineEngine, end: float) -> None:
    """Sends the next request when the last but one is answered."""
    x = torch.randn(512, 512)
    flying = [engine.submit(x) for _ in range(2)]
    while time.monotonic() < end:
        flying.pop(0).result(60)
        flying.append(engine.submit(x))


def flood(engine: gl.PipelineEngine, end: float) -> None:
    """Sends without waiting for answers; what is refused is sent again a little later."""
    x = torch.randn(512, 512)
    while time.monotonic() < end:
        try:
            engine.submit(x)
        except gl.RequestError:
            time.sleep(2e-3)  # a client on a network waits as long for its refusal


def main() -> None:
    """Runs the program."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        file = write_pipeline(Path(folder))
        for turn in range(2):
            for kind, ask, threads in (("two in flight", two_in_flight, 1), ("flood", flood, 4)):
                rows.append({"round": turn, "third": kind, **run(file, ask, threads)})
                print(json.dumps(rows[-1]), flush=True)
    Path(sys.argv[1]).write_text(json.dumps({"torch": torch.__version__, "seconds": SECONDS, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
