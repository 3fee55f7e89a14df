"""The site of documents and references: Sphinx over the repository's root (tools/docs.sh runs it)."""

import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))

project = "greenlane"
author = "the greenlane authors"
copyright = author
release = version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.M)[1]  # type: ignore[index]

extensions = ["breathe", "myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton"]
root_doc = "README"
include_patterns = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs/**"]
exclude_patterns = [".venv", "build"]
highlight_language = "none"
# Each page on C++ opens the same namespaces. tests/docs finds headers that are there twice.
suppress_warnings = ["duplicate_declaration.cpp"]
nitpicky = True
# Names of other libraries, names from include/greenlane/detail, and names that only modules of the package use.
nitpick_ignore_regex = [
    (r"py:.*", r"(torch|collections|os|pathlib|types|greenlane\._\w+)\..*|Tensor|nn\.Module"),
    (r"cpp:.*", r"(std|at|c10|torch)(::.*)?|u?int\d+_t|size_t|CUstream_st"),
    (r"cpp:.*", r"(.*::)?(detail|CapturedWork|GraphUse|KernelCode|SpanLog|TextSink|Workload)(::.*)?"),
]

# Guides: Markdown as GitHub renders it. Links to headings use GitHub's names for them.
myst_heading_anchors = 4

# The Python reference.
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autoclass_content = "class"
python_use_unqualified_type_names = True
add_module_names = False

# The C++ reference: of Doxygen's XML.
breathe_projects = {"greenlane": str(ROOT / "build" / "docs" / "xml")}
breathe_default_project = "greenlane"
breathe_default_members = ("members",)
breathe_show_include = False
cpp_index_common_prefix = ["greenlane::", "greenlane::audit::"]

html_theme = "furo"
html_title = f"greenlane {release}"
html_copy_source = False
html_show_sphinx = False
html_extra_path = ["index.html"]
html_static_path = ["static"]
html_css_files = ["greenlane.css"]

LABELS = "Throws|Thread safety|Stream order|Lifetime|Returns|Units"

CONTENTS = """

```{toctree}
:hidden:
:caption: Guides

docs/install
docs/pipelines
docs/configuration
docs/planning
docs/gates
docs/audit
docs/torch-tensorrt
docs/leapp
docs/metrics
docs/serving
docs/architecture
docs/benchmarks
```

```{toctree}
:hidden:
:caption: References

docs/site/python
docs/site/cpp
```

```{toctree}
:hidden:
:caption: Project

CONTRIBUTING
CHANGELOG
```
"""


def add_contents(_app: object, name: str, source: list[str]) -> None:
    """Adds the site's table of contents to the start page, where GitHub would show it as text."""
    if name == root_doc:
        source[0] += CONTENTS


def label_contracts(_app: object, _kind: str, _name: str, _object: object, _options: object, lines: list[str]) -> None:
    """Sets the labels of contracts in docstrings in bold."""
    for number, line in enumerate(lines):
        lines[number] = re.sub(rf"^({LABELS}):(?= )", r"**\1:**", line)


def hide_constructors(
    _app: object, kind: str, _name: str, _object: object, _options: object, signature: str, _result: str
) -> tuple[str, str] | None:
    """Hides the constructors: greenlane's functions make the objects."""
    return ("", "") if kind == "class" else None


def setup(app: Any) -> None:
    """Connects the functions above."""
    app.connect("autodoc-process-signature", hide_constructors)
    app.connect("source-read", add_contents)
    app.connect("autodoc-process-docstring", label_contracts)
