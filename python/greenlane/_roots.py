"""Objects that are searched for engines: modules, programs, packages of PyTorch's loader, and engines themselves."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import torch

from greenlane import _objects
from greenlane._native import ops

Root: TypeAlias = torch.nn.Module | torch.export.ExportedProgram | Any
"""A module, a program, a package that ``torch._inductor.aoti_load_package`` returned, or an engine object of
Torch-TensorRT."""

KINDS = (
    "an Engine (greenlane.load), a torch.nn.Module, a torch.export.ExportedProgram, a package from "
    "torch._inductor.aoti_load_package, or an engine object of Torch-TensorRT"
)

_PACKAGES = "torch._inductor.package.package"


def require_root(root: object) -> None:
    """Raises TypeError, with the accepted kinds, unless the root is of one of them."""
    if isinstance(root, torch.nn.Module | torch.export.ExportedProgram):
        return
    if loader_of(root) is not None or is_bare_engine(root):
        return
    kind = root._type().qualified_name() if isinstance(root, torch.ScriptObject) else type(root).__name__
    raise TypeError(f"cannot bind an object of the class {kind!r}: pass {KINDS}")


def loader_of(root: object) -> Any:
    """Returns PyTorch's loader of a package; None if the root is no package that PyTorch loaded."""
    packages = sys.modules.get(_PACKAGES)  # imported if a package was loaded
    if packages is not None and isinstance(root, packages.AOTICompiledModel):
        return root.loader
    loader_class = getattr(getattr(torch._C, "_aoti", None), "AOTIModelPackageLoader", None)
    return root if loader_class is not None and isinstance(root, loader_class) else None


def is_bare_engine(root: object) -> bool:
    """Returns whether the root is itself an engine object of Torch-TensorRT's runtime in C++ or in Python."""
    return _objects.is_bindable(root)


def has_forward(root: object) -> bool:
    """Returns whether the root itself can be bound, under the name ``""``."""
    return isinstance(root, torch.nn.Module) or is_bare_engine(root)


def modules_in(root: Root) -> dict[str, torch.nn.Module]:
    """Returns modules by dotted names; a module under two names is listed under both. Only modules have any."""
    return dict(root.named_modules(remove_duplicate=False)) if isinstance(root, torch.nn.Module) else {}


def objects_in(root: Root) -> Iterator[tuple[str, object]]:
    """Yields engine objects with the dotted names of their attributes, constants or keys; ``""`` is the root."""
    if isinstance(root, torch.nn.Module):
        yield from _attributes_of(root)
    elif isinstance(root, torch.export.ExportedProgram):
        yield from _bindable(root.constants.items())
    elif is_bare_engine(root):
        yield "", root
    else:
        yield from _bindable(sorted(_objects_of_package(loader_of(root)).items()))


def _objects_of_package(loader: Any) -> Mapping[str, object]:
    if not hasattr(loader, "get_custom_objs"):
        raise RuntimeError(
            f"PyTorch {torch.__version__} has no access to the engines inside a package: use PyTorch 2.13 or newer, "
            "or load the package with greenlane.load and bind it as a whole"
        )
    objects: Mapping[str, object] = loader.get_custom_objs()
    return objects


def _attributes_of(root: torch.nn.Module) -> Iterator[tuple[str, object]]:
    for name, module in root.named_modules(remove_duplicate=False):
        prefix = f"{name}." if name else ""
        attributes: Iterable[tuple[str, object]] = vars(module).items()
        if isinstance(module, torch.jit.ScriptModule):
            attributes = [(each, module._c.getattr(each)) for each in ops.bindable_attributes(module._c)]
        for attribute, value in _bindable(attributes):
            yield prefix + attribute, value


def _bindable(attributes: Iterable[tuple[str, object]]) -> Iterator[tuple[str, object]]:
    return ((name, value) for name, value in list(attributes) if _objects.is_bindable(value))
