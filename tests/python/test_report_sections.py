"""The data behind a report's sections: distributions, the excerpt, and the lanes' units."""

from pathlib import Path
from typing import Any

import pytest
from greenlane._fields import Fields
from greenlane.report._distributions import _histogram, _survival
from greenlane.report._forms import Run
from greenlane.report._placement import of_mode, of_plan
from greenlane.report._plans import Plan
from greenlane.report._read import read
from greenlane.report._text import duration, share
from greenlane.report._timeline import window_of, worst_request
from greenlane.report._trace import Request, Trace, TracedMode

from python.report_files import CPU, GPU, engine, plan, run, save, trace


@pytest.mark.parametrize("count", [1, 2, 3, 1000, 5003])
def test_distributions_count_every_request(count: int) -> None:
    latencies = sorted(100.0 * (1 + i * 37 % 101) for i in range(count))
    histogram = _histogram("lanes", latencies, True)
    assert sum(histogram.y) == pytest.approx(1)
    assert histogram.y[0] == histogram.y[-1] == 0
    survival = list(zip(_survival("lanes", latencies).x, _survival("lanes", latencies).y, strict=True))
    assert survival[0] == (latencies[0], 1)
    assert survival[-1] == (latencies[-1], 1 / count)
    assert len(survival) <= 400
    for value, part in survival:
        index = count - round(part * count)
        assert latencies[index] == value


def request(latency: float, missed: bool = False, engine: str = "a", scheduled: float = 1e6) -> Request:
    return Request(engine, f"lane {engine}", scheduled + 5, scheduled + latency, scheduled, latency, missed)


def test_the_worst_request_is_late_or_unusually_slow() -> None:
    slow = [request(90_000, engine="b")] * 3
    usual, odd = [request(100)] * 5, request(900)
    assert worst_request(TracedMode("lanes", [], [*slow, *usual, odd])) == odd
    late = request(200, missed=True)
    assert worst_request(TracedMode("lanes", [], [*slow, *usual, odd, late])) == late


def test_the_excerpt_has_the_end_of_the_worst_request() -> None:
    begin, end = window_of(request(2000))
    assert begin < 1e6 < 1e6 + 2000 < end
    assert end - begin == 50_000
    begin, end = window_of(request(3e6))
    assert 1e6 < begin < 4e6 < end
    assert window_of(request(100, scheduled=0))[0] == 0


def test_a_trace_is_read_with_its_tracks(tmp_path: Path) -> None:
    (traced,) = read([save(tmp_path, "trace.json", trace())]).traces
    (mode,) = traced.modes
    assert mode.name == "gates"
    assert mode.tracks == ["lane policy", "lane head", "gate", "slices of head"]
    assert len(mode.requests) == 600
    assert {span.track for span in mode.spans} == {"gate", "slices of head"}
    worst = worst_request(mode)
    assert (worst.engine, worst.scheduled, worst.missed) == ("policy", 500_000, True)
    assert worst.end - worst.begin == pytest.approx(500)


def test_tracks_outside_the_modes_are_left_out() -> None:
    document = trace(1)
    document["traceEvents"].append({"ph": "X", "name": "other", "pid": 9, "tid": 1, "ts": 0, "dur": 1})
    document["traceEvents"].append({"ph": "C", "name": "counter", "pid": 1, "ts": 0})
    assert len(Trace.of(Fields(document), "t").modes[0].requests) == 2


def mode_of(*engines: dict[str, Any], device: dict[str, Any] = GPU) -> Any:
    one = Run.of(Fields(run(*engines, device=device)), "r")
    return of_mode(one.device, one.modes[0])


def test_lanes_of_a_gpu_are_drawn_consecutively() -> None:
    placed = mode_of(engine("a", 1.0, units=16), engine("b", 1.0, units=48), engine("c", 1.0, units=48, lane="b"))
    assert placed.units == {"a": tuple(range(16)), "b": tuple(range(16, 64))}
    assert placed.lanes == {"a": ["a"], "b": ["b", "c"]}
    assert len(placed.shown) == 132
    assert not placed.numbered


def test_lanes_of_a_cpu_are_drawn_at_their_cores() -> None:
    cores = {"units": 2}
    placed = mode_of(engine("a", 1.0, cpus=[5, 7], **cores), engine("b", 1.0, cpus=[7], units=1), device=CPU)
    assert placed.units == {"a": (5, 7), "b": (7,)}
    assert placed.shown == (0, 1, 5, 7)
    assert placed.numbered


def test_lanes_with_unknown_sharing_are_not_drawn() -> None:
    everybodys = Run.of(Fields(run(engine("a", 1.0, units=132), mode="shared")), "r")
    assert of_mode(everybodys.device, everybodys.modes[0]) is None
    assert mode_of(engine("a", 1.0, units=132), engine("b", 1.0, units=132)) is None
    assert mode_of(engine("a", 1.0, units=16), engine("b", 1.0, units=116), engine("c", 1.0, units=116)) is None


def test_a_plans_lanes_may_share_the_rest() -> None:
    planned = Plan.of(Fields(plan()), "p")
    assert planned.source.device is not None
    placed = of_plan(planned.source.device, planned.chosen)
    assert placed is not None
    assert {lane: len(units) for lane, units in placed.units.items()} == {"policy": 16, "head": 116, "hog": 116}
    assert placed.units["head"] == placed.units["hog"]
    assert of_plan(planned.source.device, planned.candidates[2]) is None


def test_lanes_in_a_circle_are_accepted() -> None:
    document = plan()
    document["lanes"] = [{"name": "policy", "beside": "head"}, {"name": "head", "beside": "policy"}]
    planned = Plan.of(Fields(document), "p")
    assert planned.chosen.units_of("policy", 132) == 132


def test_numbers_are_rounded_for_display() -> None:
    assert [duration(value) for value in (None, 0.5, 99.9, 99.96, 9999, 9999.6, 999_949, 999_951, 12.5e6)] == [
        *("–", "0.5 µs", "99.9 µs", "100 µs", "9999 µs", "10.0 ms", "999.9 ms", "1.00 s", "12.50 s")
    ]
    assert [share(value) for value in (1, 0.425, 0.0123456, -1425.06)] == ["100 %", "42.5 %", "1.23 %", "-142506 %"]
