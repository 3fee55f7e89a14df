"""Measures the cost of audits: calls a second before, during and after audits: overhead.py MODELS OUT.json.

The engines run on lanes, each alone and all at once, with the packages of tests/gpu. SECONDS_TO_RUN (default 3) for
each run.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import greenlane as gl
import torch
from torch import Tensor

SECONDS = float(os.environ.get("SECONDS_TO_RUN", "3"))
Call = tuple[gl.Engine, Tensor]


def rates(calls: dict[str, Call], seconds: float = SECONDS) -> dict[str, float]:
    """Returns the calls a second of engines that run at the same time, back to back."""
    found: dict[str, float] = {}
    begin = threading.Barrier(len(calls))

    def run(name: str, engine: gl.Engine, x: Tensor) -> None:
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):
            begin.wait()
            start, count = time.perf_counter(), 0
            while time.perf_counter() - start < seconds:
                engine(x)
                stream.synchronize()
                count += 1
            found[name] = count / (time.perf_counter() - start)

    threads = [threading.Thread(target=run, args=(name, *call)) for name, call in calls.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def measured(calls: dict[str, Call]) -> dict[str, Any]:
    """Returns the rates before, during and after an audit, and what the audit saw."""
    rates(calls, 1)  # a device that was idle is slow at first
    before = rates(calls)
    start = time.perf_counter()
    with gl.audit() as audit:
        entered = time.perf_counter()
        during = rates(calls)
        ended = time.perf_counter()
    left = time.perf_counter()
    after = rates(calls)
    return {
        "rate_hz": {"before": before, "during": during, "after": after},
        "slower": {name: before[name] / during[name] for name in calls},
        "slower_afterwards": {name: before[name] / after[name] for name in calls},
        "begin_ms": 1e3 * (entered - start),
        "end_ms": 1e3 * (left - ended),
        "kernels": sum(engine.kernels for engine in audit.engines),
        "clean": audit.clean,
        "dropped": audit.dropped,
    }


def in_turn(times: Callable[[], float], count: int) -> float:
    """Returns the median of `count` measurements."""
    return sorted(times() for _ in range(count))[count // 2]


def empty_audit_ms() -> float:
    """Returns the time of an audit without work, in milliseconds."""
    start = time.perf_counter()
    with gl.audit():
        pass
    return 1e3 * (time.perf_counter() - start)


def main() -> None:
    """Runs the program."""
    models, out = Path(sys.argv[1]), Path(sys.argv[2])
    lanes = gl.partition("cuda:0", {"small": 16, "middle": 48, "large": gl.REST})
    small = torch.arange(256, dtype=torch.float32, device="cuda")
    large = torch.ones(2048, 2048, dtype=torch.float16, device="cuda")
    calls: dict[str, Call] = {
        "small, graph": (gl.load(models / "affine.pt2", name="a", lane=lanes["small"], graphs="resident"), small),
        "small": (gl.load(models / "affine.pt2", name="b", lane=lanes["middle"]), small),
        "chain, graph": (gl.load(models / "chain.pt2", name="c", lane=lanes["large"], graphs="resident"), large),
    }
    for engine, x in calls.values():
        for _ in range(20):
            engine(x)
    torch.cuda.synchronize()
    alone = {name: measured({name: call}) for name, call in calls.items()}
    results = {
        "versions": {"greenlane": gl.__version__, "torch": torch.__version__, "cuda": torch.version.cuda},
        "device": torch.cuda.get_device_name(),
        "seconds": SECONDS,
        "alone": alone,
        "together": measured(calls),
        "empty_audit_ms": in_turn(empty_audit_ms, 21),
    }
    out.write_text(json.dumps(results, indent=1) + "\n")
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
