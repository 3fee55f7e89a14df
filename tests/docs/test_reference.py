"""The site's references are complete: each public name of Python and each public header of C++ is there, once.

`make docs` finds members without a comment, links that lead nowhere, and names that no longer exist.
"""

import re
from collections import Counter

import greenlane as gl

from docs.documents import ROOT

SITE = ROOT / "docs" / "site"
HEADERS = ROOT / "include" / "greenlane"


def test_each_public_python_name_is_documented_once() -> None:
    listed = re.findall(
        r"^\.\. (?:auto(?:function|class|exception|data)|data):: (\w+)$", (SITE / "python.rst").read_text(), re.M
    )
    assert Counter(listed) == Counter(gl.__all__)


def test_each_public_header_is_documented_once() -> None:
    """The headers at the top only include the others."""
    public = [file for file in HEADERS.glob("*/*.hpp") if file.parent.name != "detail"]
    assert len(public) > 20
    listed = [
        (page.stem, name)
        for page in (SITE / "cpp").glob("*.rst")
        for name in re.findall(r"^\.\. doxygenfile:: (\w+\.hpp)$", page.read_text(), re.M)
    ]
    assert Counter(listed) == Counter((file.parent.name, file.name) for file in public)


def test_each_collecting_header_has_a_page() -> None:
    pages = {page.stem: page.read_text() for page in (SITE / "cpp").glob("*.rst")}
    assert pages.keys() == {file.stem for file in HEADERS.glob("*.hpp")}
    doxyfile = (SITE / "Doxyfile").read_text()
    for name, page in pages.items():
        assert f"#include <greenlane/{name}.hpp>" in page
        assert f"include/greenlane/{name}.hpp" in doxyfile, "the Doxyfile does not exclude the header"


def test_each_include_line_names_the_header_below() -> None:
    for page in (SITE / "cpp").glob("*.rst"):
        pairs = re.findall(r"^``#include <greenlane/(\S+)>``\n\n\.\. doxygenfile:: (\S+)$", page.read_text(), re.M)
        assert len(pairs) == page.read_text().count("doxygenfile")
        assert [include for include, _ in pairs] == [f"{page.stem}/{name}" for _, name in pairs]
