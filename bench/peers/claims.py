"""greenlane's claims against the others, and whether one mix confirms them."""

from collections.abc import Iterable
from typing import Any

from mixes import Mix
from rows import Json, Row

AGAINST_SHARED = 0.5  # of the best p99 without partitions
AGAINST_PARTITIONED = 1.0  # of the best p99 with partitions
THROUGHPUT = 1.3  # of the best-effort throughput of the best partitioned peer that meets the same deadlines

LANES = ("lanes",)
THROUGHPUT_MODES = ("gates", "plan")


def throughput(row: Row, alone: Row | None, mix: Mix) -> float | None:
    """Returns the weighted sum of best-effort rates, each relative to alone on the whole device, as in the planner."""
    total = 0.0
    for engine in mix.best_effort:
        seen, solo = row.engine(engine.name), alone.engine(engine.name) if alone else None
        if solo is None or not solo["rate_hz"]:
            return None
        total += engine.weight * (seen["rate_hz"] if seen else 0.0) / solo["rate_hz"]
    return total


def meets_deadlines(row: Row, mix: Mix) -> bool:
    """Returns true where every engine with a deadline has its p99 within it."""
    seen = [(row.engine(engine.name), engine.deadline_us) for engine in mix.urgent]
    return row.status == "measured" and all(
        engine is not None and deadline is not None and engine["p99_us"] <= deadline for engine, deadline in seen
    )


def best_p99(rows: Iterable[Row], engine: str) -> tuple[float, str] | None:
    """Returns the lowest p99 and the title of its row."""
    seen = [(measured["p99_us"], row.title) for row in rows if (measured := row.engine(engine))]
    return min(seen, default=None)


def verdict(claim: str, ours: Any, theirs: Any, factor: float, *, less: bool) -> Json:
    """Returns one claim with its figures, and whether it holds; null where there was nothing to compare."""
    result: Json = {"claim": claim, "ours": ours, "theirs": theirs, "factor": factor, "ratio": None, "holds": None}
    if ours is None or theirs is None or not theirs[0]:
        return result
    result["ratio"] = ours[0] / theirs[0]
    result["holds"] = result["ratio"] <= factor if less else result["ratio"] >= factor
    return result


def evaluate(mix: Mix, rows: list[Row]) -> list[Json]:
    """Evaluates all claims of one mix."""
    measured = [row for row in rows if row.status == "measured"]
    of_kind = {kind: [row for row in measured if row.kind == kind] for kind in ("shared", "partitioned", "greenlane")}
    lanes = [row for row in of_kind["greenlane"] if row.variant in LANES]
    claims = []
    for engine in mix.urgent:
        ours = best_p99(lanes, engine.name)
        for kind, factor in (("shared", AGAINST_SHARED), ("partitioned", AGAINST_PARTITIONED)):
            claim = f"{engine.name}: p99 on lanes at most {factor} of the best {kind}"
            claims.append(verdict(claim, ours, best_p99(of_kind[kind], engine.name), factor, less=True))
    alone = next((row for row in measured if row.kind == "alone"), None)

    def most(candidates: list[Row]) -> tuple[float, str] | None:
        sums = [(throughput(row, alone, mix), row.title) for row in candidates if meets_deadlines(row, mix)]
        return max([(value, title) for value, title in sums if value is not None], default=None)

    ours = most([row for row in of_kind["greenlane"] if row.variant in THROUGHPUT_MODES])
    claim = f"best-effort throughput at least {THROUGHPUT} of the best partitioned peer that meets the same deadlines"
    claims.append(verdict(claim, ours, most(of_kind["partitioned"]), THROUGHPUT, less=False))
    return claims
