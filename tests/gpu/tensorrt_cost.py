"""Measures what greenlane's hook adds to a Python call of a Torch-TensorRT engine: tensorrt_cost.py OUT.json.

Greenlane's kernels cannot be unloaded. So two kinds of processes take turns: one with stock Torch-TensorRT alone, and
one with greenlane. The latter calls engines that are not bound, not bound beside a bound one, and bound.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from tensorrt_runtime import Engine, load, new_engine

TURNS = 5
CALLS = 20_000
BLOCK = 500
"""The number of calls of one kind in a row."""

Costs = dict[str, float]
"""Microseconds per call, by the kind of engine and by the caller's stream."""


def measure(cases: dict[str, tuple[Engine, torch.cuda.Stream]]) -> Costs:
    """Returns the medians of many interleaved blocks. A slowdown of the machine hits all cases."""
    x = torch.zeros(1, device="cuda")
    inputs = [x]
    execute: Callable[..., object] = torch.ops.tensorrt.execute_engine
    blocks: dict[str, list[float]] = {name: [] for name in cases}
    for i in range(1 + CALLS // BLOCK):
        for name, (engine, stream) in cases.items():
            with torch.cuda.stream(stream):
                torch.cuda.synchronize()
                start = time.perf_counter()
                for _ in range(BLOCK):
                    execute(inputs, engine)
                end = time.perf_counter()
            if i > 0:  # the first block warms up
                blocks[name].append((end - start) / BLOCK * 1e6)
    return {name: statistics.median(times) for name, times in blocks.items()}


def tiny(name: str) -> Engine:
    """Returns an engine that does as little as possible, so that the call's own cost shows."""
    return new_engine(name, blocks=1, hold=0)


def stock() -> Costs:
    """Measures stock Torch-TensorRT in this process."""
    load()
    engine = tiny("engine")
    return measure(
        {
            "default stream": (engine, torch.cuda.default_stream()),
            "another stream": (engine, torch.cuda.Stream()),
        }
    )


def hooked() -> Costs:
    """Measures greenlane in this process."""
    load()
    import greenlane as gl

    default, another = torch.cuda.default_stream(), torch.cuda.Stream()
    unbound, bound = tiny("unbound"), tiny("bound")
    alone = measure({"unbound, default stream": (unbound, default), "unbound, another stream": (unbound, another)})
    lane = gl.partition("cuda:0", {"lane": 24})["lane"]
    bound.set_external_stream(lane.stream)
    beside = measure(
        {
            "unbound beside a bound one, default stream": (unbound, default),
            "unbound beside a bound one, another stream": (unbound, another),
            "bound, default stream": (bound, default),
            "bound, another stream": (bound, another),
            "bound, its own stream": (bound, lane.torch_stream),
        }
    )
    return alone | beside


def in_a_process(what: str) -> Costs:
    """Runs `stock` or `hooked` in a process of its own."""
    done = subprocess.run([sys.executable, __file__, what], stdout=subprocess.PIPE, text=True, check=True)
    costs: Costs = json.loads(done.stdout.splitlines()[-1])
    return costs


def medians(turns: list[Costs]) -> Costs:
    """Returns the medians over the processes."""
    return {name: statistics.median(turn[name] for turn in turns) for name in turns[0]}


def differences(plain: Costs, costs: Costs) -> Costs:
    """Returns the costs beyond those of `plain`: from the default stream, or else from another stream."""
    return {
        name: cost - plain["default stream" if name.endswith("default stream") else "another stream"]
        for name, cost in costs.items()
    }


def main() -> None:
    """Runs the program."""
    if sys.argv[1] in ("stock", "hooked"):
        print(json.dumps({"stock": stock, "hooked": hooked}[sys.argv[1]]()))
        return
    plain, with_greenlane = [], []
    for _ in range(TURNS):
        plain.append(in_a_process("stock"))
        with_greenlane.append(in_a_process("hooked"))
    device = torch.cuda.get_device_properties(0)
    result: dict[str, Any] = {
        "versions": {"torch": torch.__version__, "cuda": torch.version.cuda, "device": device.name},
        "unit": "microseconds a call",
        "calls": CALLS,
        "stock": {"median": medians(plain), "processes": plain},
        "greenlane": {"median": medians(with_greenlane), "processes": with_greenlane},
        "difference": {
            "median": differences(medians(plain), medians(with_greenlane)),
            "turns": [differences(*turn) for turn in zip(plain, with_greenlane, strict=True)],
        },
    }
    Path(sys.argv[1]).write_text(json.dumps(result, indent=1) + "\n")
    for name, cost in result["stock"]["median"].items():
        print(f"stock, {name:48} {cost:7.2f} µs")
    for name, cost in result["greenlane"]["median"].items():
        print(f"{name:55} {cost:7.2f} µs  {result['difference']['median'][name]:+6.2f}")


if __name__ == "__main__":
    main()
