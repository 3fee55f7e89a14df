"""Measures resident graphs: graphs_report.py MODELS_FOLDER OUT.json.

Measures the SMs of their nodes; a transformer, enqueued kernel by kernel, and with kernels picked for the device or for
its partition; the memory that ten thousand captures and drops leave; and a thousand replays after a capture that
failed.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import greenlane as gl
import torch
from torch import Tensor, nn
from where import sms_of

CALLERS = ("the default stream", "a plain stream", "another lane")


class Block(nn.Module):
    """A block of a transformer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = width // 64
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Applies attention and a wide layer."""
        batch, tokens, width = x.shape
        qkv = self.qkv(self.norms[0](x)).view(batch, tokens, 3, self.heads, 64).permute(2, 0, 3, 1, 4)
        attended = nn.functional.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2])
        x = x + self.out(attended.transpose(1, 2).reshape(batch, tokens, width))
        y: Tensor = x + self.down(nn.functional.gelu(self.up(self.norms[1](x))))
        return y


def median_us(function: Callable[[], object], stream: torch.cuda.Stream, repeats: int = 200) -> dict[str, float]:
    """Returns the device's time for a call. Each call begins on the device when all of it is enqueued."""
    times = []
    with torch.cuda.stream(stream):
        for _ in range(repeats):
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            torch.cuda._sleep(3_000_000)  # clock cycles: longer than enqueuing an eager call takes
            begin.record(stream)
            function()
            end.record(stream)
            end.synchronize()
            times.append(1000 * begin.elapsed_time(end))
    times.sort()
    return {"min": times[0], "median": statistics.median(times), "p99": times[int(0.99 * repeats)]}


def places(models: Path) -> list[dict[str, Any]]:
    """Returns the number of SMs that each case used, and the number that it should use."""
    lanes = gl.partition("cuda:0", {"small": 24, "large": 40, "rest": gl.REST})
    x = torch.zeros(1, dtype=torch.int32, device="cuda")
    callers = dict(
        zip(CALLERS, (torch.cuda.default_stream(), torch.cuda.Stream(), lanes["rest"].torch_stream), strict=True)
    )
    rows: list[dict[str, Any]] = []

    def write_down(case: str, caller: str, sms: set[int], expected: int) -> None:
        rows.append({"case": case, "caller": caller, "sms": len(sms), "lane": expected})

    engine = gl.load(models / "where.pt2", graphs="resident")
    for case, lane in (("captured on a lane", "small"), ("after rebinding", "large"), ("and back", "small")):
        engine.bind(lanes[lane])
        for caller, stream in callers.items():
            with torch.cuda.stream(stream):
                used = set().union(*(sms_of(engine(x)) for _ in range(6)))
                write_down(case, caller, used, lanes[lane].units)
    pair = [gl.load(models / "where.pt2", lane=lanes["small"], graphs="resident") for _ in range(2)]
    for caller, stream in callers.items():
        with torch.cuda.stream(stream):
            used = set().union(*(sms_of(each(x)) for _ in range(6) for each in pair))
            write_down("two engines alternating on one lane", caller, used, 24)
    three = [gl.load(models / "where.pt2", lane=lane, graphs="resident") for lane in lanes.values()]

    def pipeline(given: Tensor) -> dict[str, Tensor]:
        return dict(zip(lanes, gl.concurrently(*(partial(engine, given) for engine in three)), strict=True))

    graph = gl.capture(pipeline, x)
    for caller, stream in callers.items():
        with torch.cuda.stream(stream):
            for name, y in graph(x).items():
                write_down("a pipeline graph over three lanes", caller, sms_of(y), lanes[name].units)
    return rows


def transformer(size: int) -> dict[str, Any]:
    """Measures two wide blocks on a partition of this size."""
    torch.manual_seed(0)
    lane = gl.partition("cuda:0", {"lane": size})["lane"]
    model = nn.Sequential(*(Block(1024) for _ in range(2))).cuda().half().eval()
    x = torch.randn(8, 256, 1024, device="cuda", dtype=torch.half)
    row: dict[str, Any] = {"units": lane.units, "parameters": sum(p.numel() for p in model.parameters())}
    with torch.inference_mode():
        wanted = model(x)
        for name, tuned in (("eager", False), ("untuned", False), ("tuned", True)):
            choice: gl.Graphs = "off" if name == "eager" else "resident"
            gl.set_external_stream(model, lane, graphs=choice, outputs="views", tune_kernels=tuned)
            first = []
            for _ in range(2):
                torch.cuda.synchronize()
                begin = time.perf_counter()
                model(x)
                torch.cuda.synchronize()
                first.append(1000 * (time.perf_counter() - begin))
            for _ in range(20):
                got = model(x)
            torch.testing.assert_close(got, wanted, rtol=2e-2, atol=2e-2)
            row[name] = median_us(partial(model, x), lane.torch_stream) | {"first_calls_ms": first}
            report = gl.graph_report(model)
            if report is not None:
                row[name] |= {"kernel_units": report.graphs[0].kernel_units, "bytes": report.bytes}
            gl.clear_external_stream(model)
    row["tuned_against_untuned"] = row["untuned"]["median"] / row["tuned"]["median"]
    return row


def memory(models: Path, captures: int) -> dict[str, Any]:
    """Measures the device's memory while an engine is bound to two partitions in turn, and captured anew each time."""
    lanes = gl.partition("cuda:0", {"small": 16, "large": 48})
    engine = gl.load(models / "affine.pt2", graphs="resident", tune_kernels=False)
    x = torch.arange(256, dtype=torch.float32, device="cuda")

    def rounds(count: int) -> None:
        for turn in range(count):
            engine.bind(lanes["large" if turn % 2 else "small"])
            for _ in range(3):
                y = engine(x)
            if turn % 500 == 0:
                torch.testing.assert_close(y, 2 * x + 1)
                report = engine.graphs
                assert report is not None
                assert report.graphs[0].replays == 2

    def used() -> dict[str, int]:
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        free, total = torch.cuda.mem_get_info()
        return {"device": total - free, "allocator": torch.cuda.memory_reserved()}

    rounds(20)
    before = used()
    begin = time.perf_counter()
    rounds(captures)
    seconds = time.perf_counter() - begin
    return {"captures": captures, "ms_each": 1000 * seconds / captures, "before": before, "after": used()}


def after_a_failure() -> dict[str, Any]:
    """Measures an engine that raises in the middle of a capture."""

    class Fails(nn.Module):
        failures = 0

        def forward(self, x: Tensor) -> Tensor:
            """Returns twice the input, plus one."""
            y = x * 2
            if Fails.failures:
                Fails.failures -= 1
                raise ValueError("in the middle")
            return y + 1

    lane = gl.partition("cuda:0", {"lane": 16})["lane"]
    model = Fails().cuda()
    gl.set_external_stream(model, lane, graphs="resident")
    x = torch.arange(4096.0, device="cuda")
    model(x)
    Fails.failures = 2
    raised = 0
    try:
        model(x)
    except ValueError:
        raised += 1
    wrong = sum(not torch.equal(model(x + turn), 2 * (x + turn) + 1) for turn in range(1001))
    report = gl.graph_report(model)
    gl.clear_external_stream(model)
    return {"raised": raised, "replays": report.graphs[0].replays if report else 0, "wrong": wrong}


def main() -> None:
    """Runs the program."""
    models, out = Path(sys.argv[1]), Path(sys.argv[2])
    results: dict[str, Any] = {
        "device": torch.cuda.get_device_name(),
        "versions": {"torch": torch.__version__, "cuda": torch.version.cuda, "greenlane": gl.__version__},
        "places": places(models),
        "transformer": [transformer(size) for size in (96, 64, 48, 16, 68)],
        "after_a_failure": after_a_failure(),
        "memory": memory(models, 10_000),
    }
    out.write_text(json.dumps(results, indent=1) + "\n")
    for row in results["places"]:
        print(f"{row['case']:40} from {row['caller']:20} {row['sms']:4} SMs (lane: {row['lane']})")
    for row in results["transformer"]:
        times = {name: round(row[name]["median"]) for name in ("eager", "untuned", "tuned")}
        print(row["units"], "SMs", times, "kernels for", row["tuned"]["kernel_units"])
    print(results["after_a_failure"], results["memory"])
    if any(row["sms"] != row["lane"] for row in results["places"]):
        sys.exit("graphs_report: a graph left its lane")


if __name__ == "__main__":
    main()
