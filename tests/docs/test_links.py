"""Links of the documents resolve as GitHub renders them; `make docs` checks those of the site."""

import re
from functools import cache
from pathlib import Path

import pytest

from docs.documents import DOCUMENTS, ROOT


def prose(document: Path) -> str:
    """Returns the text without blocks and without spans of code, in which brackets are no links."""
    return re.sub(r"`[^`\n]*`", "code", re.sub(r"^```.*?^```$", "", document.read_text(), flags=re.M | re.S))


def links(document: Path) -> list[str]:
    """Returns the targets of all links and images."""
    return re.findall(r"\]\(([^)\s]+)\)", prose(document))


@cache
def headings(document: Path) -> frozenset[str]:
    """Returns GitHub's names of the headings."""
    text = re.sub(r"^```.*?^```$", "", document.read_text(), flags=re.M | re.S)
    names: list[str] = []
    for heading in re.findall(r"^#+ (.+)$", text, re.M):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        name = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        count = sum(re.fullmatch(rf"{re.escape(name)}(-\d+)?", each) is not None for each in names)
        names.append(f"{name}-{count}" if count else name)
    return frozenset(names)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_has_a_target(document: Path) -> None:
    wrong = []
    for link in links(document):
        path, _, heading = link.partition("#")
        if path.startswith(("https:", "http:")):
            continue
        target = (document.parent / path).resolve() if path else document
        if not target.exists() or not target.is_relative_to(ROOT):
            wrong.append(f"{link}: there is no such file")
        elif heading and (target.suffix != ".md" or heading not in headings(target)):
            wrong.append(f"{link}: there is no such heading")
    assert wrong == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_named_file_exists(document: Path) -> None:
    """Files and folders of the checkout that stand in code, alone or in a command."""
    folders = "bench|bindings|cmake|docs|examples|include|python|src|tests|tools"
    inline = re.findall(r"`([^`\n]+)`", document.read_text())
    blocks = re.findall(r"^```sh\n(.*?)^```$", document.read_text(), re.M | re.S)
    named = re.findall(rf"(?<![\w/.-])(?:{folders})/[\w./-]+", "\n".join([*inline, *blocks]))
    headers = re.findall(r"(?<![\w/])greenlane/\w+(?:/\w+)*\.hpp", "\n".join(inline))
    files = [*named, *(f"include/{header}" for header in headers)]
    assert [name for name in files if not (ROOT / name).exists()] == []


def test_links_are_found() -> None:
    assert "docs/configuration.md" in links(ROOT / "README.md")
    assert "what-is-checked-of-an-engines-inputs" in headings(ROOT / "docs" / "architecture.md")
    assert sum(len(links(document)) for document in DOCUMENTS) > 60


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_each_sentence_has_its_own_line(document: Path) -> None:
    """In the source, outside of tables and of items of lists that begin with a title."""
    text = re.sub(r"^```.*?^```$", "", document.read_text(), flags=re.M | re.S)
    lines = [line for line in text.splitlines() if not line.startswith(("|", "#"))]
    plain = [re.sub(r"\*\*[^*]+\*\*|`[^`]*`|\[[^\]]*\]\([^)]*\)|\([^)]*\)", "x", line) for line in lines]
    assert [line for line in plain if re.search(r"[a-z][.!?] [A-Z]", line)] == []
