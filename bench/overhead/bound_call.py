"""Measures the cost of a call through greenlane for the calling thread in Python, against AOTInductor's own loader.

    bound_call.py PACKAGE.pt2 INPUTS.pt [CALLS]     prints JSON

The twin of bound_call.cpp, by the same method. Variants take turns in short blocks, the program waits for the device
between blocks, and a figure is the median over the blocks of a block's mean. Times are those of enqueueing; the GPU's
work is not measured. Unless a variant says otherwise, the current stream is set once for its whole block, outside the
measured time, because `with torch.cuda.stream(...)` costs as much as the call.
"""

import gc
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import greenlane as gl
import torch
from torch import Tensor

BLOCK = 20  # calls enqueued without waiting: few enough that the launch queue never fills
WARM_UP_BLOCKS = 20


@dataclass
class Variant:
    """A way to call the engine, on a caller stream."""

    name: str
    caller: torch.cuda.Stream
    call: Callable[[], object]
    blocks_us: list[float] = field(default_factory=list)  # mean of each block


def measure(variants: list[Variant], calls: int) -> None:
    """Measures all variants in turns."""
    for block in range(-WARM_UP_BLOCKS, calls // BLOCK):
        for variant in variants:
            call = variant.call
            with torch.cuda.stream(variant.caller):
                start = time.perf_counter_ns()
                for _ in range(BLOCK):
                    call()
                taken = time.perf_counter_ns() - start
            torch.cuda.synchronize()
            if block >= 0:
                variant.blocks_us.append(taken / 1e3 / BLOCK)


def by_hand(stock: Callable[..., Any], inputs: list[Tensor], stream: torch.cuda.Stream, *, records: bool) -> None:
    """Runs on one stream for a caller on another, as PyTorch's notes on CUDA semantics demand."""
    caller = torch.cuda.current_stream()
    stream.wait_stream(caller)
    with torch.cuda.stream(stream):
        outputs = stock(*inputs)
    if records:
        for tensor in inputs:
            tensor.record_stream(stream)
        for tensor in [outputs] if isinstance(outputs, Tensor) else outputs:
            tensor.record_stream(caller)
    caller.wait_stream(stream)


def make_variants(package: str, inputs: list[Tensor]) -> list[Variant]:
    """Makes all variants: stock, bound to one lane (called from its stream and another, with and without graphs), by
    hand."""
    lane = gl.partition("cuda:0", {"lane": 32, "other": gl.REST})["lane"]
    stream, caller = lane.torch_stream, torch.cuda.Stream()
    stock = torch._inductor.aoti_load_package(package)
    bound, unbound = gl.load(package, lane=lane), gl.load(package)
    resident = gl.load(package, lane=lane, graphs="resident")

    def in_context() -> None:
        with torch.cuda.stream(stream):
            stock(*inputs)

    return [
        Variant("stock on the lane's stream", stream, lambda: stock(*inputs)),
        Variant("stock, torch.cuda.stream around each call", caller, in_context),
        Variant("bound, caller on the same stream", stream, lambda: bound(*inputs)),
        Variant("bound, caller on another stream", caller, lambda: bound(*inputs)),
        Variant("bound, resident graphs, caller on the same stream", stream, lambda: resident(*inputs)),
        Variant("bound, resident graphs, caller on another stream", caller, lambda: resident(*inputs)),
        Variant("unbound", stream, lambda: unbound(*inputs)),
        Variant("stock again", stream, lambda: stock(*inputs)),
        Variant("by hand: wait_stream", caller, lambda: by_hand(stock, inputs, stream, records=False)),
        Variant("by hand: wait_stream and record_stream", caller, lambda: by_hand(stock, inputs, stream, records=True)),
    ]


def main() -> int:
    """Runs the program."""
    if len(sys.argv) < 3:
        print("usage: bound_call.py PACKAGE.pt2 INPUTS.pt [CALLS]", file=sys.stderr)
        return 2
    if not torch.cuda.is_available():
        print("bound_call.py: there is no GPU here: run it on a machine that has one", file=sys.stderr)
        return 1
    package, calls = sys.argv[1], int(sys.argv[3]) if len(sys.argv) > 3 else 20_000
    inputs = [tensor.cuda() for tensor in torch.load(Path(sys.argv[2]), weights_only=True)]
    variants = make_variants(package, inputs)
    gc.disable()  # a collection takes longer than a block
    measure(variants, calls)
    base = statistics.median(variants[0].blocks_us)
    rows = []
    for variant in variants:
        us = statistics.median(variant.blocks_us)
        rows.append(
            {"name": variant.name, "us_per_call": us, "more_than_stock_us": us - base, "ratio": us / base},
        )
    about = {"calls": calls, "device": torch.cuda.get_device_properties(0).name, "torch": torch.__version__}
    about |= {"python": sys.version.split()[0], "package": package}
    print(json.dumps(about | {"variants": rows}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
