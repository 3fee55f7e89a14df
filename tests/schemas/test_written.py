"""Files of the program: those that it writes now, those that are kept here, and changed ones."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
from greenlane.leapp import LeappError
from greenlane.leapp._target import _made
from python.report_files import audit, audited_engine, stray

from schemas.documents import ROOT, faults, properties, validator
from schemas.mutations import at, changed, paths
from schemas.written import Written

KEPT = [
    *(("results", ROOT / f"bench/results/h200-{name}.json") for name in ("compare", "memory", "neighbour")),
    *(("profile", ROOT / f"examples/robot/profiles/{name}.json") for name in ("h100", "h200")),
    *((kind, file) for kind in ("plan", "profile") for file in sorted(ROOT.glob(f"tests/fuzz/corpus/{kind}/*"))),
]


def read(file: Path) -> Any:
    return json.loads(file.read_text())


def audited() -> Any:
    """Returns an audit's file: an audit needs a GPU."""
    where = "all of cuda:0 (132 SMs)"
    document = audit(
        audited_engine("policy", "fast", 16, stray("fill", where, "a stream of PyTorch's pool")),
        audited_engine("loose", None, 0),
        others=[stray("sin", "partition 'fast' (16 SMs)", None)],
    )
    gpu = {"memory_bytes": 1, "compute_capability": "9.0", "driver_version": 13000, "partitions": True}
    document["device"] |= gpu | {"hardware_queues": 8}
    return document


def test_files_that_are_written_now_are_valid(written: Written) -> None:
    assert {kind for kind, _ in written.files.values()} == {"results", "trace", "profile", "plan", "devices"}
    for name, (kind, document) in written.files.items():
        assert faults(kind, document, closed=True) == [], name
    assert faults("audit", audited(), closed=True) == []


def test_the_written_files_have_many_forms(written: Written) -> None:
    """Otherwise the test above says little."""
    results, *_ = written.of("results")
    assert [each["mode"] for each in results["modes"]] == ["lanes", "gates", "shared", "priority"]
    assert any("gate" in each for each in results["modes"])
    assert all({"sources", "paths"} <= each.keys() for each in results["modes"])
    assert any("edges" in each for each in results["modes"][0]["engines"])
    plans = written.of("plan")
    assert any(each["measured"] for each in plans)
    assert any(lane.get("units") == "rest" for each in plans for lane in each["lanes"])
    assert any("beside" in lane for each in plans for lane in each["lanes"])
    assert any(engine.get("gated") for each in plans for engine in each["engines"])
    assert any(each.get("paths") for each in plans)
    (trace,) = written.of("trace")
    assert {(each["ph"], each.get("cat")) for each in trace["traceEvents"]} == {
        *(("M", None), ("X", "publish"), ("X", "request"), ("X", "pass")),
        *(("s", "item"), ("t", "item"), ("f", "item")),
    }


def test_a_long_kernel_is_valid_in_each_file(written: Written) -> None:
    """A kernel needs a GPU."""
    kernel = {"name": "matmul", "time_us": 1090.0, "kernels": 1}
    graphs = {"replays": 1, "kernel_units": None, "bytes": 1, "obstacle": None, "slices": 4, "longest_slice_us": 1090.0}
    cases: list[tuple[str, tuple[Any, ...], Any]] = [
        ("results", ("modes", 0, "engines", 0, "graphs"), {**graphs, "long_kernel": kernel}),
        ("results", ("modes", 0, "engines", 0, "graphs"), {**graphs, "long_kernel": None}),
        ("results", ("modes", 0, "advice"), ["engine 'hog': kernel 'matmul' takes 1090 µs"]),
        ("profile", ("engines", 0, "long_kernel"), {**kernel, "units": 132}),
        ("plan", ("reasons",), ["engine 'hog' has units apart from 'policy'"]),
    ]
    for kind, path, value in cases:
        document = samples(written)[kind]
        assert faults(kind, changed(path, value, document=document), closed=True) == [], path
        assert faults(kind, changed((*path[:-1], "Q"), value, document=document), closed=True) != [], path


@pytest.mark.parametrize(("kind", "file"), KEPT, ids=lambda each: Path(each).name)
def test_files_that_are_kept_are_valid(kind: str, file: Path) -> None:
    assert faults(kind, read(file)) == []


@pytest.mark.parametrize("mix", ["memory", "neighbour", "robot", "tight"])
def test_plans_that_are_kept_are_valid(mix: str) -> None:
    assert faults("plan", read(ROOT / f"bench/results/h100-planning-{mix}.json")["plan"], closed=True) == []


OPTIONAL = {
    "results": {
        *("cpus", "gate", "sources", "paths", "not_ready", "stale", "age_p50_us", "age_p99_us", "edges"),
        *("skipped", "spin_ms", "graphs"),  # files of older versions lack these
        *("slices", "longest_slice_us", "look_ahead", "gate_obstacle", "long_kernel"),
        *("advice", "name"),
    },
    "audit": {"hardware_queues"},
    "devices": {"hardware_queues"},
    "trace": {"bp"},
    "profile": {"versions", "unit", "memory_bytes", "greenlane", "torch", "cuda", "driver", "long_kernel"},
    "plan": {
        *("versions", "device", "mode", "paths", "predicted", "measured", "margin", "contention", "corrections"),
        *("reasons", "candidates", "units", "beside", "slice_us", "gated", "exact", "gap"),
        *("greenlane", "torch", "cuda", "driver"),
        *("id", "name", "unit", "granularity", "groups", "remainder", "memory_bytes", "partitions"),
        *("compute_capability", "driver_version"),
    },
}
"""Keys that a file may lack somewhere."""

RELATED = {"not_ready", "stale", "age_p50_us", "age_p99_us", "edges", "bp"}
"""Keys of OPTIONAL that an object has because of others in it: each of them alone is needed."""


def shortened(document: Any) -> Any:
    """Returns a document with two items of each list, which is enough to change each kind of value."""
    if isinstance(document, dict):
        return {key: shortened(value) for key, value in document.items()}
    if isinstance(document, list):
        return [shortened(each) for each in document[:2]]
    return document


def samples(written: Written) -> dict[str, Any]:
    """Returns a short file of each kind."""
    (trace,) = written.of("trace")
    kinds = {(each["ph"], each.get("cat"), each["name"] == "thread_name"): each for each in trace["traceEvents"]}
    plan = next(each for each in written.of("plan") if each["measured"])
    return {
        "results": shortened(written.of("results")[0]),
        "audit": audited(),
        "devices": shortened(written.of("devices")[-1]),
        "profile": shortened(written.of("profile")[0]),
        "plan": shortened(plan),
        "trace": {**trace, "traceEvents": list(kinds.values())},
    }


OTHERS: list[Any] = [{"unknown": []}, [[[]]]]
"""Values that no key has."""


def test_changed_files_are_refused(written: Written) -> None:
    for kind, document in samples(written).items():
        check = validator(kind, closed=True)
        assert check.is_valid(document), kind
        for path in paths(document):
            for value in OTHERS:
                if at(document, path) not in ([], {}):
                    assert not check.is_valid(changed(path, value, document=document)), (kind, path)
            if isinstance(at(document, path), dict):
                assert not check.is_valid(changed((*path, "unknown"), 1, document=document)), (kind, path)
        if isinstance(document, dict):
            assert not check.is_valid(document | {"unknown": 1}), kind


def test_files_without_a_key_are_refused(written: Written) -> None:
    for kind, document in samples(written).items():
        check = validator(kind, closed=True)
        lacking = {
            path[-1]
            for path in paths(document)
            if isinstance(path[-1], str) and check.is_valid(changed(path, removed=True, document=document))
        }
        assert lacking <= OPTIONAL[kind] - RELATED, kind


def test_files_of_greenlane_are_told_apart(written: Written) -> None:
    """As the report does, by their form."""
    for kind, document in samples(written).items():
        assert [other for other in OPTIONAL if validator(other).is_valid(document)] == [kind]


SHARED = ("src/runtime/device_json.cpp", "src/runtime/long_kernel.cpp", "src/runtime/report.cpp")
"""The sources that write parts of several kinds of files: devices, versions, kernels and figures."""

WRITERS = {
    "results": [*SHARED],
    "audit": [*SHARED, "src/audit/audit_report.cpp"],
    "devices": [*SHARED, "src/runtime/device_json.cpp"],
    "profile": [*SHARED, "src/runtime/profile_file.cpp"],
    "plan": [*SHARED, "src/runtime/plan/plan_json.cpp"],
    "trace": ["src/runtime/trace.cpp", "src/runtime/trace_flows.cpp"],
}
"""The sources that write each kind of file."""


def emitted(file: str) -> set[str]:
    """Returns the keys in the JSON that a source writes."""
    text = re.sub(r"Table table\(\{.*?\}", "", (ROOT / file).read_text(), flags=re.S)  # of a table for people
    found = re.findall(r'\{"(\w+)",|\["(\w+)"\]|"(\w+)":', text)
    return {key for keys in found for key in keys if key}


def test_each_key_that_a_source_writes_is_in_a_schema() -> None:
    """So keys that need a GPU are there, too."""
    for kind, files in WRITERS.items():
        known = properties("results") | properties("audit") | properties(kind)  # report.cpp writes both
        assert emitted(files[-1]) - known == set(), kind
        assert properties(kind) - {key for file in files for key in emitted(file)} == set(), kind


@pytest.mark.parametrize(
    ("names", "is_right"),
    [
        (["a.pt2", "made.json", "ä b", "..a"], True),
        ([], True),
        *(([name], False) for name in ("", ".", "..", "a/b", "a\\b", "a\0", 3, None)),
        ({"a": 1}, False),
        ("a", False),
    ],
)
def test_the_importers_list_has_plain_names(names: Any, is_right: bool, tmp_path: Path) -> None:
    (tmp_path / "made.json").write_text(json.dumps(names))
    assert (faults("made", names) == []) is is_right
    if is_right:
        assert _made(tmp_path) == set(names)
    else:
        with pytest.raises(LeappError):
            _made(tmp_path)


def test_changing_a_document_leaves_it_as_it_was() -> None:
    document = {"a": [{"b": 1}]}
    before = copy.deepcopy(document)
    assert changed(("a", 0, "b"), 2, document=document) == {"a": [{"b": 2}]}
    assert document == before
