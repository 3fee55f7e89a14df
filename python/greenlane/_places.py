"""What can be bound in a module, by name: the module itself, its submodules, engines among them and inside packages."""

import dataclasses
import sys
from collections.abc import Hashable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Protocol

import torch

from greenlane import _modules, _objects
from greenlane._calls import call_obstacle, is_mutable
from greenlane._engines import Engine
from greenlane._graphs import GraphOptions, GraphReport, report_of
from greenlane._native import ops
from greenlane._roots import Root, has_forward, modules_in, objects_in, require_root
from greenlane._streams import StreamLike, device_of_stream, handle_of

_TENSORRT_MODULE = "torch_tensorrt.dynamo.runtime._TorchTensorRTModule"


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
        """See :class:`Place`: a graph would not notice that a module is compiled anew."""
        return not is_mutable(self._module)

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
    """By dotted names; a module that is there twice has both. Engines inside packages are not among them.

    :raises TypeError: for what is no root.
    """
    require_root(root)
    modules = modules_in(root)
    places: dict[str, Place] = {name: _place(name, modules) for name in modules}
    return places | {name: ObjectPlace(each) for name, each in objects_in(root)} | _compiled_places(modules)


def place_at(root: Root, name: str) -> Place:
    """What has this name; ValueError, with the names there are, where nothing has or more than one.

    :raises TypeError: for what is no root.
    """
    require_root(root)
    modules = modules_in(root)
    if name in modules:
        return _place(name, modules)
    objects = dict(objects_in(root))
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
        elif package is not None and is_mutable(package):
            raise ValueError(f"{name!r} cannot be bound: {_inside_mutable(above)}")
    if not name and not has_forward(root):
        raise ValueError(
            f"{type(root).__name__!r} has no forward that could be bound: name its engines{_hint('', there)}"
        )
    raise ValueError(f"there is no submodule {name!r}{_hint(name, there)}")


def device_of(module: torch.nn.Module, stream: StreamLike) -> str:
    """Where a module runs; ValueError where that is not one device. The CPU does not count beside a GPU."""
    devices = {device for each in module.modules() for device in _devices_by_settings(each)}
    if not is_mutable(module):  # its parameters are the original model's, wherever that is now
        devices |= _modules.devices_of(module)
    devices |= {torch.device(_objects.binding_of(each, make=True).device()) for _, each in objects_in(module)}
    devices = {device for device in devices if device.type == "cuda"} or devices
    if len(devices) > 1:
        raise ValueError(f"it is on {' and '.join(sorted(map(str, devices)))}: bind its submodules one by one")
    device = devices.pop() if devices else device_of_stream(stream)
    if device is None:
        handle_of(stream)  # TypeError for what is no stream
        raise ValueError(
            "it has no parameters that would tell its device, and neither does this stream: "
            "pass a Lane, or torch.cuda.ExternalStream(handle, device=...)"
        )
    if device.type not in ("cpu", "cuda"):
        raise ValueError(f"it is on {device}: move it to a GPU or the CPU first")
    return str(device)


def _devices_by_settings(module: torch.nn.Module) -> Iterator[torch.device]:
    """The device of a module that says so itself: a package, or a module of Torch-TensorRT's."""
    said: Any = module
    if isinstance(module, Engine) or is_mutable(module):
        yield torch.device(said.device)
    elif is_lazy(module):
        yield torch.device(said.target_device)


def is_lazy(module: torch.nn.Module) -> bool:
    """Whether it is a module of Torch-TensorRT's whose engine is not set up yet."""
    runtime = sys.modules.get(_TENSORRT_MODULE)  # there if anybody has such a module
    return runtime is not None and isinstance(module, runtime.TorchTensorRTModule) and module.engine is None


def _compiled_places(modules: Mapping[str, torch.nn.Module]) -> dict[str, Place]:
    """What is in the models that Torch-TensorRT compiled last, and goes with the module that compiles them."""
    places: dict[str, Place] = {}
    for name, module in modules.items():
        compiled = vars(module).get("gm") if is_mutable(module) else None
        if isinstance(compiled, torch.nn.Module):
            where = f"{name}.gm" if name else "gm"
            places |= {f"{where}.{inner}" if inner else where: place for inner, place in places_in(compiled).items()}
    return places


def _inside_mutable(above: str) -> str:
    where = repr(above) if above else "a MutableTorchTensorRTModule"
    return (
        f"it is inside {where}, which Torch-TensorRT compiles anew when the model changes: a binding of a part "
        "would be lost; bind the whole module"
    )


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
