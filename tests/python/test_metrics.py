"""Metrics of live pipelines: the text, the web server, and a real Prometheus that reads it."""

import contextlib
import json
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import greenlane as gl
import pytest
import torch

RUNS = 60
PIPELINE = """device = "cpu"
{metrics}
[source.camera]

[engine.first]
model = '{models}/affine.pt2'
inputs = '{models}/affine.inputs.pt'
from = 'camera'
on = 'camera'
deadline_ms = 10000

[engine.second]
model = '{models}/affine.pt2'
inputs = '{models}/affine.inputs.pt'
from = {{ output = 'first', queue = 4, overflow = 'reject' }}
on = 'first'
lane = 'first'

[path.act]
from = 'camera'
to = 'second'
deadline_ms = 0.000001
"""


def write(folder: Path, models: Path, metrics: str | None = None) -> Path:
    """Writes a pipeline of two packages behind a camera."""
    file = folder / "pipeline.toml"
    key = "" if metrics is None else f"metrics = {metrics!r}"
    file.write_text(PIPELINE.format(models=models, metrics=key))
    return file


def values(text: str) -> dict[str, float]:
    """Returns the samples of a text in Prometheus's format."""
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def get(address: str, path: str = "/metrics") -> str:
    """Returns what the server answers."""
    with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as answer:
        return str(answer.read().decode())


def feed(pipeline: gl.Pipeline, models: Path) -> None:
    """Publishes items, one after another."""
    (item,) = torch.load(models / "affine.inputs.pt")
    source, sink = pipeline.source("camera"), pipeline.sink("second")
    pipeline.start()
    for _ in range(RUNS):
        source.publish(item)
        sink.wait(30)


@pytest.fixture
def served(tmp_path: Path, models: Path) -> Iterator[gl.Pipeline]:
    """A pipeline that served, and gives metrics."""
    with gl.Pipeline(write(tmp_path, models, "127.0.0.1:0")) as pipeline:
        feed(pipeline, models)
        yield pipeline


def test_the_text_has_the_pipelines_own_figures(served: gl.Pipeline) -> None:
    samples, stats = values(served.metrics_text()), served.stats()
    for name in ("first", "second"):
        figures = stats.engines[name].figures
        assert samples[f'greenlane_engine_latency_seconds_count{{engine="{name}"}}'] == figures.runs == RUNS
        assert samples[f'greenlane_engine_deadline_misses_total{{engine="{name}"}}'] == figures.misses
        bounds = {
            float(key.split('le="')[1].rstrip('"}').replace("+Inf", "inf")): count
            for key, count in samples.items()
            if key.startswith(f'greenlane_engine_latency_seconds_bucket{{engine="{name}"')
        }
        # The quantiles of the histogram are those of the figures, as far as its buckets tell.
        for share, quantile in ((0.5, figures.whole.p50_us), (0.99, figures.whole.p99_us)):
            upper = min(bound for bound, count in bounds.items() if count >= share * RUNS)
            lower = max((bound for bound in bounds if bound < upper), default=0.0)
            assert lower * (1 - 1 / 128) <= quantile / 1e6 <= upper
    assert samples['greenlane_source_items_total{source="camera"}'] == RUNS
    assert samples['greenlane_path_latency_seconds_count{path="act"}'] == RUNS
    assert samples['greenlane_path_deadline_misses_total{path="act"}'] == stats.paths["act"].misses == RUNS
    assert samples['greenlane_edge_read_values_total{engine="second",producer="first"}'] == RUNS
    units = 'greenlane_engine_units{engine="first",lane="first",device="cpu"}'
    assert samples[units] == stats.engines["first"].units


def test_the_server_gives_the_same(served: gl.Pipeline) -> None:
    assert served.metrics_address is not None
    there, here = values(get(served.metrics_address)), values(served.metrics_text())
    changing = ("open_seconds", "memory_bytes", "allocator_bytes")
    same = {name: value for name, value in here.items() if not name.endswith(changing)}
    assert same.items() <= there.items()
    with pytest.raises(urllib.error.HTTPError):
        get(served.metrics_address, "/")


def test_metrics_are_off_unless_asked_for(tmp_path: Path, models: Path) -> None:
    with gl.Pipeline(write(tmp_path, models)) as pipeline:
        assert pipeline.metrics_address is None
        assert "greenlane_engine_up" in pipeline.metrics_text()
    with gl.Pipeline(write(tmp_path, models, "127.0.0.1:0"), metrics="") as pipeline:
        assert pipeline.metrics_address is None
    with gl.Pipeline(write(tmp_path, models), metrics="0") as pipeline:
        assert str(pipeline.metrics_address).startswith("127.0.0.1:")


def test_a_closed_pipeline_serves_no_metrics(served: gl.Pipeline) -> None:
    address = served.metrics_address
    assert address is not None
    begin = time.monotonic()
    served.close()
    assert time.monotonic() - begin < 30
    assert served.metrics_address is None
    with pytest.raises(urllib.error.URLError, match="refused"):
        get(address)


def test_scrapes_while_a_pipeline_closes_end(tmp_path: Path, models: Path) -> None:
    for _ in range(5):
        with gl.Pipeline(write(tmp_path, models, "0")) as pipeline:
            program = "import sys, urllib.request\nwhile True: urllib.request.urlopen(sys.argv[1], timeout=10).read()"
            command = [sys.executable, "-c", program, f"http://{pipeline.metrics_address}/metrics"]
            scraper = subprocess.Popen(command, stderr=subprocess.DEVNULL)
            feed(pipeline, models)
        assert scraper.wait(30) != 0


@pytest.mark.parametrize(
    ("address", "part"),
    [
        ("", "this text is empty"),
        ("9464x", "does not end with a port"),
        (":9464", "names no host"),
        ("example.org:9464", "is no IP address"),
    ],
)
def test_a_wrong_address_in_the_file_is_refused(tmp_path: Path, models: Path, address: str, part: str) -> None:
    with pytest.raises(RuntimeError, match=part) as refusal:
        gl.Pipeline(write(tmp_path, models, address))
    assert "pipeline.toml:2" in str(refusal.value)
    assert "metrics" in str(refusal.value)


def test_a_wrong_address_of_the_program_is_refused(tmp_path: Path, models: Path) -> None:
    file = write(tmp_path, models)
    with pytest.raises(RuntimeError, match="is no address for metrics"):
        gl.Pipeline(file, metrics="9464x")
    with pytest.raises(TypeError, match="give a string"):
        gl.Pipeline(file, metrics=9464)  # type: ignore[arg-type]
    with (
        gl.Pipeline(file, metrics="0") as pipeline,
        pytest.raises(RuntimeError, match="Address already in use"),
    ):
        gl.Pipeline(file, metrics=pipeline.metrics_address)


def until(true: Callable[[], Any]) -> Any:
    """Returns the result of a call once it is true."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            if result := true():
                return result
        time.sleep(0.1)
    raise TimeoutError


@pytest.fixture
def prometheus(tmp_path: Path, served: gl.Pipeline) -> Iterator[Callable[[str], float | None]]:
    """A Prometheus that scrapes the pipeline; returns what a query gives."""
    unpacked = Path(sys.prefix) / "prometheus" / "usr" / "bin" / "prometheus"
    server = str(unpacked) if unpacked.exists() else shutil.which("prometheus")
    if server is None:
        pytest.skip("needs Prometheus's server: tools/setup.sh unpacks it")
    (tmp_path / "prometheus.yml").write_text(
        "global: {scrape_interval: 200ms, scrape_timeout: 200ms}\n"
        "scrape_configs: [{job_name: robot, static_configs: [{targets: ['" + str(served.metrics_address) + "']}]}]\n"
    )
    with subprocess.Popen(
        [
            server,
            f"--config.file={tmp_path / 'prometheus.yml'}",
            f"--storage.tsdb.path={tmp_path / 'data'}",
            "--web.listen-address=127.0.0.1:0",
            "--log.format=json",
        ],
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        lines = (json.loads(line) for line in process.stderr)
        address = next(line["address"] for line in lines if line.get("msg") == "Listening on")

        def query(text: str) -> float | None:
            answer = json.loads(get(address, "/api/v1/query?" + urllib.parse.urlencode({"query": text})))
            assert answer["status"] == "success", answer
            found = answer["data"]["result"]
            return float(found[0]["value"][1]) if found else None

        yield query
        process.terminate()


def test_prometheus_has_the_pipelines_own_figures(
    prometheus: Callable[[str], float | None], served: gl.Pipeline
) -> None:
    stats = served.stats()
    assert until(lambda: prometheus("up") == 1.0)
    assert prometheus('greenlane_engine_latency_seconds_count{engine="first"}') == RUNS
    assert prometheus('greenlane_path_deadline_misses_total{path="act"}') == stats.paths["act"].misses
    assert prometheus("sum(greenlane_source_items_total)") == RUNS
    assert prometheus("scrape_samples_scraped") == prometheus("scrape_samples_post_metric_relabeling")
    median = prometheus('histogram_quantile(0.5, greenlane_engine_latency_seconds_bucket{engine="first"})')
    assert median is not None
    # Prometheus interpolates within a bucket, of which the widest is 2.5 times as wide as the one before.
    assert median / 2.6 <= max(stats.engines["first"].figures.whole.p50_us / 1e6, 50e-6 / 2.6) <= median * 2.6
    mean = prometheus(
        'greenlane_engine_latency_seconds_sum{engine="first"} / greenlane_engine_latency_seconds_count{engine="first"}'
    )
    assert mean is not None
    assert 0 < mean <= stats.engines["first"].figures.whole.max_us / 1e6
