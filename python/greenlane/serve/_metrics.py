"""The pipeline's metrics at Ray's endpoint."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

PERIOD_S = 1.0
_PAUSE_S = 1e-4
"""Between two series. The event loop gives up Python's lock at each read and write, and would get it back after the
interpreter's switch interval only: without pauses it would stand still for all series."""
_log = logging.getLogger("greenlane")


class Gauge(Protocol):
    """A gauge as Ray has it."""

    def set(self, value: float, tags: dict[str, str]) -> None:
        """Sets the value of a series."""


MakeGauge = Callable[[str, str, tuple[str, ...]], Gauge]


class Exporter:
    """Copies metrics from Prometheus's text format to gauges, once in a while on a thread of its own.

    All are gauges, because Ray would change the names of counters, and its histograms take single observations only.
    Prometheus computes rates and quantiles of gauges, too.
    """

    def __init__(self, text: Callable[[], str], make_gauge: MakeGauge) -> None:
        """Makes it of a function that returns the text, and one that makes a gauge of name, help text and labels."""
        self._text = text
        self._make_gauge = make_gauge
        self._gauges: dict[tuple[str, tuple[str, ...]], Gauge] = {}
        self._series: dict[tuple[str, tuple[tuple[str, str], ...]], Gauge] = {}
        """The series of the last time."""
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Starts the thread."""
        self._thread = threading.Thread(target=self._run, name="greenlane-metrics", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def export(self) -> None:
        """Copies all metrics now. A series that is gone becomes 0, because Ray keeps the last value."""
        before, self._series = self._series, {}
        for name, documentation, labels, value in _samples(self._text()):
            escaped = {key: _ascii(label) for key, label in labels.items()}
            series = (name, tuple(escaped.items()))
            gauge = before.pop(series, None) or self._gauge(name, documentation, tuple(escaped))
            gauge.set(value, escaped)
            time.sleep(_PAUSE_S)
            self._series[series] = gauge
        for (_, pairs), gauge in before.items():
            gauge.set(0.0, dict(pairs))
            time.sleep(_PAUSE_S)

    def _gauge(self, name: str, documentation: str, labels: tuple[str, ...]) -> Gauge:
        key = (name, labels)
        if key not in self._gauges:
            self._gauges[key] = self._make_gauge(name, documentation, labels)
        return self._gauges[key]

    def _run(self) -> None:
        is_logged = False
        while not self._stop.wait(PERIOD_S):
            try:
                self.export()
                is_logged = False
            except Exception:  # metrics must not end the replica
                if not is_logged:
                    _log.exception("the pipeline's metrics did not reach Ray")
                is_logged = True


def ray_gauge(name: str, documentation: str, labels: tuple[str, ...]) -> Gauge:
    """Returns a gauge of Ray Serve, which adds the labels ``application``, ``deployment`` and ``replica``."""
    from ray.serve.metrics import Gauge as RayGauge

    make: Any = RayGauge  # its declaration allows one label only
    gauge: Gauge = make(name, documentation, labels)
    return gauge


def _ascii(label: str) -> str:
    """Returns a label as Ray takes it: other characters than ASCII's are escaped."""
    return label.encode("ascii", "backslashreplace").decode()


def _samples(text: str) -> Iterator[tuple[str, str, dict[str, str], float]]:
    """Yields names, help texts, labels and values."""
    from prometheus_client.parser import text_string_to_metric_families

    family: Any
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            yield sample.name, family.documentation, dict(sample.labels), float(sample.value)
