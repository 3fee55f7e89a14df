"""The pipeline's metrics at Ray's endpoint, as far as they need no Ray; test_cluster.py has them with Ray."""

import logging
from collections.abc import Iterator
from pathlib import Path

import greenlane as gl
import numpy as np
import pytest
import torch
from greenlane.serve import _metrics
from greenlane.serve._metrics import Exporter
from python.pipelines import eventually, pipeline_of

X = np.arange(32, dtype=np.float32).reshape(4, 8)


class Gauges:
    """The values of all series, as Ray would have them."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
        self.made: list[str] = []
        self.help: dict[str, str] = {}

    def make(self, name: str, documentation: str, labels: tuple[str, ...]) -> "Gauges.One":
        self.made.append(name)
        self.help[name] = documentation
        return Gauges.One(self, name, labels)

    class One:
        def __init__(self, owner: "Gauges", name: str, labels: tuple[str, ...]) -> None:
            self.owner, self.name, self.labels = owner, name, labels

        def set(self, value: float, tags: dict[str, str]) -> None:
            assert set(tags) == set(self.labels)
            self.owner.values[self.name, tuple(sorted(tags.items()))] = value

    def of(self, name: str, **labels: str) -> float:
        return self.values[f"greenlane_{name}", tuple(sorted(labels.items()))]


@pytest.fixture
def pipeline(models: Path, tmp_path: Path) -> Iterator[gl.Pipeline]:
    with gl.Pipeline(pipeline_of(tmp_path, models, policy=("affine", {})), mode="shared") as opened:
        yield opened


def test_series_have_the_pipelines_names_labels_and_values(pipeline: gl.Pipeline) -> None:
    gauges = Gauges()
    exporter = Exporter(pipeline.metrics_text, gauges.make)
    for _ in range(5):
        pipeline["policy"].submit(torch.from_numpy(X)).result(60)
    for _ in range(2):
        exporter.export()
    assert len(gauges.made) == len(set(gauges.made))
    assert gauges.of("engine_latency_seconds_count", engine="policy") == 5
    assert gauges.of("engine_latency_seconds_bucket", engine="policy", le="+Inf") == 5
    assert gauges.of("engine_latency_seconds_sum", engine="policy") > 0
    bounds = [dict(labels)["le"] for name, labels in gauges.values if name.endswith("latency_seconds_bucket")]
    counts = [gauges.of("engine_latency_seconds_bucket", engine="policy", le=le) for le in sorted(bounds, key=float)]
    assert counts == sorted(counts), "each bucket has the runs of those below it"
    assert gauges.of("engine_failures_total", engine="policy") == 0
    assert gauges.of("build_info", version=gl.__version__) == 1
    assert "arrival" in gauges.help["greenlane_engine_latency_seconds_count"]


def test_a_series_that_is_gone_becomes_0(pipeline: gl.Pipeline) -> None:
    texts = ['# TYPE up gauge\nup{engine="a"} 1\nup{engine="b"} 1\n', '# TYPE up gauge\nup{engine="a"} 1\n']
    gauges = Gauges()
    exporter = Exporter(lambda: texts.pop(0) if len(texts) > 1 else texts[0], gauges.make)
    exporter.export()
    exporter.export()
    assert gauges.values == {("up", (("engine", "a"),)): 1, ("up", (("engine", "b"),)): 0}


def test_labels_are_ascii_as_ray_takes_them() -> None:
    gauges = Gauges()
    Exporter(lambda: '# TYPE up gauge\nup{engine="modèle"} 1\nup{engine="b"} 2\n', gauges.make).export()
    assert gauges.values == {("up", (("engine", "mod\\xe8le"),)): 1, ("up", (("engine", "b"),)): 2}


def test_the_thread_goes_on_after_an_error(
    pipeline: gl.Pipeline, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(_metrics, "PERIOD_S", 0.01)
    calls = 0

    def text() -> str:
        nonlocal calls
        calls += 1
        if calls < 3:
            raise RuntimeError("no figures")
        return pipeline.metrics_text()

    gauges = Gauges()
    exporter = Exporter(text, gauges.make)
    with caplog.at_level(logging.ERROR, "greenlane"):
        exporter.start()
        assert eventually(lambda: gauges.values)
        exporter.stop()
    assert [record.message for record in caplog.records] == ["the pipeline's metrics did not reach Ray"]
    so_far = calls
    assert not eventually(lambda: calls > so_far, 0.1)
