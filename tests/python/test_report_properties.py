"""Documents that hypothesis makes from good ones. `greenlane.report` makes a page, or says why not, whatever they hold.

GREENLANE_FUZZ_EXAMPLES: the number of examples, for long runs by hand.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from python.report_files import audit, audited_engine, engine, every_kind, run, save, stray, trace
from python.test_report_mutations import NOT_AS_IT_WAS, changed, ends_well, paths_of

EXAMPLES = int(os.environ.get("GREENLANE_FUZZ_EXAMPLES", "60"))
LIMITS = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="GREENLANE_FUZZ_EXAMPLES" not in os.environ,
    database=None,
    suppress_health_check=list(HealthCheck),
)

# Any Python text, as in JSON: lone surrogates, too.
TEXT = st.text(st.characters(codec=None), max_size=20) | st.sampled_from(["</script>", "\x00", "\u202e", "a" * 5000])
NUMBERS = st.integers() | st.floats() | st.sampled_from([2**53, 2**63, -(2**63), 10**400, 1e308, 5e-324])
LEAVES = st.none() | st.booleans() | NUMBERS | TEXT | st.sampled_from(NOT_AS_IT_WAS)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=12
)


def documents(folder: Path) -> list[Any]:
    found = audit(audited_engine("policy", "fast", 16, stray("fill", "all of it", "a pool")), others=[])
    files = [*every_kind(folder), save(folder, "trace.json", trace(8)), save(folder, "audit.json", found)]
    two = run(engine("policy", 150.0, 1000.0), engine("head", 9e3))
    return [json.loads(file.read_text()) for file in files] + [two]


def without(document: Any, path: tuple[Any, ...]) -> Any:
    made = changed(document, path, None)
    inner = made
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return made


@st.composite
def mutants(draw: st.DrawFn, known: list[Any]) -> Any:
    """Draws a document with a few places changed: to another value, to nothing, or to a part from elsewhere in it."""
    document = draw(st.sampled_from(known))
    for _ in range(draw(st.integers(1, 4))):
        found = list(paths_of(document))
        if not found:
            return document
        path = draw(st.sampled_from(found))
        match draw(st.sampled_from(["value", "value", "without", "elsewhere"])):
            case "value":
                document = changed(document, path, draw(VALUES))
            case "without":
                document = without(document, path)
            case _:
                other = draw(st.sampled_from(found))
                inner = document
                for key in other:
                    inner = inner[key]
                document = changed(document, path, inner)
    return document


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    return documents(tmp_path_factory.mktemp("known"))


def test_a_changed_document_gives_a_page_or_one_message(
    known: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, page = tmp_path / "mutant.json", tmp_path / "page.html"

    @LIMITS
    @given(mutants(known))
    def check(document: Any) -> None:
        file.write_text(json.dumps(document))
        assert ends_well([file], page, capsys)

    check()


def test_two_changed_documents_give_a_page_or_one_message(
    known: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other, page = tmp_path / "one.json", tmp_path / "other.json", tmp_path / "page.html"

    @LIMITS
    @given(mutants(known), mutants(known))
    def check(first: Any, second: Any) -> None:
        one.write_text(json.dumps(first))
        other.write_text(json.dumps(second))
        assert ends_well([one, other], page, capsys)

    check()


def test_any_document_gives_a_page_or_one_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, page = tmp_path / "any.json", tmp_path / "page.html"

    @LIMITS
    @given(VALUES)
    def check(document: Any) -> None:
        file.write_text(json.dumps(document))
        assert ends_well([file], page, capsys)

    check()


def test_any_bytes_give_a_page_or_one_message(
    known: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, page = tmp_path / "bytes.json", tmp_path / "page.html"
    texts = [json.dumps(document).encode() for document in known]

    @LIMITS
    @given(st.sampled_from(texts), st.integers(0, 2000), st.integers(0, 40), st.binary(max_size=40))
    def check(text: bytes, at: int, gone: int, new: bytes) -> None:
        file.write_bytes(text[:at] + new + text[at + gone :])
        assert ends_well([file], page, capsys)

    check()
