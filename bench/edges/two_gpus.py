"""Measures an edge between two GPUs beside a copy by hand: two_gpus.py RESULTS.json.

A module on each GPU; the second takes what the first made (4 MB). By hand: the same modules with graphs on the same
lanes, a copy between the GPUs on the second lane, and events, from one thread that spins. Both take turns, item by
item; a time runs from the item on the host until the second result is there.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import greenlane as gl
import torch
from torch import Tensor, nn

ITEMS = 300
ELEMENTS = 1 << 20


class Work(nn.Module):
    """Multiplies matrices for a while, and adds 1 to its input."""

    def __init__(self) -> None:
        """Makes it."""
        super().__init__()
        self.weight = nn.Buffer(torch.eye(1024))

    def forward(self, x: Tensor) -> Tensor:
        """Returns the sum."""
        y: Tensor = self.weight
        for _ in range(4):
            y = y @ self.weight
        return x + y[0, 0]


def quantile(values: list[float], q: float) -> float:
    """Returns a quantile of these values."""
    return sorted(values)[int(q * (len(values) - 1))]


class ByHand:
    """The two modules on the pipeline's lanes, without edges."""

    def __init__(self, pipeline: gl.Pipeline) -> None:
        """Binds them."""
        self.first, self.second = pipeline["first"].lane, pipeline["second"].lane
        self.near, self.far = Work().cuda(0), Work().cuda(1)
        gl.bind(self.near, self.first, graphs="resident")
        gl.bind(self.far, self.second, graphs="resident")
        self.made, self.done = torch.cuda.Event(), torch.cuda.Event()

    def run(self, x: Tensor) -> float:
        """Returns the microseconds that an item takes."""
        begin = time.perf_counter()
        with torch.no_grad():
            with torch.cuda.stream(self.first.torch_stream):
                seen = self.near(x.to("cuda:0", non_blocking=True))
                self.made.record()
            with torch.cuda.stream(self.second.torch_stream):
                self.second.torch_stream.wait_event(self.made)
                copy = torch.empty_like(seen, device="cuda:1")
                copy.copy_(seen, non_blocking=True)
                self.far(copy)
                self.done.record()
        self.done.synchronize()
        return (time.perf_counter() - begin) * 1e6


def main() -> None:
    """Runs the program."""
    out = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        x = torch.zeros(ELEMENTS).pin_memory()
        torch.save([x.clone()], folder / "x.pt")
        (folder / "two.toml").write_text(
            "device = 'cuda:0'\n[source.camera]\n"
            "[engine.first]\nmodule = 'first'\ninputs = 'x.pt'\nfrom = 'camera'\non = 'camera'\n"
            "[engine.second]\nmodule = 'second'\ninputs = 'x.pt'\nfrom = 'first'\non = 'first'\n"
            "[lane.first]\nunits = 64\n[lane.second]\nunits = 64\ndevice = 'cuda:1'\n"
            "[path.act]\nfrom = 'camera'\nto = 'second'\n"
        )
        modules = {"first": Work().cuda(0), "second": Work().cuda(1)}
        by_hand: list[float] = []
        with gl.Pipeline(folder / "two.toml", modules=modules) as pipeline:
            hand = ByHand(pipeline)
            for _ in range(20):
                hand.run(x)
            source, sink = pipeline.source("camera"), pipeline.sink("second")
            pipeline.start()
            for i in range(ITEMS):
                source.publish(x)
                result = sink.wait(10)
                assert result.sequence == i + 1
                time.sleep(0.002)
                by_hand.append(hand.run(x))
                time.sleep(0.002)
            path = pipeline.stats().paths["act"].whole
    results: dict[str, Any] = {
        "device": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "items": ITEMS,
        "bytes": x.nbytes,
        "pipeline_us": {"p50": path.p50_us, "p90": path.p90_us, "p99": path.p99_us},
        "by_hand_us": {f"p{q}": quantile(by_hand, q / 100) for q in (50, 90, 99)},
    }
    out.write_text(json.dumps(results, indent=2) + "\n")
    print(out.read_text())


if __name__ == "__main__":
    main()
