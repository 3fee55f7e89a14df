"""The documents, their fenced blocks, and the examples in the package's docstrings."""

import importlib
import inspect
import pkgutil
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TypeVar

import greenlane as gl

ROOT = Path(__file__).resolve().parents[2]
GUIDES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
DOCUMENTS = [*GUIDES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]


def blocks(language: str, document: Path) -> list[str]:
    """Returns the fenced blocks of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", document.read_text(), re.M | re.S)


def modules() -> Iterator[ModuleType]:
    """Yields the package and its modules."""
    yield gl
    for info in pkgutil.walk_packages(gl.__path__, "greenlane."):
        if not info.name.endswith("__main__"):
            yield importlib.import_module(info.name)


def literal_blocks() -> dict[str, str]:
    """Returns the literal blocks (below `::`) of all docstrings, by the names of the objects that they describe."""
    found: dict[str, str] = {}
    for module in modules():
        own = {
            name: value
            for name, value in vars(module).items()
            if getattr(value, "__module__", "") == module.__name__ and not isinstance(value, TypeVar)
        }
        for name, value in {module.__name__: module, **own}.items():
            members = vars(value).items() if inspect.isclass(value) else ()
            for where, each in [(name, value), *((f"{name}.{member}", of) for member, of in members)]:
                text = inspect.cleandoc(getattr(each, "__doc__", None) or "")
                for number, block in enumerate(re.findall(r"::\n\n((?:(?: {2,}[^\n]*)?\n)+)", f"{text}\n")):
                    found[f"{where}, {number}" if number else where] = textwrap.dedent(block)
    return found
