"""Things that can be bound: modules, packages, engines inside packages, and engines of other makers."""

import dataclasses
import sys
from collections.abc import Hashable, Iterator
from typing import Any, Protocol

import torch

from greenlane import _modules, _objects
from greenlane._calls import is_mutable
from greenlane._engines import Engine
from greenlane._graphs import CallOptions, GraphReport, report_of
from greenlane._native import ops
from greenlane._roots import objects_in
from greenlane._streams import StreamLike, device_of_stream, handle_of

_TENSORRT_MODULE = "torch_tensorrt.dynamo.runtime._TorchTensorRTModule"


class BindingTarget(Protocol):
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
        """Returns whether its calls on a GPU can be replayed from CUDA graphs because :func:`bind` asks for it."""

    def gates_obstacle(self, options: CallOptions) -> str:
        """Returns why its calls on a GPU cannot be urgent, or let urgent ones pass, as asked; empty if they can."""

    def use_options(self, options: CallOptions) -> None:
        """Runs its calls on a GPU in this way from now on."""

    def options(self) -> CallOptions:
        """Returns the way in which its calls run now."""

    def restore_options(self, options: CallOptions) -> None:
        """Runs its calls again in the way that :meth:`options` gave."""

    def graph_report(self) -> GraphReport | None:
        """Returns its CUDA graphs; None if it has none."""

    def retune(self) -> None:
        """Captures its moved graphs anew."""


class EngineTarget:
    """An engine, which holds its binding, or an engine inside a package."""

    def __init__(self, key: Hashable, binding: Any) -> None:
        self.key = key
        self._binding = binding

    def binding(self) -> Any:
        """See :class:`BindingTarget`."""
        return self._binding

    def stands_alone(self) -> bool:
        """See :class:`BindingTarget`."""
        return True

    def prepare(self, name: str, stream: StreamLike) -> Any:
        """See :class:`BindingTarget`."""
        return self._binding

    def attach(self, binding: Any) -> None:
        """See :class:`BindingTarget`: nothing to do."""

    def tidy(self) -> None:
        """See :class:`BindingTarget`: nothing to do."""

    def can_capture(self) -> bool:
        """See :class:`BindingTarget`."""
        return False

    def gates_obstacle(self, options: CallOptions) -> str:
        """See :class:`BindingTarget`."""
        plain = options.urgent is None and options.gates == "off"
        return "" if plain else "`urgent` and gates are not for engines of its kind"

    def use_options(self, options: CallOptions) -> None:
        """See :class:`BindingTarget`: nothing to do."""

    def options(self) -> CallOptions:
        """See :class:`BindingTarget`."""
        return CallOptions()

    def restore_options(self, options: CallOptions) -> None:
        """See :class:`BindingTarget`."""
        self.use_options(options)

    def graph_report(self) -> GraphReport | None:
        """See :class:`BindingTarget`."""
        return None

    def retune(self) -> None:
        """See :class:`BindingTarget`: nothing to do."""


class PackageTarget(EngineTarget):
    """A package that greenlane loaded."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(id(engine), engine._native.binding())
        self._engine = engine

    def gates_obstacle(self, options: CallOptions) -> str:
        """See :class:`BindingTarget`."""
        if options.gates == "off" or self._engine.graphs is not None:
            return ""
        return "gates cut CUDA graphs, and the package has none: call greenlane.load(path, graphs='resident')"

    def use_options(self, options: CallOptions) -> None:
        """See :class:`BindingTarget`: plain options leave the engine as it was loaded."""
        if options.urgent is not None:
            self._engine.set_urgent(options.urgent)
        if options.gates != "off":
            self._engine.set_gates(options.gates)

    def options(self) -> CallOptions:
        """See :class:`BindingTarget`."""
        native = self._engine._native.options()
        return CallOptions(urgent=native.urgent_ms, gates=native.gates)

    def restore_options(self, options: CallOptions) -> None:
        """See :class:`BindingTarget`."""
        self._engine.set_urgent(options.urgent)
        self._engine.set_gates(options.gates)

    def graph_report(self) -> GraphReport | None:
        """See :class:`BindingTarget`."""
        return self._engine.graphs

    def retune(self) -> None:
        """See :class:`BindingTarget`."""
        self._engine.retune()


class ObjectTarget(EngineTarget):
    """An engine of another maker, such as Torch-TensorRT's."""

    def __init__(self, engine: object) -> None:
        self._object = engine

    @property
    def key(self) -> Hashable:  # type: ignore[override]
        """See :class:`BindingTarget`."""
        return int(_objects.binding_of(self._object, make=True).identity())

    def binding(self) -> Any:
        """See :class:`BindingTarget`."""
        return _objects.binding_of(self._object, make=False)

    def prepare(self, name: str, stream: StreamLike) -> Any:
        """See :class:`BindingTarget`."""
        obstacle = _objects.graphs_obstacle(self._object)
        if obstacle:
            raise ValueError(obstacle)
        return _objects.binding_of(self._object, make=True)

    def can_capture(self) -> bool:
        """See :class:`BindingTarget`: engines of the runtime in C++ can."""
        return bool(_objects.binding_of(self._object, make=True).has_choices())

    def gates_obstacle(self, options: CallOptions) -> str:
        """See :class:`BindingTarget`."""
        if not self.can_capture():
            return super().gates_obstacle(options)
        return _gates_need_graphs(options)

    def use_options(self, options: CallOptions) -> None:
        """See :class:`BindingTarget`."""
        binding = _objects.binding_of(self._object, make=True)
        if binding.has_choices():
            with _modules.changing_options:
                _modules.set_options(binding, self.options(), options)

    def tidy(self) -> None:
        """See :class:`BindingTarget`."""
        binding = self.binding()
        if binding is not None and not binding.is_set():
            self.use_options(CallOptions())

    def options(self) -> CallOptions:
        """See :class:`BindingTarget`."""
        binding = self.binding()
        if binding is None or not binding.has_choices():
            return CallOptions()
        graphs = binding.graph_choice()
        views, tune = graphs or (False, True)
        return CallOptions(graphs is not None, views, tune, binding.urgent_choice(), binding.gates_choice())

    def graph_report(self) -> GraphReport | None:
        """See :class:`BindingTarget`."""
        binding = self.binding()
        return None if binding is None else report_of(binding.graphs())

    def retune(self) -> None:
        """See :class:`BindingTarget`."""
        binding = self.binding()
        if binding is not None:
            binding.retune()


class ModuleTarget:
    """A module, whose forward is made to go through a binding."""

    def __init__(self, module: torch.nn.Module, obstacle: str) -> None:
        self.key = id(module)
        self._module = module
        self._obstacle = obstacle

    def binding(self) -> Any:
        """See :class:`BindingTarget`."""
        forward = _modules.bound_forward(self._module)
        return None if forward is None else forward.binding

    def stands_alone(self) -> bool:
        """See :class:`BindingTarget`."""
        return self.binding() is not None

    def prepare(self, name: str, stream: StreamLike) -> Any:
        """See :class:`BindingTarget`."""
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
        """See :class:`BindingTarget`."""
        _modules.attach(self._module, binding)
        _objects.forget_graphs(self._module)

    def tidy(self) -> None:
        """See :class:`BindingTarget`."""
        binding = self.binding()
        if binding is not None and not binding.is_set():
            _modules.detach(self._module)
            _objects.forget_graphs(self._module)

    def can_capture(self) -> bool:
        """See :class:`BindingTarget`: a graph would not notice that a module is compiled again."""
        return not is_mutable(self._module)

    def gates_obstacle(self, options: CallOptions) -> str:
        """See :class:`BindingTarget`."""
        if options.gates != "off" and not self.can_capture():
            return "gates cut CUDA graphs, and Torch-TensorRT recompiles the module, which a graph would not notice"
        return _gates_need_graphs(options)

    def use_options(self, options: CallOptions) -> None:
        """See :class:`BindingTarget`: other modules of one request may have graphs."""
        plain = dataclasses.replace(options, graphs=False, gates="off")
        _modules.use_options(self._module, options if self.can_capture() else plain)

    def restore_options(self, options: CallOptions) -> None:
        """See :class:`BindingTarget`."""
        self.use_options(options)

    def options(self) -> CallOptions:
        """See :class:`BindingTarget`."""
        return _modules.call_options(self._module)

    def graph_report(self) -> GraphReport | None:
        """See :class:`BindingTarget`."""
        forward = _modules.bound_forward(self._module)
        report = None if forward is None else report_of(forward.binding.graphs())
        if report is None or forward is None or forward.graphs is None:
            return None
        return dataclasses.replace(report, obstacle=forward.graphs.obstacle or report.obstacle)

    def retune(self) -> None:
        """See :class:`BindingTarget`."""
        binding = self.binding()
        if binding is not None:
            binding.retune()


def _gates_need_graphs(options: CallOptions) -> str:
    """Returns why gates are refused; empty if they are not."""
    if options.gates == "off" or options.graphs:
        return ""
    return "gates cut CUDA graphs: pass graphs='resident', too"


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
