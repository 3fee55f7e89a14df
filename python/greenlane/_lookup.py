"""Finds the things that can be bound in a module, by dotted names."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches

import torch

from greenlane import _modules, _objects
from greenlane._calls import call_obstacle, is_mutable
from greenlane._engines import Engine
from greenlane._roots import Root, has_forward, modules_in, objects_in, require_root
from greenlane._targets import BindingTarget, EngineTarget, ModuleTarget, ObjectTarget, PackageTarget


def targets_in(root: Root) -> dict[str, BindingTarget]:
    """Returns everything that can be bound, by dotted names; a module under two names is listed under both.

    Engines inside packages are not listed.

    :raises TypeError: the root is of no known kind.
    """
    require_root(root)
    modules = modules_in(root)
    targets: dict[str, BindingTarget] = {name: _target(name, modules) for name in modules}
    return targets | {name: ObjectTarget(each) for name, each in objects_in(root)} | _compiled_targets(modules)


def target_at(root: Root, name: str) -> BindingTarget:
    """Returns the thing with this name.

    :raises ValueError: no thing, or more than one, has this name. The message lists the names.
    :raises TypeError: the root is of no known kind, or the name is no string.
    """
    require_root(root)
    if not isinstance(name, str):
        raise TypeError(f"{name!r} names no submodule: names of submodules are strings ('' is the module itself)")
    modules = modules_in(root)
    if name in modules:
        return _target(name, modules)
    objects = dict(objects_in(root))
    if name in objects:
        return ObjectTarget(objects[name])
    there = [*modules, *objects]
    by_metadata = [each for each in objects.values() if _objects.binding_of(each, make=True).name() == name]
    if len({ObjectTarget(each).key for each in by_metadata}) == 1:
        return ObjectTarget(by_metadata[0])
    if by_metadata:
        raise ValueError(f"{name!r} is the name of more than one engine{_hint(name, list(objects))}")
    parts = name.split(".")
    for length in range(len(parts)):
        above = ".".join(parts[:length])
        package = modules.get(above)
        if isinstance(package, Engine):
            inner = dict(_inside(package))
            rest = ".".join(parts[length:])
            if rest in inner:
                return inner[rest]
            there += [f"{above}.{each}" if above else each for each in inner]
        elif package is not None and is_mutable(package):
            raise ValueError(f"{name!r} cannot be bound: {_inside_mutable(above)}")
    if not name and not has_forward(root):
        raise ValueError(
            f"{type(root).__name__!r} has no forward that could be bound: name its engines{_hint('', there)}"
        )
    raise ValueError(f"there is no submodule {name!r}{_hint(name, there)}")


def _compiled_targets(modules: Mapping[str, torch.nn.Module]) -> dict[str, BindingTarget]:
    """Returns the things inside the models that Torch-TensorRT compiled last, which go with the module that compiles
    them."""
    targets: dict[str, BindingTarget] = {}
    for name, module in modules.items():
        compiled = vars(module).get("gm") if is_mutable(module) else None
        if isinstance(compiled, torch.nn.Module):
            where = f"{name}.gm" if name else "gm"
            targets |= {
                f"{where}.{inner}" if inner else where: target for inner, target in targets_in(compiled).items()
            }
    return targets


def _inside_mutable(above: str) -> str:
    where = repr(above) if above else "a MutableTorchTensorRTModule"
    return (
        f"it is inside {where}, which Torch-TensorRT recompiles when the model changes: a binding of a part "
        "would be lost; call greenlane.bind with the whole module"
    )


def _target(name: str, modules: Mapping[str, torch.nn.Module]) -> BindingTarget:
    module = modules[name]
    if isinstance(module, Engine):
        return PackageTarget(module)
    return ModuleTarget(module, _obstacle(name, modules))


def _inside(package: Engine) -> Iterator[tuple[str, BindingTarget]]:
    """Yields engines inside a package under their keys, and under their own names if those are unique."""
    engines = [(engine.key(), engine.binding()) for engine in package._native.inner_engines()]
    names = [binding.name() for _, binding in engines]
    for name, (key, binding) in zip(names, engines, strict=True):
        target = EngineTarget((id(package), key), binding)
        if names.count(name) == 1:
            yield name, target
        yield key, target


def _obstacle(name: str, modules: Mapping[str, torch.nn.Module]) -> str:
    """Returns why a call of this module does not run its own forward; empty if it does."""
    parts = name.split(".") if name else []
    for length in range(len(parts)):
        above = ".".join(parts[:length])
        if is_mutable(modules[above]):
            return _inside_mutable(above)
        if _modules.is_compiled(modules[above]):
            return f"it is inside {above!r}, which torch.compile made one program of: bind that"
        obstacle = _modules.compiled_obstacle(modules[above])
        if obstacle:
            return f"it is inside {above!r}, which{obstacle.removeprefix('it')}"
    return _modules.compiled_obstacle(modules[name]) or call_obstacle(modules[name])


def _hint(name: str, names: list[str]) -> str:
    if len(names) > 20:
        near = get_close_matches(name, names, n=5, cutoff=0.4) or [*names[:20], "…"]
        return f" (near it: {', '.join(map(repr, near))})"
    return f" (there are: {', '.join(map(repr, names))})"
