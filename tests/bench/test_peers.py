"""bench/peers: mixes, merging, claims and the table of the race."""

from pathlib import Path
from typing import Any

import pytest
from claims import evaluate, meets_deadlines, throughput
from mixes import load_mix
from rows import Row, rows_of
from table import text

from bench.peer_rows import MIX, engine, mix, row

LANES: dict[str, Any] = {"name": "greenlane", "kind": "greenlane", "variant": "lanes"}
GATES: dict[str, Any] = {"name": "greenlane", "kind": "greenlane", "variant": "gates"}


def test_one_lane_gets_the_remaining_units(tmp_path: Path) -> None:
    assert mix(tmp_path).sizes(132) == {"head": 68, "vision": 48, "policy": 16}


def test_priorities_follow_the_deadlines(tmp_path: Path) -> None:
    small = mix(tmp_path)
    assert small.priorities() == {"head": 0, "vision": -1, "policy": -2}
    assert [each.deadline_us for each in small.urgent] == [1000.0, 20_000.0]


def test_engines_that_share_a_lane_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="give each its own"):
        mix(tmp_path, MIX.replace("rate_hz = 50\n", 'rate_hz = 50\nlane = "policy"\n'))


@pytest.mark.parametrize("name", ["h200", "h200-neighbour", "h200-memory"])
def test_the_example_mixes_can_be_read(name: str) -> None:
    robot = Path(__file__).resolve().parents[2] / "examples" / "robot"
    known = load_mix(robot / f"{name}.toml")
    assert sum(known.sizes(132).values()) == 132
    assert [each.name for each in known.urgent] == ["policy", "vision"]


def member(*engines: dict[str, Any], **failed: str) -> dict[str, Any]:
    """Returns the output of one process about the variant eager."""
    return {"variants": {"eager": {"engines": list(engines), "failed": failed}}}


def test_processes_are_merged_into_one_row() -> None:
    members = [member(engine("policy")), member(engine("head"))]
    [merged] = rows_of(Row("processes", "shared"), members, None, ["eager"])
    assert (merged.status, merged.variant, merged.what_happened) == ("measured", "eager", None)
    assert [each["name"] for each in merged.engines] == ["policy", "head"]


@pytest.mark.parametrize(
    ("members", "problem", "happened"),
    [
        ([member(engine("policy")), {"variants": {}}], "head: exit status 1: boom", "head: exit status 1: boom"),
        ([member(engine("policy")), {"variants": {}}], None, "a process wrote no result"),
        ([member(engine("policy", error="it threw")), member(engine("head"))], None, "policy: it threw"),
        ([member(engine("policy")), member(head="cannot be captured")], None, "head: cannot be captured"),
    ],
)
def test_a_failed_row_keeps_its_reason(members: list[dict[str, Any]], problem: str | None, happened: str) -> None:
    [merged] = rows_of(Row("processes", "shared"), members, problem, ["eager"])
    assert (merged.status, merged.what_happened) == ("failed", happened)
    assert merged.engine("policy")


def test_a_crash_keeps_the_other_variant() -> None:
    rows = rows_of(Row("peer", "shared"), [member(engine("policy"))], "exit status -6: abort", ["eager", "graphs"])
    assert [each.status for each in rows] == ["measured", "failed"]
    assert rows[1].what_happened == "exit status -6: abort"


def test_a_missing_peer_is_absent() -> None:
    [absent] = rows_of(Row("peer", "shared"), [{"absent": "not installed", "variants": {}}], None, ["eager", "graphs"])
    assert (absent.status, absent.what_happened) == ("absent", "not installed")


def test_throughput_is_weighted_and_relative(tmp_path: Path) -> None:
    weighted = mix(tmp_path, MIX.replace("[engine.vision]", "weight = 3\n[engine.vision]", 1))
    alone = row("alone", "alone", head=20.0)
    assert throughput(row("peer", "shared", head=5.0), alone, weighted) == pytest.approx(0.75)
    assert throughput(row("peer", "shared"), None, weighted) is None


def test_measured_p99s_decide_about_deadlines(tmp_path: Path) -> None:
    small = mix(tmp_path)
    assert meets_deadlines(row("peer", "shared", policy=1000.0), small)
    assert not meets_deadlines(row("peer", "shared", policy=1001.0), small)
    assert not meets_deadlines(row("peer", "shared", status="failed"), small)
    assert not meets_deadlines(Row("peer", "shared", engines=[engine("policy")]), small)


def test_claims_compare_with_the_best_of_each_kind(tmp_path: Path) -> None:
    rows = [
        row("alone", "alone", head=20.0),
        row("plain", "shared", policy=500.0),
        row("priority", "shared", policy=300.0),
        row("pool", "partitioned", policy=150.0, head=4.0),
        row(**LANES, policy=140.0),
        row(**GATES, policy=900.0, head=8.0),
    ]
    claims = {each["claim"]: each for each in evaluate(mix(tmp_path), rows)}
    against_shared = claims["policy: p99 on lanes at most 0.5 of the best shared"]
    assert against_shared["theirs"] == (300.0, "priority")
    assert against_shared["ratio"] == pytest.approx(140 / 300)
    assert against_shared["holds"] is True
    assert claims["policy: p99 on lanes at most 1.0 of the best partitioned"]["holds"] is True
    assert claims["vision: p99 on lanes at most 0.5 of the best shared"]["holds"] is False
    [throughput_claim] = [each for name, each in claims.items() if "throughput" in name]
    assert throughput_claim["ours"] == (pytest.approx(0.4), "greenlane, gates")
    assert throughput_claim["ratio"] == pytest.approx(2.0)
    assert throughput_claim["holds"] is True


def test_throughput_is_not_compared_with_a_late_peer(tmp_path: Path) -> None:
    late = row("pool", "partitioned", policy=2000.0, head=19.0)
    rows = [row("alone", "alone", head=20.0), late, row(**GATES, head=8.0)]
    last = evaluate(mix(tmp_path), rows)[-1]
    assert (last["theirs"], last["holds"]) == (None, None)


def test_a_failed_row_proves_no_claim(tmp_path: Path) -> None:
    rows = [row("alone", "alone"), row("plain", "shared", policy=500.0, status="failed"), row(**LANES)]
    assert all(each["holds"] is None for each in evaluate(mix(tmp_path), rows))


def test_the_table_has_every_contestant(tmp_path: Path) -> None:
    small = mix(tmp_path)
    absent = Row("XSched", "scheduled", status="absent", what_happened="not installed")
    rows = [row("alone", "alone", head=20.0), row("plain", "shared", policy=2000.0), absent, row(**LANES)]
    lines = text(small, rows, evaluate(small, rows)).splitlines()
    assert lines[0] == "mix small"
    assert lines[1].split("  ")[1] == "contestant"
    plain = next(line for line in lines if line.startswith("  plain"))
    assert "1000 / 2000 / 4000  0/10" in plain
    assert plain.endswith("missed")
    assert "  XSched: not installed" in lines
    assert any(
        "vision: p99 on lanes at most 0.5 of the best shared (1.000), against plain: DOES NOT HOLD" in line
        for line in lines
    )
