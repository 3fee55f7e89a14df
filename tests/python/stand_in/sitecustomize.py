"""Stands in for PyTorch and plotly in interpreters that lack them: every module and every name exists."""

import importlib.abc
import importlib.machinery
import sys
import types
from collections.abc import Sequence
from typing import Any

ROOTS = ("torch", "plotly")


def stand_in(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    return Name(name, (), {"__init__": lambda self, *_, **__: None})


class Name(type):
    """A class whose attributes are such classes, too. It can be called, inherited from, and used in a type."""

    def __getattr__(cls, name: str) -> Any:
        return stand_in(name)


class Modules(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """A finder and loader of such modules."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        found = fullname.partition(".")[0] in ROOTS
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True) if found else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        return None

    def exec_module(self, module: types.ModuleType) -> None:
        module.__dict__["__getattr__"] = stand_in


sys.meta_path.insert(0, Modules())
