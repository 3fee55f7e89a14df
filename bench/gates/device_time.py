"""Measures the device time of packages, for mix.py: device_time.py MODELS_FOLDER NAME... writes device_us.json there.

Each graph is replayed many times in a row, so that the device never waits for the host.
"""

import json
import sys
from pathlib import Path

import greenlane as gl
import torch


def device_us(path: Path) -> float:
    """Returns the mean time of a replay, in microseconds."""
    inputs = [each.cuda() for each in torch.load(path.with_suffix(".inputs.pt"))]
    engine = gl.load(path, lane=gl.lane("cuda:0"), graphs="resident", outputs="views")
    for _ in range(50):
        engine(*inputs)
    best = float("inf")
    for _ in range(5):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda._sleep(20_000_000)  # the host gets ahead
        begin.record()
        for _ in range(100):
            engine(*inputs)
        end.record()
        end.synchronize()
        best = min(best, 10 * begin.elapsed_time(end))
    return best


def main() -> None:
    """Runs the program."""
    folder = Path(sys.argv[1])
    times = {name: device_us(folder / f"{name}.pt2") for name in sys.argv[2:]}
    print(json.dumps(times))
    (folder / "device_us.json").write_text(json.dumps(times) + "\n")


if __name__ == "__main__":
    main()
