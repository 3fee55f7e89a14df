#!python
"""The command `greenlane` of a wheel. The first line becomes the path of the Python into which it is installed."""

import importlib.util
import sys

package = importlib.util.find_spec("greenlane")
if package is None or not package.submodule_search_locations:
    sys.exit(f"greenlane: the Python package is not installed for {sys.executable}: install greenlane again")
sys.path.insert(0, package.submodule_search_locations[0])  # importing the package would load PyTorch
_program = importlib.import_module("_program")
_program.become_program()
