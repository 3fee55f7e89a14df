"""Whatever a file holds, `python -m greenlane.report` makes a page, or ends with one message and status 2."""

import copy
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import greenlane as gl
import pytest
from greenlane.report.__main__ import main

from python.report_files import CPU, audit, audited_engine, engine, every_kind, run, save, stray, trace

# Values that replace a number, a text, a list or an object. Infinity and NaN are written as Python writes them.
HUGE = 10**400
NOT_AS_IT_WAS: list[Any] = [
    *(HUGE, -HUGE, 10**30, 2**63, 10**9, 1e308, -1e308, 5e-324, 0, -0.0, -1, 0.5, -7.25),
    *(float("inf"), float("-inf"), float("nan"), True, None, "", "text", "\ud800", [], [[]], [None], {}, {"name": 1}),
]
SECONDS = 15.0  # for one test, at most


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yields the path of everything inside a document."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in pairs:
        yield (*path, key)
        yield from paths_of(each, (*path, key))


def changed(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    made = copy.deepcopy(document)
    inner = made
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return made


def ends_well(files: list[Path], page: Path, capsys: pytest.CaptureFixture[str]) -> bool:
    page.unlink(missing_ok=True)
    status = main([*map(str, files), "-o", str(page)])
    message = capsys.readouterr().err
    if status == 0:
        return page.exists() and message == ""
    return status == 2 and not page.exists() and message.count("\n") == 1


def kind_of(path: tuple[Any, ...]) -> tuple[Any, ...]:
    """Returns the kind of a place. Places in different elements of a list are of one kind."""
    return tuple("each" if isinstance(key, int) else key for key in path)


def mutations(known: dict[Path, Any]) -> list[tuple[Path, tuple[Any, ...], Any]]:
    """Returns triples of a file, a place in it, and a new value: one place of each kind, always in the same order."""
    chosen = random.Random(14)
    made = []
    for file, document in known.items():
        found: dict[tuple[Any, ...], list[tuple[Any, ...]]] = {}
        for path in paths_of(document):
            found.setdefault(kind_of(path), []).append(path)
        made += [(file, chosen.choice(paths), value) for paths in found.values() for value in NOT_AS_IT_WAS]
    chosen.shuffle(made)
    return made


def documents(folder: Path) -> dict[Path, Any]:
    found = audit(
        audited_engine("policy", "fast", 16, stray("fill", "all of it", "a pool")), others=[stray("a", "b", "c")]
    )
    files = [*every_kind(folder), save(folder, "trace.json", trace(20)), save(folder, "audit.json", found)]
    cpus = run(engine("policy", 150.0, 1000.0, cpus=[0, 2]), device=CPU | {"memory_bytes": 1, "hardware_queues": 8})
    cpus["modes"][0]["advice"] = ["engine 'hog': a kernel takes 1090 µs and cannot be cut"]
    return {file: json.loads(file.read_text()) for file in [*files, save(folder, "cpus.json", cpus)]}


def test_a_changed_file_gives_a_page_or_one_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known = documents(tmp_path)
    until = time.monotonic() + SECONDS
    for file, path, value in mutations(known):
        if time.monotonic() > until:
            break
        mutant = tmp_path / "mutant.json"
        mutant.write_text(json.dumps(changed(known[file], path, value)))
        assert ends_well([mutant], tmp_path / "page.html", capsys), (file.name, path, value)


@pytest.mark.parametrize("digits", ["1" + "0" * 400, "1e308", "1e400", "-1", "NaN"])
@pytest.mark.parametrize("key", ["requests", "max_us", "units"])
def test_an_impossible_number_is_named(
    key: str, digits: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = json.dumps(run(engine("policy", 150.0, 1000.0)))
    file = tmp_path / "r.json"
    before, after = text.rsplit(f'"{key}": ', 1)
    file.write_text(f'{before}"{key}": {digits}{after[after.index(",") :]}')
    assert main([str(file), "-o", str(tmp_path / "page.html")]) == 2
    assert f"modes[0].engines[0].{key} is not " in capsys.readouterr().err


def test_a_page_name_may_be_outside_utf8(tmp_path: Path) -> None:
    file, page = save(tmp_path, "r.json", run(engine("policy", 150.0))), os.fsencode(tmp_path / "caf") + b"\xe9.html"
    done = subprocess.run(
        [sys.executable, "-m", "greenlane.report", file, "-o", page],
        env={**os.environ, "PYTHONPATH": str(Path(gl.__file__).parents[1])},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert os.path.exists(page)
