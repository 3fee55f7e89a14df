"""Things that can be bound in a module, by name: the module, its submodules, and engines, also inside packages."""

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
    """A thing that has a binding, or can be given one."""

    @property
    def key(self) -> Hashable:
        """A key that is the same for one thing under all of its names."""

    def binding(self) -> Any:
        """Returns the torchbind object of its binding, set or not; None if it has none so far."""

    def stands_alone(self) -> bool:
        """Returns whether it has a binding of its own beside that of the module that holds it."""

    def prepare(self, name: str, stream: StreamLike) -> Any:
        """Returns its binding, and makes one if there is none; the binding is not in force yet.

        :raises ValueError: it cannot be bound; the message says why.
        """

    def attach(self, binding: Any) -> None:
        """Makes its calls go through the binding."""

    def tidy(self) -> None:
        """Undoes :meth:`attach` if nothing is bound any more."""

    def can_capture(self) -> bool:
        """Returns whether :meth:`use_graphs` does anything on a GPU."""

    def use_graphs(self, options: GraphOptions | None) -> None:
        """Replays its calls from CUDA graphs from now on; None: stops replaying."""

    def graph_options(self) -> GraphOptions | None:
        """Returns the options of the last :meth:`use_graphs`."""

    def graph_report(self) -> GraphReport | None:
        """Returns its CUDA graphs; None if it has none."""


class EnginePlace:
    """An engine, which holds its binding, or an engine inside a package."""

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
        """See :class:`Place`: the choice was made when the engine was loaded."""
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
    """A package that greenlane loaded."""

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
        """See :class:`Place`: a graph would not notice that a module is compiled again."""
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
    """Returns everything that can be bound, by dotted names; a module under two names is listed under both.

    Engines inside packages are not listed.

    :raises TypeError: the root is of no known kind.
    """
    require_root(root)
    modules = modules_in(root)
    places: dict[str, Place] = {name: _place(name, modules) for name in modules}
    return places | {name: ObjectPlace(each) for name, each in objects_in(root)} | _compiled_places(modules)


def place_at(root: Root, name: str) -> Place:
    """Returns the thing with this name.

    :raises ValueError: no thing, or more than one, has this name. The message lists the names.
    :raises TypeError: the root is of no known kind, or the name is no string.
    """
    require_root(root)
    if not isinstance(name, str):
        raise TypeError(f"{name!r} names no submodule: names of submodules are strings ('' is the module itself)")
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
    """Returns the device that a module runs on. If it is on a GPU and the CPU, the GPU counts.

    :raises ValueError: there is not exactly one device, or it is neither a GPU nor the CPU.
    """
    devices = {device for each in module.modules() for device in _devices_by_settings(each)}
    if not is_mutable(module):  # its parameters belong to the original model, on whatever device that is now
        devices |= _modules.devices_of(module)
    devices |= {torch.device(_objects.binding_of(each, make=True).device()) for _, each in objects_in(module)}
    devices = {device for device in devices if device.type == "cuda"} or devices
    if len(devices) > 1:
        raise ValueError(f"it is on {' and '.join(sorted(map(str, devices)))}: bind its submodules one by one")
    device = devices.pop() if devices else device_of_stream(stream)
    if device is None:
        handle_of(stream)  # raises TypeError unless it is a stream
        raise ValueError(
            "it has no parameters that would tell its device, and neither does this stream: "
            "pass a Lane, or torch.cuda.ExternalStream(handle, device=...)"
        )
    if device.type not in ("cpu", "cuda"):
        raise ValueError(f"it is on {device}: move it to a GPU or the CPU first")
    return str(device)


def _devices_by_settings(module: torch.nn.Module) -> Iterator[torch.device]:
    """Yields the device of a module that names it: a package, or a module of Torch-TensorRT's."""
    said: Any = module
    if isinstance(module, Engine) or is_mutable(module):
        yield torch.device(said.device)
    elif is_lazy(module):
        yield torch.device(said.target_device)


def is_lazy(module: torch.nn.Module) -> bool:
    """Returns whether the module is one of Torch-TensorRT's whose engine is not set up yet."""
    runtime = sys.modules.get(_TENSORRT_MODULE)  # loaded if there is such a module
    return runtime is not None and isinstance(module, runtime.TorchTensorRTModule) and module.engine is None


def _compiled_places(modules: Mapping[str, torch.nn.Module]) -> dict[str, Place]:
    """Returns the things inside the models that Torch-TensorRT compiled last, which go with the module that compiles
    them."""
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
    """Yields engines inside a package under their keys, and under their own names if those are unique."""
    keys, bindings = package._native.inner_engines()
    names = [binding.name() for binding in bindings]
    for name, key, binding in zip(names, keys, bindings, strict=True):
        place = EnginePlace((id(package), key), binding)
        if names.count(name) == 1:
            yield name, place
        yield key, place


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
