"""Measures rebinds that move graphs: moves.py MODELS_FOLDER OUT.json [NAME...], with packages and their inputs.

For each package and for two sizes of partition: the time from a rebind to the beginning of its first replay, and the
time of the two calls that capture and tune the same graph there. The first move of an engine loads the package's
kernels as libraries. The kernels of a moved graph were picked for its former units, so its
device time is compared with that of the tuned graph, too.
"""

import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import greenlane as gl
import torch
from torch import Tensor

MOVES = 20


def elapsed_ms(work: Any) -> float:
    """Returns the time of work and of what it enqueues, in milliseconds."""
    torch.cuda.synchronize()
    begin = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return 1e3 * (time.perf_counter() - begin)


def device_us(engine: gl.Engine, inputs: list[Tensor]) -> float:
    """Returns the shortest time of a call on the device, in microseconds."""
    best = float("inf")
    for _ in range(50):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        engine(*inputs)
        end.record()
        end.synchronize()
        best = min(best, 1e3 * begin.elapsed_time(end))
    return best


def row(path: Path, gates: str, lanes: dict[str, gl.Lane]) -> dict[str, Any]:
    """Returns the figures of one package."""
    inputs = [each.cuda() for each in torch.load(path.with_suffix(".inputs.pt"))]
    engine = gl.load(path, lane=lanes["small"], graphs="resident", gates=gates)
    for _ in range(3):
        wanted = engine(*inputs)
    wanted = [each.clone() for each in (wanted if isinstance(wanted, tuple | list) else [wanted])]
    plain = {name: 0.0 for name in lanes}
    moves: dict[str, list[float]] = {name: [] for name in lanes}
    equal = True
    for _ in range(MOVES):
        for name in ("large", "small"):

            def move(to: gl.Lane = lanes[name]) -> None:
                engine.bind(to)
                engine(*inputs)

            moves[name].append(elapsed_ms(move))
            given = engine(*inputs)
            given = given if isinstance(given, tuple | list) else [given]
            equal = equal and all(torch.equal(one, other) for one, other in zip(given, wanted, strict=True))
            plain[name] = statistics.median(elapsed_ms(lambda: engine(*inputs)) for _ in range(5))
    engine.bind(lanes["large"])
    moved_us = device_us(engine, inputs)
    report = engine.graphs
    assert report is not None
    fresh = gl.load(path, lane=lanes["large"], graphs="resident", gates=gates)
    first = elapsed_ms(lambda: fresh(*inputs))
    capture = elapsed_ms(lambda: fresh(*inputs))
    call = plain["large"]
    until_first_replay = [max(seen - call, 0.0) for seen in moves["large"]]
    until_captured = first + capture - call
    return {
        "model": path.stem,
        "gates": gates,
        "moved": [graph.moved for graph in report.graphs],
        "move_obstacle": report.move_obstacle,
        "equal": equal,
        "first_move_ms": moves["large"][0],
        "move_ms": {name: statistics.median(seen[1:]) for name, seen in moves.items()},
        "call_ms": plain,
        "fresh_first_call_ms": first,
        "fresh_capture_ms": capture,
        "until_first_replay_ms": {
            "first move": until_first_replay[0],
            "later moves": statistics.median(until_first_replay[1:]),
            "captured and tuned": until_captured,
        },
        "first_move_over_capture": until_first_replay[0] / until_captured,
        "move_over_capture": statistics.median(until_first_replay[1:]) / until_captured,
        "device_us_moved": moved_us,
        "device_us_tuned": device_us(fresh, inputs),
    }


def main() -> None:
    """Runs the program."""
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    lanes = gl.partition("cuda:0", {"small": 24, "large": 64})
    paths = sorted(path for path in folder.glob("*.pt2") if len(sys.argv) < 4 or path.stem in sys.argv[3:])
    rows = []
    for gates in ("off", "auto"):
        for path in paths:
            rows.append(row(path, gates, lanes))
            print(json.dumps(rows[-1]), flush=True)
    result = {"device": torch.cuda.get_device_name(), "torch": torch.__version__, "rows": rows}
    out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
