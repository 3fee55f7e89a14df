"""The command ``greenlane`` of an installed wheel.

A module of its own, because importing the package would load PyTorch, which takes a second.
"""

import importlib.util
import signal
import sys

# Ctrl-C ends Python here as it ends the program: without a traceback.
signal.signal(signal.SIGINT, signal.SIG_DFL)


def main() -> None:
    """Replaces the process by the program."""
    package = importlib.util.find_spec("greenlane")
    if package is None or not package.submodule_search_locations:
        sys.exit(f"greenlane: the Python package is not installed for {sys.executable}: install greenlane again")
    sys.path.insert(0, package.submodule_search_locations[0])
    importlib.import_module("_program").become_program()
