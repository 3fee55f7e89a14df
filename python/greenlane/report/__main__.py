"""The command line: ``python -m greenlane.report FILE… -o page.html``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from greenlane.report._fields import ReportError
from greenlane.report._read import read
from greenlane.report._write import write


def main(arguments: Sequence[str] | None = None) -> int:
    """Makes the page; returns 2 for bad input, with one message and no file."""
    parser = argparse.ArgumentParser(
        prog="python -m greenlane.report",
        description="Makes one HTML page, which needs no network, from results, traces, profiles and plans.",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="what run, profile or plan wrote (JSON)")
    parser.add_argument("-o", "--out", required=True, type=Path, metavar="PAGE", help="write the page to this file")
    options = parser.parse_args(arguments)
    try:
        _make(options.files, options.out)
    except ReportError as error:
        print(f"greenlane.report: {error}", file=sys.stderr)
        return 2
    print(f"written to {str(options.out).encode(errors='backslashreplace').decode()}")  # a path need not be UTF-8
    return 0


def _make(files: Sequence[Path], page: Path) -> None:
    if any(page.exists() and file.exists() and page.samefile(file) for file in files):
        raise ReportError(f"'{page}' cannot be written", "it is one of the files to read", "name another file with -o")
    try:
        from greenlane.report._page import render  # last, because plotly is not installed with greenlane
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "plotly":
            raise
        raise ReportError(
            "the page cannot be made", "plotly is not installed", "install it with `pip install 'greenlane[report]'`"
        ) from error
    write(page, render(read(files), page))


if __name__ == "__main__":
    sys.exit(main())
