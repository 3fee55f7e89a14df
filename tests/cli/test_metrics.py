"""`greenlane run --metrics`: a rehearsal that Prometheus can watch."""

import contextlib
import re
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from cli.program import PROGRAM, config, engine, refusal


def test_a_rehearsal_serves_metrics_while_it_runs(tmp_path: Path, models: Path) -> None:
    file = config(tmp_path, engine("timed", models / "affine.pt2", rate_hz=100, deadline_ms=50))
    command = [str(PROGRAM), "run", str(file), "--seconds", "20", "--metrics", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.fullmatch(r"metrics at (http://127\.0\.0\.1:\d+/metrics)\n", line)
        assert found, line
        text = ""
        end = time.monotonic() + 60
        while not re.search(r'engine_latency_seconds_count\{engine="timed"\} [1-9]', text) and time.monotonic() < end:
            with contextlib.suppress(urllib.error.HTTPError):  # 503 until it measures
                text = urllib.request.urlopen(found[1], timeout=10).read().decode()
        process.terminate()
        process.communicate(timeout=60)
    assert re.search(r'engine_latency_seconds_count\{engine="timed"\} [1-9]', text)
    assert 'greenlane_engine_deadline_seconds{engine="timed"} 0.05\n' in text
    assert "greenlane_pipeline_running 1\n" in text
    (runs,) = re.findall(r'engine_latency_seconds_count\{engine="timed"\} (\d+)', text)
    (seconds,) = re.findall(r"^greenlane_pipeline_open_seconds (\S+)", text, re.M)
    assert int(runs) <= 100 * float(seconds) + 2, "runs before the measurement count"


@pytest.mark.parametrize("address", [":9464", "somewhere"])
def test_a_wrong_address_is_refused(tmp_path: Path, models: Path, address: str) -> None:
    file = config(tmp_path, engine("timed", models / "affine.pt2", rate_hz=100))
    assert f"'{address}' is no address for metrics" in refusal("run", file, "--metrics", address)
