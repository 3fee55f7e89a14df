"""Configurations: those in the checkout, the keys, and a comparison of the schema's verdicts with greenlane's."""

import itertools
import math
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli.program import greenlane, refusal
from python.test_leapp_nodes import described, text_of

from schemas.documents import GUIDES, ROOT, faults, parsed, schema, toml_blocks, validator
from schemas.mutations import PLAIN, WHOLE, one_change, two_keys
from schemas.verdicts import NOTHING_MEASURED, refusal_of_pipeline, toml
from schemas.written import save

TABLES = ("engine", "source", "lane", "path", "tenant")
CORPUS = sorted((ROOT / "tests" / "fuzz" / "corpus" / "toml").iterdir())


@pytest.mark.parametrize("file", sorted(ROOT.glob("examples/*/*.toml")), ids=lambda file: file.stem)
def test_the_examples_are_valid(file: Path) -> None:
    assert faults("pipeline", parsed(file.read_text())) == []


@pytest.mark.parametrize("document", GUIDES, ids=lambda file: file.name)
def test_the_documents_are_valid(document: Path, tmp_path: Path) -> None:
    for block in toml_blocks(document):
        whole = block if "engine" in block else {"engine": {name: PLAIN for name in block["lane"]}, **block}
        assert faults("pipeline", whole) == []
        assert refusal_of_pipeline(toml(whole), tmp_path) == ""


def test_the_documents_have_configurations() -> None:
    assert sum(len(toml_blocks(document)) for document in GUIDES) > 5


@pytest.mark.parametrize("file", CORPUS, ids=lambda file: file.name)
def test_the_fuzzers_inputs_have_one_verdict(file: Path, tmp_path: Path) -> None:
    text = file.read_text()
    try:
        document = parsed(text)
    except ValueError:
        document = None
    assert (document is None or faults("pipeline", document) != []) is (refusal_of_pipeline(text, tmp_path) != "")


def test_the_fuzzers_input_with_all_keys_is_right(tmp_path: Path) -> None:
    """Changes of an input that is refused at its first key would reach no other reader."""
    text = (ROOT / "tests" / "fuzz" / "corpus" / "toml" / "all-keys").read_text()
    assert refusal_of_pipeline(text, tmp_path) == ""
    document = parsed(text)
    used = {table: {key for each in document[table].values() for key in each} for table in TABLES}
    entries = [each["from"] for each in document["engine"].values() if isinstance(each.get("from"), list)]
    used["entry"] = {key for entry in itertools.chain(*entries) if isinstance(entry, dict) for key in entry}
    used[""] = set(document)
    assert used == {table: keys_of(table) for table in used}


def test_imported_pipelines_are_valid(tmp_path: Path) -> None:
    description = described(
        {"start": (0, 1), "clock": (1, 1), "use": (3, 1), "alone": (0, 1)},
        data_flow={"start/0": ["use/0"], "clock/0": ["use/1"]},
        feedback_flow={"clock/0": ["clock/0"]},
        inputs={"use": ["2"]},
        outputs={"use": ["0"]},
    )
    text = text_of(description)
    document = parsed(text)
    assert {"source", "engine", "path"} <= document.keys()
    assert faults("pipeline", document) == []
    assert refusal_of_pipeline(text, tmp_path) == ""


def keys_of(table: str) -> set[str]:
    """Returns the keys of a table, or of the whole file."""
    found = schema("pipeline")
    return set((found if table == "" else found["$defs"][table])["properties"])


def test_the_keys_are_those_that_greenlane_knows(tmp_path: Path) -> None:
    """An unknown key's refusal lists the known ones."""
    wrong: dict[str, dict[str, Any]] = {
        "": {"unknown": 1, "engine": {"a": PLAIN}},
        "engine": {"engine": {"a": PLAIN | {"unknown": 1}}},
        "source": {"source": {"a": {"unknown": 1}}, "engine": {"a": PLAIN}},
        "lane": {"engine": {"a": PLAIN}, "lane": {"a": {"unknown": 1}}},
        "path": {"engine": {"a": PLAIN}, "path": {"a": {"unknown": 1}}},
        "tenant": {"engine": {"a": PLAIN | {"tenant": "a"}}, "tenant": {"a": {"unknown": 1}}},
        "entry": {"engine": {"a": PLAIN | {"from": {"unknown": 1}}}},
    }
    for table, document in wrong.items():
        why = refusal_of_pipeline(toml(document), tmp_path)
        (known,) = re.findall(r"known here: ([\w, ]+)$", why)
        assert set(known.split(", ")) == keys_of(table), table


def test_the_keys_are_those_of_the_documents() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text()
    (text,) = re.findall(r"^## The pipeline.*?\n(.*?)^### Lanes without units", text, re.M | re.S)
    documented: dict[str, set[str]] = {table: set() for table in ("", "entry", *TABLES)}
    for block in re.findall(r"^```toml\n(.*?)^```", text, re.M | re.S):
        table = ""
        for line in block.splitlines():
            if begin := re.match(r"\[(\w+)\.", line):
                table = begin[1]
                documented[""].add(table)
                continue
            inner = re.findall(r"[{,] (\w+) = ", line)
            documented["entry"] |= set(inner)
            documented[table] |= set(re.findall(r"(?:^|^# |; )(\w+) = ", line))
    assert documented == {table: keys_of(table) for table in documented}


def test_a_whole_configuration_is_right(tmp_path: Path) -> None:
    """The changes start from it."""
    assert refusal_of_pipeline(toml(WHOLE), tmp_path) == ""
    assert faults("pipeline", WHOLE) == []
    tables = {kind: {key for table in WHOLE[kind].values() for key in table} for kind in TABLES}
    tables["entry"] = {key for each in WHOLE["engine"]["policy"]["from"] if isinstance(each, dict) for key in each}
    assert tables | {"": set(WHOLE)} == {table: keys_of(table) for table in ("", "entry", *TABLES)}


NAMES_AND_FLOW = [
    *(r"there is no (source or engine|source|engine) '", r"is no producer in `from`", r"no engine (runs on|takes)"),
    *(r"edges form a cycle", r"closes no cycle", r"has `initial` data", r"an earlier entry of the same producer"),
    *(r"there is no table \[tenant", r"no engine has this tenant", r"would wait until its deadline"),
    *(r"the sizes do not ascend", r"the last size is not `max_batch`"),
    *(r"only a queue can be full", r"has no units of its own", r"is on another device"),
]
"""Rules about several tables or entries together. They go by names, which a schema cannot follow."""

FORMS: list[tuple[str, Callable[[Any], bool]]] = [
    (r"no whole number|neither a whole number", lambda value: isinstance(value, float) and value.is_integer()),
    (r"must be a positive number", lambda value: isinstance(value, float) and math.isnan(value)),
    (r"neither a choice nor a time", lambda value: value in ("5e9us", "1e-9us")),
    (r"is no IP address", lambda value: value in ("[127.0.0.1]:9464", "[1:2]:9464")),
]
"""Values that a schema cannot tell: 8.0 is a whole number in JSON, NaN is no JSON, and two patterns would be long."""


def test_the_verdicts_are_greenlanes(tmp_path: Path) -> None:
    used: Counter[str] = Counter()
    accepted = refused = 0
    cases = [*one_change(), *((document, None) for document in two_keys())]
    for document, value in cases:
        why = refusal_of_pipeline(toml(document), tmp_path)
        is_valid = validator("pipeline").is_valid(document)
        accepted, refused = accepted + (not why), refused + (not is_valid)
        if is_valid and why:
            reasons = [each for each in NAMES_AND_FLOW if re.search(each, why)]
            reasons += [each for each, fits in FORMS if re.search(each, why) and fits(value)]
            assert reasons, f"greenlane refuses what the schema accepts: {why}\n{toml(document)}"
            used.update(reasons)
        elif not is_valid and not why:
            pytest.fail(f"the schema refuses what greenlane accepts:\n{toml(document)}")
    assert used.keys() == {*NAMES_AND_FLOW, *(each for each, _ in FORMS)}
    assert accepted > 300
    assert refused > 1000


def test_the_programs_verdict_is_the_librarys(tmp_path: Path) -> None:
    profile = save(tmp_path / "profile.json", NOTHING_MEASURED)
    file = tmp_path / "pipeline.toml"
    for change in ({}, {"rate_hz": 0}, {"unknown": 1}, {"deadline_ms": 5}):
        why = refusal_of_pipeline(toml({"engine": {"a": PLAIN | change}}), tmp_path)
        said = refusal("plan", file, "--profile", profile, "--no-verify", "--out", tmp_path / "plan.json")
        assert said == (f"greenlane: {file}:{why}\n" if why else said)
        assert ("the profile does not have this engine" in said) is (why == "")
    assert greenlane("plan", file, "--profile", profile, "--no-verify").returncode == 2
