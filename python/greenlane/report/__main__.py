"""The command line: ``python -m greenlane.report FILE… -o page.html``."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from greenlane.report._error import ReportError
from greenlane.report._read import read
from greenlane.report._write import is_standard_output, write


def main(arguments: Sequence[str] | None = None) -> int:
    """Makes the page; returns 2 for bad input, with one message and no file, and 1 if the notice cannot be printed."""
    parser = argparse.ArgumentParser(
        prog="python -m greenlane.report",
        description="Makes one HTML page, which needs no network, from results, traces, profiles and plans.",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="what run, profile or plan wrote (JSON)")
    parser.add_argument(
        "-o",
        "--out",
        required=True,
        type=Path,
        metavar="PAGE",
        help="write the page to this file; - is standard output",
    )
    options = parser.parse_args(arguments)
    page = Path("/dev/stdout") if str(options.out) == "-" else options.out
    try:
        _make(options.files, page)
    except ReportError as error:
        print(f"greenlane.report: {error}", file=sys.stderr)
        return 2
    notice = f"written to {str(page).encode(errors='backslashreplace').decode()}"  # a path need not be UTF-8
    if is_standard_output(page):
        print(notice, file=sys.stderr)
        return 0
    return _print(notice)


def _print(notice: str) -> int:
    """Prints to standard output; returns 1, with one message, if it cannot be written."""
    why = "it is closed"
    if sys.stdout is not None:
        try:
            print(notice, flush=True)
            return 0
        except OSError as error:
            why = error.strerror or str(error)
            # Python writes what is left in the buffer once more at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    remedy = "direct it to a file or a pipe that can be written"
    print(f"greenlane.report: standard output cannot be written: {why}; {remedy}", file=sys.stderr)
    return 1


def _make(files: Sequence[Path], page: Path) -> None:
    if any(os.path.exists(page) and os.path.exists(file) and page.samefile(file) for file in files):
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
