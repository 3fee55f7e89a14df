"""Compares a pipeline's ages and path latencies with the timestamps of its kernels: timestamps.py RESULTS.json.

Three modules form a chain behind a source. The first kernel of each writes the GPU's clock, and so does the last one.
The GPU's clock is compared with the host's before and after, and the tightest comparison counts.

The same chain by hand, on the same lanes with an event between two of them, shows what an edge costs on the device: the
time from the last kernel of an engine to the first kernel of the next one.
"""

import json
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import greenlane as gl
import torch
import triton
import triton.language as tl
from torch import Tensor, nn

ITEMS = 300


@triton.jit
def _clock(out_ptr, after_ptr):  # type: ignore[no-untyped-def]
    tl.load(after_ptr)
    now = tl.inline_asm_elementwise("mov.u64 $0, %globaltimer;", "=l", [], dtype=tl.int64, is_pure=False, pack=1)
    tl.store(out_ptr, now)


def clock_after(x: Tensor) -> Tensor:
    """Returns the GPU's clock in nanoseconds, read after `x` was written."""
    out = torch.empty(1, dtype=torch.int64, device=x.device)
    _clock[(1,)](out, x)
    return out


class Stage(nn.Module):
    """Works for a while, and notes when it began and ended."""

    def __init__(self, size: int) -> None:
        """Makes it of a size."""
        super().__init__()
        self.weight = nn.Buffer(torch.ones(size, size))

    def forward(self, x: Tensor, times: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the input, and the times with the two of this stage behind them."""
        begin = clock_after(x)
        y: Tensor = self.weight
        for _ in range(4):
            y = y @ self.weight / self.weight.shape[0]
        end = clock_after(y)
        return x + 0 * y[0, 0], torch.cat([times[2:], begin, end])


def offset() -> tuple[float, float]:
    """Returns the host's clock minus the GPU's, and how far off that may be, in microseconds."""
    x = torch.zeros(1, device="cuda")
    best = (0.0, float("inf"))
    for _ in range(200):
        torch.cuda.synchronize()
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        stamp = clock_after(x)
        torch.cuda.synchronize()
        after = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        middle, width = (before + after) / 2, (after - before) / 2e3
        if width < best[1]:
            best = ((middle - stamp.item()) / 1e3, width)
    return best


def quantile(values: list[float], q: float) -> float:
    """Returns a quantile of these values."""
    return sorted(values)[int(q * (len(values) - 1))]


def gaps(stamps: list[int]) -> list[float]:
    """Returns the microseconds between the stages of a chain, in which the inputs of the next one are copied."""
    return [(stamps[2] - stamps[1]) / 1e3, (stamps[4] - stamps[3]) / 1e3]


def by_hand(pipeline: gl.Pipeline, x: Tensor, times: Tensor) -> list[float]:
    """Returns the same of a chain by hand, with graphs on the pipeline's lanes and an event between two of them."""
    found: list[float] = []
    stages = [(Stage(1024).cuda(), pipeline[name].lane) for name in ("a", "b", "c")]
    for stage, lane in stages:
        gl.set_external_stream(stage, lane, graphs="resident")
    event = torch.cuda.Event()
    given = (x.cuda(), times.cuda())
    torch.cuda.synchronize()
    with torch.no_grad():
        for i in range(ITEMS + 20):
            values = given
            for stage, lane in stages:
                lane.torch_stream.wait_event(event)
                with torch.cuda.stream(lane.torch_stream):
                    values = stage(*values)
                    event.record()
            torch.cuda.synchronize()
            if i >= 20:
                found += gaps(values[1].tolist())
            time.sleep(0.005)
    for stage, _ in stages:
        gl.clear_external_stream(stage)
    return found


def main() -> None:
    """Runs the program."""
    out = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        x, times = torch.zeros(8), torch.zeros(6, dtype=torch.int64)
        torch.save([x, times], folder / "inputs.pt")
        tables = ["device = 'cuda:0'\n[source.camera]\nrate_hz = 100\n"]
        producers = ("camera", "a", "b", "c")
        for producer, name in pairwise(producers):
            first = "camera" if producer == "camera" else f"{producer}.0"
            tables.append(
                f"[engine.{name}]\nmodule = '{name}'\ninputs = 'inputs.pt'\nfrom = ['{first}', '{producer}.1']\n"
                f"on = '{producer}'\n[lane.{name}]\nunits = 32\n"
            )
        tables.append("[path.act]\nfrom = 'camera'\nto = 'c'\n")
        (folder / "chain.toml").write_text("".join(tables))
        modules = {name: Stage(1024).cuda() for name in producers[1:]}
        first = offset()
        latencies: list[float] = []
        begins: list[list[float]] = [[] for _ in modules]
        between: list[float] = []
        with gl.Pipeline(folder / "chain.toml", modules=modules) as pipeline:
            pipeline.start()
            source, sink = pipeline.source("camera"), pipeline.sink("c")
            for _ in range(ITEMS):
                source.publish(x, times)
                result = sink.wait(10)
                stamps = [stamp / 1e3 + first[0] for stamp in result.outputs[1].tolist()]
                published = result.items[0].published * 1e6
                latencies.append(stamps[5] - published)
                between += gaps(result.outputs[1].tolist())
                for stage in range(3):
                    begins[stage].append(stamps[2 * stage] - published)
                time.sleep(0.005)
            stats = pipeline.stats()
            pipeline.stop()
            hand = by_hand(pipeline, x, times)
        last = offset()
    path = stats.paths["act"].whole
    results: dict[str, Any] = {
        "device": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "items": ITEMS,
        "clocks_us": {"uncertainty": first[1], "drift": last[0] - first[0]},
        "path_us": {
            "pipeline": {"p50": path.p50_us, "p99": path.p99_us, "max": path.max_us},
            "kernels": {"p50": quantile(latencies, 0.5), "p99": quantile(latencies, 0.99), "max": max(latencies)},
        },
        "edge_us": {
            "pipeline": {"p50": quantile(between, 0.5), "p99": quantile(between, 0.99)},
            "by_hand": {"p50": quantile(hand, 0.5), "p99": quantile(hand, 0.99)},
        },
        "ages_us": {},
    }
    for stage, name in enumerate(modules):
        ages, kernels = stats.engines[name].figures.ages, begins[stage]
        results["ages_us"][name] = {
            "pipeline": {"p50": ages.p50_us, "p99": ages.p99_us},
            "kernels": {"p50": quantile(kernels, 0.5), "p99": quantile(kernels, 0.99)},
        }
    out.write_text(json.dumps(results, indent=2) + "\n")
    print(out.read_text())


if __name__ == "__main__":
    main()
