"""The program ``greenlane``, as the command of an installed wheel and ``python -m greenlane`` start it.

This file imports nothing of the package, and PyTorch not at all: importing PyTorch takes a second, and the program
loads it only where needed.
"""

import importlib.util
import os
import re
import sys
from pathlib import Path
from typing import NoReturn

_PACKAGE = Path(__file__).resolve().parent


def _find_program() -> Path:
    # Inside an installed package, or in a checkout's build folder.
    build = Path(os.environ.get("GREENLANE_BUILD", _PACKAGE.parents[1] / "build"))
    for path in (_PACKAGE / "bin" / "greenlane", build / "bin" / "greenlane"):
        if path.exists():
            return path
    sys.exit("greenlane: the program is not beside the package: build it with `make program`, or install a wheel")


def _environment() -> dict[str, str]:
    """Returns the environment, and in it PyTorch's folder unless the program finds PyTorch beside the package."""
    environment = dict(os.environ)
    if not (_PACKAGE.parent / "torch" / "lib").exists():  # a virtual environment may take PyTorch from the system
        torch = importlib.util.find_spec("torch")
        if torch is not None and torch.submodule_search_locations:
            environment.setdefault("GREENLANE_TORCH_DIR", torch.submodule_search_locations[0])
    return environment


def become_program() -> NoReturn:
    """Replaces the process by the program, with the arguments of the process."""
    os.execve(_find_program(), ["greenlane", *sys.argv[1:]], _environment())


def become_program_if_asked() -> None:
    """Replaces the process by the program if it was started as ``python -m greenlane``.

    Call it before PyTorch is imported.
    """
    # While Python looks for the module, argv[0] is "-m", and the module's name stands before the arguments.
    if sys.argv[:1] != ["-m"] or len(sys.orig_argv) < len(sys.argv):
        return
    if re.fullmatch(r"(-\w*m)?greenlane", sys.orig_argv[-len(sys.argv)]):
        become_program()
