"""Imports pipelines that LEAPP exported: ``python -m greenlane.leapp FOLDER -o pipeline/``.

:func:`convert` does the same from a program. It compiles each node of the export into a package and writes the TOML
file that greenlane opens. The other modules are internal.
"""

from greenlane.leapp._convert import convert
from greenlane.leapp._error import LeappError

__all__ = ["LeappError", "convert"]
