"""Compares a pipeline's ages and path latencies with the timestamps of its kernels: timestamps.py RESULTS.json.

Three modules form a chain behind a source. The first kernel of each writes the GPU's clock, and so does the last one.
The GPU's clock is compared with the host's right before and after, by the tightest of 200 comparisons each, because the
two drift apart; between them the difference is taken as linear.

The same chain by hand, on the same lanes with an event between two of them, shows what an edge costs on the device: the
time from the last kernel of an engine to the first kernel of the next one.
"""

import json
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

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


class Clocks(NamedTuple):
    """A comparison of the host's clock with the GPU's, in microseconds."""

    host: float
    """The host's clock."""
    difference: float
    """The host's clock minus the GPU's."""
    uncertainty: float
    """How far off the difference may be."""


def compare_clocks() -> Clocks:
    """Compares the two clocks now."""
    x = torch.zeros(1, device="cuda")
    best = Clocks(0.0, 0.0, float("inf"))
    for _ in range(200):
        torch.cuda.synchronize()
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        stamp = clock_after(x)
        torch.cuda.synchronize()
        after = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        middle, width = (before + after) / 2, (after - before) / 2e3
        if width < best.uncertainty:
            best = Clocks(middle / 1e3, (middle - stamp.item()) / 1e3, width)
    return best


def on_host(stamp: int, first: Clocks, last: Clocks) -> float:
    """Returns when the host's clock showed a time of the GPU's, in microseconds."""
    now = stamp / 1e3
    share = (now + first.difference - first.host) / (last.host - first.host)
    return now + first.difference + share * (last.difference - first.difference)


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
            image = "camera" if producer == "camera" else f"{producer}.0"
            tables.append(
                f"[engine.{name}]\nmodule = '{name}'\ninputs = 'inputs.pt'\nfrom = ['{image}', '{producer}.1']\n"
                f"on = '{producer}'\n[lane.{name}]\nunits = 32\n"
            )
        tables.append("[path.act]\nfrom = 'camera'\nto = 'c'\n")
        (folder / "chain.toml").write_text("".join(tables))
        modules = {name: Stage(1024).cuda() for name in producers[1:]}
        seen: list[tuple[float, list[int]]] = []
        between: list[float] = []
        with gl.Pipeline(folder / "chain.toml", modules=modules) as pipeline:
            pipeline.start()
            source, sink = pipeline.source("camera"), pipeline.sink("c")
            first = compare_clocks()
            for _ in range(ITEMS):
                source.publish(x, times)
                result = sink.wait(10)
                stamps = result.outputs[1].tolist()
                seen.append((result.items[0].published * 1e6, stamps))
                between += gaps(stamps)
                time.sleep(0.005)
            stats = pipeline.stats()
            last = compare_clocks()
            pipeline.stop()
            hand = by_hand(pipeline, x, times)
        latencies = [on_host(stamps[5], first, last) - published for published, stamps in seen]
        begins = [[on_host(stamps[2 * i], first, last) - published for published, stamps in seen] for i in range(3)]
    path = stats.paths["act"].whole
    results: dict[str, Any] = {
        "device": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "items": ITEMS,
        "clocks_us": {"uncertainty": first.uncertainty, "drift": last.difference - first.difference},
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
