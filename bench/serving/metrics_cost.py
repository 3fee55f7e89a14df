"""Compares an engine beside a scraper with the same engine without one: metrics_cost.py FOLDER RESULTS.json.

FOLDER: what examples/robot/export.py made. The pipeline serves vision and the policy; a timer runs the policy. Windows
with and without a scraper take turns. The scraper is a process of its own, which asks ten times a second: Prometheus's
default is once a minute.
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

ROUNDS = 2
SECONDS = 11  # the figures of a window are those of its last ten seconds
SCRAPER = """
import sys, time, urllib.request
while True:
    urllib.request.urlopen(sys.argv[1], timeout=10).read()
    time.sleep(0.1)
"""


def window(pipeline: gl.Pipeline, beside: bool) -> gl.LatencyFigures:
    """Returns the policy's latencies in a window."""
    command = [sys.executable, "-c", SCRAPER, f"http://{pipeline.metrics_address}/metrics"]
    scraper = subprocess.Popen(command) if beside else None
    time.sleep(SECONDS)
    figures = pipeline.stats().engines["policy"].figures.recent
    if scraper:
        scraper.kill()
        scraper.wait()
    return figures


def main() -> None:
    """Runs the program."""
    models, out = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    device = "cuda:0" if torch.cuda.is_available() else "cpu"
    rate_hz = 500 if device != "cpu" else 100
    found: dict[str, list[gl.LatencyFigures]] = {"without": [], "beside": []}
    with tempfile.TemporaryDirectory() as text:
        file = Path(text) / "metrics.toml"
        file.write_text(
            f"device = '{device}'\nmetrics = '127.0.0.1:0'\n[source.state]\n"
            f"[engine.policy]\nmodel = '{models}/policy.pt2'\ninputs = '{models}/policy.inputs.pt'\n"
            f"from = 'state'\nrate_hz = {rate_hz}\n"
            f"[engine.vision]\nmodel = '{models}/vision.pt2'\ninputs = '{models}/vision.inputs.pt'\n"
            + ("[lane.policy]\nunits = 32\n[lane.vision]\nunits = 64\n" if device != "cpu" else "")
        )
        with gl.Pipeline(file) as pipeline:
            pipeline.source("state").publish(*torch.load(models / "policy.inputs.pt"))
            pipeline.start()
            time.sleep(1)
            for _ in range(ROUNDS):
                for name, windows in found.items():
                    windows.append(window(pipeline, name == "beside"))
            begin = time.perf_counter()
            for _ in range(100):
                pipeline.metrics_text()
            text_us = (time.perf_counter() - begin) * 1e4
    means = {
        name: {q: sum(getattr(each, f"{q}_us") for each in windows) / len(windows) for q in ("p50", "p99")}
        for name, windows in found.items()
    }
    results: dict[str, Any] = {
        "device": torch.cuda.get_device_name() if device != "cpu" else "cpu",
        "torch": torch.__version__,
        "rate_hz": rate_hz,
        "text_us": text_us,
        "windows_us": {name: [[each.p50_us, each.p99_us] for each in windows] for name, windows in found.items()},
        "ratio": {q: means["beside"][q] / means["without"][q] for q in ("p50", "p99")},
    }
    out.write_text(json.dumps(results, indent=2) + "\n")
    print(out.read_text())


if __name__ == "__main__":
    main()
