"""Every public name is documented, and the examples in the documentation run."""

import ast
import dataclasses
import doctest
import importlib
import inspect
import itertools
import pkgutil
from collections.abc import Iterator
from types import ModuleType

import greenlane as gl
import pytest


def modules() -> list[ModuleType]:
    names = [info.name for info in pkgutil.iter_modules(gl.__path__, "greenlane.")]
    return [gl, *(importlib.import_module(name) for name in names)]


def is_constant(value: object) -> bool:
    """Returns whether the value is a constant. A name of a type is one, too."""
    return not inspect.isclass(value) and not inspect.isfunction(value)


def public_objects() -> Iterator[tuple[str, object]]:
    """Yields the classes and functions of greenlane.__all__, with the public members of the classes."""
    for name in gl.__all__:
        value = getattr(gl, name)
        if is_constant(value):
            continue  # a constant: documented where it is defined
        yield name, value
        if inspect.isclass(value):
            for member, definition in vars(value).items():
                if not member.startswith("_") and (callable(definition) or isinstance(definition, property)):
                    yield f"{name}.{member}", definition


OBJECTS = dict(public_objects())


def test_the_names_are_found() -> None:
    assert {"Engine", "Lane", "load", "partition", "lane", "devices", "Engine.bind", "Lane.units"} <= OBJECTS.keys()
    assert len(modules()) >= 4


@pytest.mark.parametrize("name", OBJECTS)
def test_every_public_name_has_a_docstring(name: str) -> None:
    text = inspect.getdoc(OBJECTS[name])
    assert text
    assert len(text) > 10


def test_every_constant_has_a_docstring_below_it() -> None:
    constants = [name for name in gl.__all__ if is_constant(getattr(gl, name))]
    assert constants == ["REST", "Graphs", "Outputs", "StreamLike"]
    sources = "".join(inspect.getsource(module) for module in modules())
    for name in constants:
        lines = sources.splitlines()
        definition = next(i for i, line in enumerate(lines) if line.startswith(f"{name}:"))
        assert lines[definition + 1].startswith('"""')


def test_every_field_has_a_docstring_below_it() -> None:
    classes = {name for name, value in OBJECTS.items() if dataclasses.is_dataclass(value)}
    assert len(classes) > 10
    found = {
        node.name: node
        for module in modules()
        for node in ast.parse(inspect.getsource(module)).body
        if isinstance(node, ast.ClassDef) and node.name in classes
    }
    assert found.keys() == classes
    bare = [
        f"{name}.{ast.unparse(field.target)}"
        for name, node in found.items()
        for field, below in itertools.pairwise([*node.body, ast.Pass()])
        if isinstance(field, ast.AnnAssign)
        and not (isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant))
    ]
    assert bare == []


def test_all_lists_every_public_name() -> None:
    names = {name for name in vars(gl) if not name.startswith("_")}
    assert sorted(gl.__all__) == sorted(set(gl.__all__))
    assert set(gl.__all__) == names - {name for name in names if inspect.ismodule(getattr(gl, name))}


def test_the_examples_of_the_documentation_run() -> None:
    found = [case for module in modules() for case in doctest.DocTestFinder().find(module) if case.examples]
    assert len(found) >= 3
    for case in found:
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
        assert runner.run(case).failed == 0, case.name
