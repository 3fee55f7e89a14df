"""The program ``greenlane``, as ``python -m greenlane`` starts it."""

import os
import sys
from pathlib import Path
from typing import NoReturn


def _find_program() -> Path:
    package = Path(__file__).resolve().parent
    # Inside an installed package, or in a checkout's build folder.
    for path in (package / "bin" / "greenlane", package.parents[1] / "build" / "bin" / "greenlane"):
        if path.exists():
            return path
    sys.exit("greenlane: the program is not beside the package: build it with `make program`, or install a wheel")


def become_program() -> NoReturn:
    """Replaces the process by the program, with the arguments of the process."""
    os.execv(_find_program(), ["greenlane", *sys.argv[1:]])


def become_program_if_asked() -> None:
    """Replaces the process by the program if it was started as ``python -m greenlane``.

    Call it before PyTorch is imported. That takes a second, and the program loads PyTorch only where needed.
    """
    # While Python looks for the module, argv[0] is "-m", and the module's name stands before the arguments.
    if sys.argv[:1] == ["-m"] and sys.orig_argv[-len(sys.argv)].removeprefix("-m") == "greenlane":
        become_program()
