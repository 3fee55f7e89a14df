"""Configurations that are changed in one place or two, each right or wrong: material for a comparison of verdicts."""

import copy
import itertools
import math
from collections.abc import Iterator
from typing import Any

Document = dict[str, Any]

PLAIN = {"model": "a.pt2", "inputs": "a.inputs.pt"}

WHOLE: Document = {
    "device": "cpu",
    "libraries": ["libops.so", "lib/more.so"],
    "metrics": "127.0.0.1:9464",
    "source": {"camera": {"rate_hz": 30, "items": "camera.pt"}, "state": {}},
    "engine": {
        "vision": {**PLAIN, "from": "camera", "on": "camera", "lane": "eyes", "deadline_ms": 20},
        "policy": {
            **PLAIN,
            "from": [
                "vision",
                {"output": "vision.1"},
                {"output": "state", "queue": 8, "overflow": "reject"},
                {"output": "policy", "initial": "zeros"},
            ],
            "rate_hz": 200,
            "max_age_ms": 150.5,
        },
        "head": {**PLAIN, "gates": "50us", "weight": 2.5, "graphs": "resident", "tune_kernels": False, "seed": 1},
        "filter": {"module": "filter", "python": True, "inputs": "f.pt", "rate_hz": 2, "arrivals": "poisson"},
        "served": {**PLAIN, "request_queue": 8, "on_error": "stop", "hang_ms": 10, "check_outputs": True},
        "batched": {**PLAIN, "max_batch": 8, "max_delay_ms": 2.5, "batch_sizes": [1, 8], "tenant": "alice"},
        "stateful": {**PLAIN, "stateful": True},
    },
    "lane": {
        "eyes": {"units": 1},
        "policy": {"units": "rest"},
        "head": {"beside": "eyes"},
        "served": {"device": "cpu"},
    },
    "path": {"act": {"from": "camera", "to": "policy", "deadline_ms": 60}},
    "tenant": {"alice": {"weight": 3, "request_queue": 8, "rate_hz": 0.5, "burst": 2}},
}
"""Has every key, and is right."""

VALUES: list[Any] = [
    *(True, 0, 1, -1, 8, 0.5, 8.0, 1e-7, 1e-6, 1_000_000, 1_000_001, 1e9, 1e12, 1e13, 2**63 - 1),
    *(math.inf, math.nan, "", "a", "auto", "off", "rest", "cpu", "poisson", "camera", "50us", "9464"),
    *([], [""], ["camera"], ["camera", 3], [[]], {}, {"output": "camera"}, {"output": "camera", "x": 1}),
]
"""Values of all types, in and out of all ranges."""

TEXTS: dict[str, list[Any]] = {
    "device": ["cuda", "cuda:0", "cuda:12", "cuda:", "cuda:x", "cuda:-1", "cpu:0", "gpu", "CPU", " cpu"],
    "metrics": [
        *(
            "0",
            "65535",
            "65536",
            "009464",
            "localhost:0",
            "10.1.2.3:65535",
            "0.0.0.0:9464",
            "[::1]:9464",
            "-1",
            "9464 ",
        ),
        *("[fe80::1:2]:1", "[::ffff:1.2.3.4]:5", ":9464", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:-1"),
        *("127.0.0.1: 1", "example.org:9464", "[::1:9464", "[127.0.0.1]:9464", "[localhost]:1", "[1:2]:9464", "[]:1"),
        *("::1:9464", "1.2.3:9464", "1.2.3.4.5:9464", "256.1.1.1:9464", "01.2.3.4:1", "http://127.0.0.1:9464"),
    ],
    "gates": [
        *("0.5ms", ".5us", "5.us", "007us", "1000000us", "1000000.0us", "1000ms", "0.001us", "0.000001ms", "1e3us"),
        *("1000000.5us", "1000001us", "2000ms", "1000.1ms", "0us", "0.0us", "0.0001us", "0.0000001ms", "-5us", "+5us"),
        *("50", "us", "50s", "50 us", " 50us", "5e9us", "1e-9us", "infus", "nanus", "0x10us", ".us", "5.5.5us", "Auto"),
    ],
    "batch_sizes": [[8], [1, 2, 8], [8, 1], [1, 1, 8], [0, 8], [1.5, 8], ["8"], [1, 2], [9]],
    "graphs": ["resident", "untuned", "on"],
    "arrivals": ["periodic", "random"],
    "on_error": ["keep", "stop", "panic"],
    "overflow": ["drop_oldest", "reject", "block", "wait"],
    "initial": ["zeros", "./zeros"],
    "model": ["a/b.pt2", "/dev/null", "ä b"],
    "on": ["camera.1", ["camera", "vision"], ["vision"]],
    "from": [
        *("camera.1", "vision.1", ["camera", "vision"], {"output": ""}, {"output": 3}, {"queue": 8}, {"unknown": 1}),
        *({"output": "camera", "queue": 8}, {"output": "camera", "queue": 8, "overflow": "block"}),
        *({"output": "camera", "overflow": "reject"}, {"output": "policy", "initial": "zeros"}),
        {"output": "policy", "initial": "zeros", "queue": 8},
        {"output": "policy", "initial": "zeros", "overflow": "reject"},
        [{"output": "camera", "queue": 8}, {"output": "camera.1", "overflow": "reject"}],
        *([{"output": "camera", "overflow": "reject"}, "camera.1"], [{"output": "camera", "initial": "zeros"}]),
        [{"output": "camera", "queue": 8}, {"output": "camera.1", "queue": 9}],
        [{"output": "camera", "overflow": "reject"}, {"output": "state", "queue": 9}],
    ],
}
"""More values of keys with a form of their own."""

TENANT: Document = {"alice": {}}
BATCHED: Document = PLAIN | {"rate_hz": 5, "max_batch": 8}

PAIRED: Document = {
    **{"model": "a.pt2", "module": "m", "python": True, "inputs": "a.inputs.pt", "rate_hz": 5, "deadline_ms": 5},
    **{"lane": "a", "graphs": "off", "tune_kernels": True, "gates": "auto", "arrivals": "poisson", "weight": 2},
    **{"seed": 1, "stateful": True, "request_queue": 8, "on_error": "stop", "hang_ms": 10, "check_outputs": True},
    **{"from": "camera", "on": "camera", "max_age_ms": 5, "tenant": "alice"},
    **{"max_batch": 8, "max_delay_ms": 5, "batch_sizes": [8]},
}
"""A right value of each key of an engine. Any pair of keys may contradict each other."""


def one_change() -> Iterator[tuple[Document, Any]]:
    """Yields configurations in which one value is another, is gone or is new, and the new value."""
    seen = set()
    for path in paths(WHOLE):
        place = (path[0], *path[2:]) if len(path) > 2 else path
        if place in seen:
            continue  # a key of another engine
        seen.add(place)
        for value in [*VALUES, *TEXTS.get(str(path[-1]), [])]:
            yield changed(path, value), value
        yield changed(path, removed=True), None
        if isinstance(at(WHOLE, path), dict):
            for key in ("unknown", "rate", "outputs", ""):
                yield changed((*path, key), 1), 1
    for key in ("unknown", "engines", "lanes", ""):
        yield changed((key,), {}), {}


def two_keys() -> Iterator[Document]:
    """Yields engines with any two keys beside those that they need, or without one of these."""
    beside: Document = {"sink": {**PLAIN, "from": "camera", "on": []}, "tenants": {**PLAIN, "tenant": "alice"}}
    bases = (
        PLAIN,
        {"module": "m", "inputs": "i.pt"},
        PLAIN | {"rate_hz": 5},
        BATCHED,
        PLAIN | {"from": "camera", "on": []},
    )
    for base in bases:
        for pair in itertools.combinations(PAIRED, 2):
            engine = base | {key: PAIRED[key] for key in pair}
            yield {"source": {"camera": {}}, "tenant": TENANT, "engine": {"a": engine, **beside}}
    for units in ({}, {"units": 1}):
        for more in ({}, {"beside": "b"}, {"device": "cpu"}, {"beside": "b", "device": "cpu"}, {"beside": "a"}):
            lanes = {"a": {**units, **more}, "b": {}}
            yield {"engine": {"a": PLAIN, "b": PLAIN}, "lane": lanes}


def paths(document: Any, begin: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yields the way to each value in a document."""
    items = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in items:
        yield (*begin, key)
        if isinstance(value, dict | list):
            yield from paths(value, (*begin, key))


def at(document: Any, path: tuple[Any, ...]) -> Any:
    """Returns the value at the end of a way."""
    for key in path:
        document = document[key]
    return document


def changed(path: tuple[Any, ...], value: Any = None, *, removed: bool = False, document: Any = None) -> Any:
    """Returns a copy of a document, the whole configuration if it is none, with another value or without one."""
    made = copy.deepcopy(WHOLE if document is None else document)
    holder = at(made, path[:-1])
    if removed:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return made
