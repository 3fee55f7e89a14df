"""Small files in the forms that `run`, `profile` and `plan` write, for the tests of reports."""

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parents[2] / "bench" / "results"
VERSIONS = {"greenlane": "0.1.0", "torch": "2.14.0", "cuda": "13.0", "driver": 13000}
GPU = {"id": "cuda:0", "name": "a GPU", "units": 132, "unit": "SM", "granularity": 8, "groups": 15, "remainder": 12}
CPU = {"id": "cpu", "name": "a CPU", "units": 4, "unit": "core", "granularity": 1, "groups": 4, "remainder": 0}


def save(folder: Path, name: str, document: object) -> Path:
    """Writes the document as JSON."""
    file = folder / name
    file.write_text(json.dumps(document))
    return file


def engine(name: str, p50_us: float, deadline_us: float | None = None, **fields: Any) -> dict[str, Any]:
    """Returns an engine's entry in results."""
    served = {"requests": 2000, "unserved": 0, "rate_hz": 100.0, "mean_us": p50_us * 1.1, "graphs": None}
    quantiles = zip(("p50_us", "p90_us", "p99_us", "p999_us", "max_us"), (1, 1.2, 2, 3, 5), strict=True)
    judged = {"deadline_us": deadline_us, "misses": 0, "checked": True, "error": None}
    return {
        "name": name,
        "lane": name,
        "units": 8,
        **served,
        **{key: p50_us * factor for key, factor in quantiles},
        **judged,
        **fields,
    }


def run(*engines: dict[str, Any], device: dict[str, Any] = GPU, mode: str = "lanes") -> dict[str, Any]:
    """Returns results of one mode."""
    one = {"mode": mode, "seconds": 20.0, "stopped_early": False, "engines": list(engines)}
    return {"greenlane": "0.1.0", "versions": VERSIONS, "device": {**device}, "config": "robot.toml", "modes": [one]}


def profile(*names: str) -> dict[str, Any]:
    """Returns a profile. Engines are faster on more units, and the last engine was also cut for gates."""

    def curve(scale: float) -> list[dict[str, Any]]:
        return [
            {"units": n, "p50_us": scale / n, "p99_us": 2 * scale / n, "mean_us": scale / n, "requests": 99}
            for n in (*range(8, 121, 8), 132)
        ]

    engines: list[dict[str, Any]] = [
        {"name": name, "curve": curve(1e4 * (i + 1)), "gated": []} for i, name in enumerate(names)
    ]
    engines[-1]["gated"] = [{"units": 132, "in_flight_us": 60.0, "overhead": 0.02, "slices": 40}]
    engines[-1]["long_kernel"] = {"name": "gemm", "time_us": 1090.0, "kernels": 3, "units": 132}
    return {"versions": VERSIONS, "device": {**GPU}, "engines": engines}


def candidate(mode: str, lanes: list[dict[str, Any]], owners: dict[str, str], slack: float | None) -> dict[str, Any]:
    """Returns one way to run the pipeline. Without partitions nothing is predicted."""
    judged = {"meets_deadlines": (slack or -1) > 0, "throughput": 0.7, "slack": slack}
    expected = {"p50_us": 150.0, "p99_us": 200.0, "rate_hz": 100.0}
    predicted = expected | {"utilisation": 0.1} if mode == "lanes" else None
    measured = expected | {"p99_us": 220.0, "requests": 200, "misses": 0, "error": None}
    engines = [{"name": n, "lane": o, "predicted": predicted, "measured": measured} for n, o in owners.items()]
    forecast = judged | {"exact": True, "gap": 0.0} if mode == "lanes" else None
    return {"mode": mode, "lanes": lanes, "engines": engines, "predicted": forecast, "measured": judged}


def plan() -> dict[str, Any]:
    """Returns a plan: policy on 16 SMs, head and hog behind gates on the rest; with the other tried ways."""
    lanes: list[dict[str, Any]] = [{"name": "policy", "units": 16}, {"name": "head", "units": "rest"}]
    lanes += [{"name": "hog", "beside": "head"}]
    names = ["policy", "head", "hog"]
    bare: list[dict[str, Any]] = [{"name": name} for name in names]
    tried = [
        candidate("lanes", lanes, dict(zip(names, names, strict=True)), 0.5),
        candidate("lanes", lanes[:2], {"policy": "policy", "head": "head", "hog": "head"}, 0.3),
        candidate("shared", bare, dict(zip(names, names, strict=True)), -2.5),
        candidate("gates", bare, dict(zip(names, names, strict=True)), None),
    ]
    known = {"versions": VERSIONS, "device": {**GPU}, "margin": 0.1, "contention": None, "corrections": None}
    known["reasons"] = ["engine 'hog' has units apart from 'policy': a kernel takes 1090 µs and cannot be cut"]
    return known | tried[0] | {"candidates": tried}


def audited_engine(name: str, lane: str | None, units: int, *strays: dict[str, Any]) -> dict[str, Any]:
    """Returns an engine's entry in an audit."""
    counts = {"calls": 10, "kernels": 400, "copies": 20, "gpu_us": 1500.0, "judged": True}
    return {"name": name, "lane": lane, "units": units, **counts, "strays": list(strays)}


def stray(kernel: str, where: str, cause: str | None, count: int = 7) -> dict[str, Any]:
    """Returns a stray: runs of a kernel outside of its partition, or of a kernel of no engine."""
    return {"kernel": kernel, "count": count, "gpu_us": 30.0, "where": where, "cause": cause}


def audit(*engines: dict[str, Any], others: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """Returns an audit's document."""
    clean = not any(each["strays"] for each in engines) and not any(each["cause"] for each in others or [])
    found = {"engines": list(engines), "others": others or [], "clean": clean, "dropped": 0}
    return {"greenlane": "0.1.0", "versions": VERSIONS, "device": {**GPU}, "config": "robot.toml", "audit": found}


def trace(requests: int = 300) -> dict[str, Any]:
    """Returns a trace of mode gates: policy at 200 Hz, whose request 100 is late, beside head, which runs in slices."""
    names = ["lane policy", "lane head", "gate", "slices of head"]
    events: list[dict[str, Any]] = [_name("process_name", 0, "mode gates")]
    events += [_name("thread_name", track, name) for track, name in enumerate(names, 1)]
    for i in range(requests):
        due = 5000.0 * i
        wait = 2000.0 if i == 100 else 10.0 + i % 7
        args = {"scheduled_us": due, "latency_us": wait + 500, "missed": i == 100}
        events.append(_event("policy", "request", 1, due + wait, 500.0, args))
        events.append(_event("closed", "pass", 3, due, wait + 500))
        best_effort = {"scheduled_us": due + 3000, "latency_us": 1900.0 + i, "missed": False}
        events.append(_event("head", "request", 2, due + 3000, 1900.0, best_effort))
        events += [_event("slice", "slice", 4, due + 3000 + 100 * k, 90.0) for k in range(19)]
    return {"traceEvents": events, "displayTimeUnit": "ms"}


def _name(kind: str, track: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "name": kind, "pid": 1, "tid": track, "args": {"name": name}}


def _event(
    name: str, category: str, track: int, begin: float, length: float, args: dict[str, Any] | None = None
) -> dict[str, Any]:
    shown = {"ph": "X", "name": name, "cat": category, "pid": 1, "tid": track}
    return shown | {"ts": begin, "dur": length, "args": args or {}}


def every_kind(folder: Path) -> list[Path]:
    """Writes one file of each form, all about the same engines."""
    results = run(
        engine("policy", 150.0, 1000.0, units=16),
        engine("head", 1900.0, units=64),
        engine("hog", 2500.0, 2000.0, units=48, misses=1500),
    )
    shared = run(engine("policy", 900.0, 1000.0, units=132, misses=40, unserved=7), mode="shared")
    results["modes"] += shared["modes"]
    results["modes"][1]["gate"] = {
        "passes": 9,
        "held": 5,
        "held_us": 1500.0,
        "longest_held_us": 700.0,
        "limits_hit": 1,
        "beside": 2,
    }
    return [
        save(folder, "results.json", results),
        save(folder, "trace.json", trace()),
        save(folder, "profile.json", profile("policy", "head", "hog")),
        save(folder, "plan.json", plan()),
    ]
