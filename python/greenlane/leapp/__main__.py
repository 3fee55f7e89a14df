"""The command line: ``python -m greenlane.leapp FOLDER -o pipeline/``."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from greenlane.leapp._convert import convert_with
from greenlane.leapp._error import LeappError


def main(arguments: Sequence[str] | None = None) -> int:
    """Converts an export; returns 2 for bad input, with one message and no file, and 1 if nothing can be printed."""
    parser = argparse.ArgumentParser(
        prog="python -m greenlane.leapp",
        description="Makes a pipeline of greenlane from a pipeline that LEAPP exported.",
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the folder that LEAPP wrote, or the YAML in it")
    parser.add_argument(
        "-o", "--out", required=True, type=Path, metavar="PIPELINE", help="write the pipeline into this folder"
    )
    parser.add_argument(
        "--device", metavar="DEVICE", help="cpu or cuda:N; the default is cuda:0, or the CPU if there is no GPU"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a pipeline of the same name")
    options = parser.parse_args(arguments)
    # PyTorch logs what it raises, too, and warns of a CUDA toolkit without a GPU.
    for name in ("torch._inductor", "torch._export", "torch.export", "torch.utils.cpp_extension"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        toml = convert_with(options.folder, options.out, options.device, options.overwrite, _print)
        _print(f"written to {toml}")
    except LeappError as error:
        print(f"greenlane.leapp: {error}", file=sys.stderr)
        return 2
    except _OutputError as error:
        remedy = "direct it to a file or a pipe that can be written"
        print(f"greenlane.leapp: standard output cannot be written: {error}; {remedy}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("greenlane.leapp: interrupted; nothing was written", file=sys.stderr)
        return 130
    return 0


class _OutputError(Exception):
    """Standard output cannot be written."""


def _print(line: str) -> None:
    if sys.stdout is None:
        raise _OutputError("it is closed")
    try:
        encoding = sys.stdout.encoding or "utf-8"
        print(line.encode(encoding, "backslashreplace").decode(encoding), flush=True)  # a path need not be UTF-8
    except OSError as error:
        # Python writes what is left in the buffer once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise _OutputError(error.strerror or str(error)) from None


if __name__ == "__main__":
    sys.exit(main())
