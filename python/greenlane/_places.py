"""What can be bound in a module, by name: the module itself, its submodules, engines among them and inside packages."""

import dataclasses
from collections.abc import Hashable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Protocol, TypeAlias

import torch

from greenlane import _modules, _objects
from greenlane._engines import Engine
from greenlane._graphs import GraphOptions, GraphReport, report_of
from greenlane._lanes import Lane
from greenlane._native import ops
from greenlane._streams import StreamLike, handle_of

Root: TypeAlias = torch.nn.Module | torch.export.ExportedProgram


class Place(Protocol):
    """One thing that has a binding, or can be given one."""

    @property
    def key(self) -> Hashable:
        """The same for the same thing under another name."""

    def binding(self) -> Any:
        """The torchbind object of its binding, set or not; None where it has none so far."""

    def stands_alone(self) -> bool:
        """Whether it has a binding of its own beside that of the module that it is inside."""

    def prepare(self, name: str, stream: StreamLike) -> Any:
        """That, made where there is none, but not in force yet; ValueError with the reason where it cannot be bound."""

    def attach(self, binding: Any) -> None:
        """Makes its calls go through the binding."""

    def tidy(self) -> None:
        """Takes away what :meth:`attach` did where nothing is bound any more."""

    def can_capture(self) -> bool:
        """Whether :meth:`use_graphs` does anything on a GPU."""

    def use_graphs(self, options: GraphOptions | None) -> None:
        """Replays its calls from CUDA graphs from now on; None: no more."""

    def graph_options(self) -> GraphOptions | None:
        """What :meth:`use_graphs` said last."""

    def graph_report(self) -> GraphReport | None:
        """Its CUDA graphs; None where it has none."""


class EnginePlace:
    """An engine, which has its binding in it; or an engine inside a package."""

    def __init__(self, key: Hashable, binding: Any) -> None:
        self.key = key
        self._binding = binding

    def binding(self) -> Any:
        """See :class:`Place`."""
        return self._binding

    def stands_alone(self) -> bool:
        """See :class:`Place`."""
        return True

    def prepare(self, name: str, stream: StreamLike) -> Any:
        """See :class:`Place`."""
        return self._binding

    def attach(self, binding: Any) -> None:
        """See :class:`Place`: nothing to do."""

    def tidy(self) -> None:
        """See :class:`Place`: nothing to do."""

    def can_capture(self) -> bool:
        """See :class:`Place`: what it captures is its own affair, since it was loaded."""
        return False

    def use_graphs(self, options: GraphOptions | None) -> None:
        """See :class:`Place`: nothing to do."""

    def graph_options(self) -> GraphOptions | None:
        """See :class:`Place`."""
        return None

    def graph_report(self) -> GraphReport | None:
        """See :class:`Place`."""
        return None


class PackagePlace(EnginePlace):
    """A package, loaded by greenlane."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(id(engine), engine._native.binding())
        self._engine = engine

    def graph_report(self) -> GraphReport | None:
        """See :class:`Place`."""
        return self._engine.graphs


class ObjectPlace(EnginePlace):
    """An engine of another maker, such as Torch-TensorRT's."""

    def __init__(self, engine: object) -> None:
        self._object = engine

    @property
    def key(self) -> Hashable:  # type: ignore[override]
        """See :class:`Place`."""
        return int(_objects.binding_of(self._object, make=True).identity())

    def binding(self) -> Any:
        """See :class:`Place`."""
        return _objects.binding_of(self._object, make=False)

    def prepare(self, name: str, stream: StreamLike) -> Any:
        """See :class:`Place`."""
        obstacle = _objects.graphs_obstacle(self._object)
        if obstacle:
            raise ValueError(obstacle)
        return _objects.binding_of(self._object, make=True)


class ModulePlace:
    """A module, whose forward is made to go through a binding."""

    def __init__(self, module: torch.nn.Module, obstacle: str) -> None:
        self.key = id(module)
        self._module = module
        self._obstacle = obstacle

    def binding(self) -> Any:
        """See :class:`Place`."""
        forward = _modules.bound_forward(self._module)
        return None if forward is None else forward.binding

    def stands_alone(self) -> bool:
        """See :class:`Place`."""
        return self.binding() is not None

    def prepare(self, name: str, stream: StreamLike) -> Any:
        """See :class:`Place`."""
        if self._obstacle:
            raise ValueError(self._obstacle)
        owner = name or type(self._module).__name__
        binding = self.binding()
        if binding is None:
            binding = ops.module_binding(device_of(self._module, stream), owner)
        if binding.device() != "cpu":
            obstacle = _modules.graphs_obstacle(self._module)
            if obstacle:
                raise ValueError(obstacle)
        for inner in self._module.modules():
            obstacle = _objects.graphs_obstacle(inner)
            if obstacle:
                raise ValueError(obstacle)
        return binding

    def attach(self, binding: Any) -> None:
        """See :class:`Place`."""
        _modules.attach(self._module, binding)
        _objects.forget_graphs(self._module)

    def tidy(self) -> None:
        """See :class:`Place`."""
        binding = self.binding()
        if binding is not None and not binding.is_set():
            _modules.detach(self._module)
            _objects.forget_graphs(self._module)

    def can_capture(self) -> bool:
        """See :class:`Place`."""
        return True

    def use_graphs(self, options: GraphOptions | None) -> None:
        """See :class:`Place`."""
        _modules.use_graphs(self._module, options)

    def graph_options(self) -> GraphOptions | None:
        """See :class:`Place`."""
        return _modules.graph_options(self._module)

    def graph_report(self) -> GraphReport | None:
        """See :class:`Place`."""
        forward = _modules.bound_forward(self._module)
        report = None if forward is None else report_of(forward.binding.graphs())
        if report is None or forward is None or forward.graphs is None:
            return None
        return dataclasses.replace(report, obstacle=forward.graphs.obstacle or report.obstacle)


def places_in(root: Root) -> dict[str, Place]:
    """By dotted names; a module that is there twice has both. Engines inside packages are not among them."""
    modules = _modules_in(root)
    places: dict[str, Place] = {name: _place(name, modules) for name in modules}
    return places | {name: ObjectPlace(each) for name, each in _objects_in(root)}


def place_at(root: Root, name: str) -> Place:
    """What has this name; ValueError, with the names there are, where nothing has or more than one."""
    modules = _modules_in(root)
    if name in modules:
        return _place(name, modules)
    objects = dict(_objects_in(root))
    if name in objects:
        return ObjectPlace(objects[name])
    there = [*modules, *objects]
    by_metadata = [each for each in objects.values() if _objects.binding_of(each, make=True).name() == name]
    if len({ObjectPlace(each).key for each in by_metadata}) == 1:
        return ObjectPlace(by_metadata[0])
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
    raise ValueError(f"there is no submodule {name!r}{_hint(name, there)}")


def device_of(module: torch.nn.Module, stream: StreamLike) -> str:
    """Where a module runs; ValueError where that is not one device."""
    devices = _modules.devices_of(module) | {each.device for each in module.modules() if isinstance(each, Engine)}
    devices |= {torch.device(_objects.binding_of(each, make=True).device()) for _, each in _objects_in(module)}
    if len(devices) > 1:
        raise ValueError(f"it is on {' and '.join(sorted(map(str, devices)))}: bind its submodules one by one")
    if devices:
        device = devices.pop()
    elif isinstance(stream, Lane | torch.cuda.Stream):
        device = torch.device(stream.device)
    else:
        handle_of(stream)  # TypeError for what is no stream
        raise ValueError(
            "it has no parameters that would tell its device, and neither does this stream: "
            "pass a Lane, or torch.cuda.ExternalStream(handle, device=...)"
        )
    if device.type not in ("cpu", "cuda"):
        raise ValueError(f"it is on {device}: move it to a GPU or the CPU first")
    return str(device)


def _modules_in(root: Root) -> dict[str, torch.nn.Module]:
    return dict(root.named_modules(remove_duplicate=False)) if isinstance(root, torch.nn.Module) else {}


def _objects_in(root: Root) -> Iterator[tuple[str, object]]:
    """The objects that can be bound, by the dotted names of the attributes, or constants, that they are."""
    if not isinstance(root, torch.nn.Module):
        yield from _bindable(root.constants.items())
        return
    for name, module in root.named_modules(remove_duplicate=False):
        prefix = f"{name}." if name else ""
        attributes: Iterable[tuple[str, object]] = vars(module).items()
        if isinstance(module, torch.jit.ScriptModule):
            attributes = [(each, module._c.getattr(each)) for each in ops.bindable_attributes(module._c)]
        for attribute, value in _bindable(attributes):
            yield prefix + attribute, value


def _bindable(attributes: Iterable[tuple[str, object]]) -> Iterator[tuple[str, object]]:
    return ((name, value) for name, value in list(attributes) if _objects.is_bindable(value))


def _place(name: str, modules: Mapping[str, torch.nn.Module]) -> Place:
    module = modules[name]
    if isinstance(module, Engine):
        return PackagePlace(module)
    return ModulePlace(module, _obstacle(name, modules))


def _inside(package: Engine) -> Iterator[tuple[str, Place]]:
    """Engines inside a package under their keys, and under their own names where those are unique."""
    keys, bindings = package._native.inner_engines()
    names = [binding.name() for binding in bindings]
    for name, key, binding in zip(names, keys, bindings, strict=True):
        place = EnginePlace((id(package), key), binding)
        if names.count(name) == 1:
            yield name, place
        yield key, place


def _obstacle(name: str, modules: Mapping[str, torch.nn.Module]) -> str:
    """Why a forward of its own is not what runs when this module is called; empty where it is."""
    parts = name.split(".") if name else []
    for length in range(len(parts)):
        above = ".".join(parts[:length])
        if _modules.is_compiled(modules[above]):
            return f"it is inside {above!r}, which torch.compile made one program of: bind that"
        obstacle = _modules.compiled_obstacle(modules[above])
        if obstacle:
            return f"it is inside {above!r}, which{obstacle.removeprefix('it')}"
    return _modules.compiled_obstacle(modules[name])


def _hint(name: str, names: list[str]) -> str:
    if len(names) > 20:
        near = get_close_matches(name, names, n=5, cutoff=0.4) or [*names[:20], "…"]
        return f" (near it: {', '.join(map(repr, near))})"
    return f" (there are: {', '.join(map(repr, names))})"
