"""Compares an engine beside a scraper with the same engine without one: metrics_cost.py FOLDER RESULTS.json.

FOLDER: what examples/robot/export.py made. The pipeline serves vision and the policy. Windows with and without a
scraper take turns. The scraper is a process of its own, which asks ten times a second: Prometheus's default is once a
minute.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import greenlane as gl
import torch

ROUNDS = 5
SECONDS = 2.0
SCRAPER = """
import sys, time, urllib.request
while True:
    urllib.request.urlopen(sys.argv[1], timeout=10).read()
    time.sleep(0.1)
"""


def quantile(values: list[float], q: float) -> float:
    """Returns a quantile of these values."""
    return sorted(values)[int(q * (len(values) - 1))]


def window(engine: gl.PipelineEngine, inputs: list[torch.Tensor], rate_hz: float) -> list[float]:
    """Returns the latencies of requests at a rate, in microseconds."""
    found = []
    begin = time.perf_counter()
    count = int(SECONDS * rate_hz)
    for i in range(count):
        while time.perf_counter() < begin + i / rate_hz:
            pass
        run = engine.submit(*inputs)
        run.result(10)
        found.append(run.latency * 1e6)
    return found


def main() -> None:
    """Runs the program."""
    models, out = Path(sys.argv[1]), Path(sys.argv[2])
    device = "cuda:0" if torch.cuda.is_available() else "cpu"
    found: dict[str, list[float]] = {"without": [], "beside": []}
    with tempfile.TemporaryDirectory() as text:
        file = Path(text) / "metrics.toml"
        tables = [f"device = '{device}'\nmetrics = '127.0.0.1:0'\n"]
        for name in ("policy", "vision"):
            tables.append(f"[engine.{name}]\nmodel = '{models}/{name}.pt2'\ninputs = '{models}/{name}.inputs.pt'\n")
        if device != "cpu":
            tables.append("[lane.policy]\nunits = 32\n[lane.vision]\nunits = 64\n")
        file.write_text("".join(tables))
        with gl.Pipeline(file) as pipeline:
            inputs = [each.to(device) for each in torch.load(models / "policy.inputs.pt")]
            window(pipeline["policy"], inputs, 200)  # to warm up
            for turn in range(2 * ROUNDS):
                beside = bool(turn % 2)
                command = [sys.executable, "-c", SCRAPER, f"http://{pipeline.metrics_address}/metrics"]
                scraper = subprocess.Popen(command) if beside else None
                if scraper:
                    time.sleep(0.5)  # until it asks
                found["beside" if beside else "without"] += window(pipeline["policy"], inputs, 200)
                if scraper:
                    scraper.kill()
                    scraper.wait()
            begin = time.perf_counter()
            for _ in range(100):
                pipeline.metrics_text()
            text_us = (time.perf_counter() - begin) * 1e4
    results: dict[str, Any] = {
        "device": torch.cuda.get_device_name() if device != "cpu" else "cpu",
        "torch": torch.__version__,
        "text_us": text_us,
        "latency_us": {
            name: {"runs": len(values), "p50": quantile(values, 0.5), "p99": quantile(values, 0.99)}
            for name, values in found.items()
        },
    }
    results["ratio"] = {
        q: results["latency_us"]["beside"][q] / results["latency_us"]["without"][q] for q in ("p50", "p99")
    }
    out.write_text(json.dumps(results, indent=2) + "\n")
    print(out.read_text())


if __name__ == "__main__":
    main()
