"""Modules of PyTorch on lanes: each has a binding of its own, and a forward that goes through the binding."""

import copy
import functools
import itertools
import operator
import sys
import threading
import weakref
from collections.abc import Callable, Mapping
from typing import Any, cast

import torch

from greenlane._calls import entry_of
from greenlane._graphs import CallOptions
from greenlane._module_graphs import ModuleGraphs, note_change
from greenlane._tensors import tensors_in
from greenlane._waiting import call_on_cpu


def is_traced_here() -> bool:
    """Returns whether the calling thread traces its calls into a program, which holds operators and no bindings."""
    if torch.compiler.is_dynamo_compiling() or torch._C._get_tracing_state() is not None:
        return True
    # is_compiling() is true in every thread while one thread compiles or exports; only that thread is in a dispatch
    # mode.
    return torch.compiler.is_compiling() and torch._C._len_torch_dispatch_stack() > 0


def _is_scripted_here() -> bool:
    """Returns whether torch.jit.script asks; it looks at the globals of a forward first."""
    asking = sys._getframe(2).f_globals.get("__name__")
    return asking == "torch._jit_internal"


changing_options = threading.Lock()
"""Held while the options of one bound thing change, because gates need graphs."""


class BoundForward:
    """A module's forward (or the method that :func:`entry_of` names) on the stream of its binding.

    It stands in the module's ``__dict__`` while the module is bound.

    It is not a pair of hooks, because hooks are not called when a KeyboardInterrupt ends forward, and the lane would
    stay the current stream. The module's own hooks run outside, on the caller's stream.
    """

    def __init__(self, module: torch.nn.Module, binding: Any) -> None:
        self.entry = entry_of(module)
        self.former = module.__dict__.get(self.entry)
        forward = getattr(module, self.entry)
        # Held weakly: otherwise a module that is dropped would keep its memory and its lane until the collector runs.
        self._module = weakref.ref(module)
        of_its_class = self.former is None and getattr(forward, "__self__", None) is module
        self._forward = None if of_its_class else forward
        self.graphs: ModuleGraphs | None = None
        self.options = CallOptions()
        self.go_through(binding)
        for name in functools.WRAPPER_ASSIGNMENTS:
            if hasattr(forward, name):
                setattr(self, name, getattr(forward, name))

    @property
    def forward(self) -> Any:
        """The module's own forward; if it belongs to the class, it is looked up at each call, because torch.fx
        recompiles it."""
        if self._forward is not None:
            return self._forward
        module = self._module()
        if module is None:
            raise ReferenceError("the forward cannot be called: the bound module was freed; keep a reference to it")
        own: Callable[..., Any] = getattr(type(module), self.entry).__get__(module)
        return own

    @property
    def __wrapped__(self) -> Any:
        return self.forward

    def is_of(self, module: torch.nn.Module) -> bool:
        """Returns whether it is this module's forward; a shallow copy of the module may hold it, too."""
        return self._module() is module

    def go_through(self, binding: Any) -> None:
        """Goes through this binding, from the next call on."""
        self.binding = binding
        self.on_cpu = binding.device() == "cpu"

    def remove_from(self, module: torch.nn.Module) -> None:
        """Gives a module that holds it the forward that stood there before."""
        if self.former is None:
            module.__dict__.pop(self.entry, None)  # another thread may have been faster
        else:
            module.__dict__[self.entry] = self.former

    # torch.export and others look into a forward, for example at its __code__.
    def __getattr__(self, name: str) -> Any:
        if name in ("_forward", "forward", "entry"):  # not there yet, or the module is gone
            raise AttributeError(name)
        if name == "__globals__" and _is_scripted_here():
            raise TypeError(
                f"torch.jit.script cannot compile {self.binding.name()!r} while it is bound, and a script carries no "
                "binding: clear the binding first (greenlane.clear_external_stream), script the module, and bind the "
                "script"
            )
        return getattr(self.forward, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if is_traced_here():
            return self._call_traced(*args, **kwargs)
        if self.on_cpu:
            return call_on_cpu(self.binding, lambda: self.forward(*args, **kwargs))
        self._refuse_own_graphs()
        call = self.binding.enter(list(tensors_in((args, kwargs))))
        outputs: list[torch.Tensor] = []
        graphs = self.graphs
        try:
            if graphs:
                result = graphs.run(call, self.forward, args, kwargs)
            else:
                if self.options.urgent is not None:
                    call.close_gate()
                result = self.forward(*args, **kwargs)
            outputs = list(tensors_in(result))
            return result
        finally:
            call.finish(outputs)

    def _call_traced(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the module's own forward so that Dynamo finds it again after a graph break.

        Dynamo rebuilds a bound method by its name on the module, and finds this object there.
        """
        module = self._module()
        if self._forward is not None or module is None:
            return self.forward(*args, **kwargs)
        return getattr(type(module), self.entry)(module, *args, **kwargs)

    def _refuse_own_graphs(self) -> None:
        """Repeats the check that was made at binding, because the setting may have changed since."""
        module = self._module()
        obstacle = "" if module is None else graphs_obstacle(module)
        if obstacle:
            raise RuntimeError(f"{self.binding.name()!r} cannot run on its lane: {obstacle}")

    # A deep copy of the module, and its saved form, have the forward that the module has without a binding. The saved
    # form names nothing of greenlane's. For shallow copies see _watch_copies().
    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return copy.deepcopy(self.forward, memo)

    def __reduce__(self) -> tuple[Any, ...]:
        if isinstance(getattr(self.forward, "__self__", None), torch.fx.GraphModule):
            return (type(None), ())  # it writes its forward by itself, and itself last
        return (operator.itemgetter(0), ((self.forward,),))


def bound_forward(module: torch.nn.Module) -> BoundForward | None:
    """Returns the forward that :func:`attach` put there; None if there is none."""
    forward = module.__dict__.get(entry_of(module))
    return forward if isinstance(forward, BoundForward) and forward.is_of(module) else None


def _drop_binding_of_another(module: torch.nn.Module) -> None:
    """Gives a shallow copy of a bound module the forward that it has without a binding."""
    forward = module.__dict__.get(entry_of(module))
    if isinstance(forward, BoundForward) and not forward.is_of(module):
        forward.remove_from(module)


_COPYING = ("__setstate__", "_replicate_for_data_parallel")
"""The methods of modules through which ``copy.copy`` and ``torch.nn.DataParallel`` copy a module's ``__dict__``."""


@functools.cache
def _watch_copies() -> None:
    """Makes shallow copies of modules drop the binding of the original.

    The methods are replaced in PyTorch's class, because Python does not look for ``__setstate__`` in the original's
    ``__dict__``. A second call does nothing.
    """
    for name in _COPYING:
        setattr(torch.nn.Module, name, _dropping_bindings(getattr(torch.nn.Module, name)))


def _dropping_bindings(own: Callable[..., Any]) -> Callable[..., Any]:
    """Returns the method, which copies a module, so that the copy carries no binding afterwards."""

    @functools.wraps(own)
    def method(self: torch.nn.Module, *args: Any, **kwargs: Any) -> Any:
        result = own(self, *args, **kwargs)
        # __setstate__ fills the copy itself, and the other method returns it.
        _drop_binding_of_another(result if isinstance(result, torch.nn.Module) else self)
        return result

    return method


def attach(module: torch.nn.Module, binding: Any) -> None:
    """Makes a module's forward go through this binding alone."""
    forward = bound_forward(module)
    if forward is None:
        _watch_copies()
        _drop_binding_of_another(module)  # its class may copy it without the watched methods
        # setattr is not used, because script modules look for attributes elsewhere.
        module.__dict__[entry_of(module)] = BoundForward(module, binding)
        note_change()
    else:
        forward.go_through(binding)


def use_options(module: torch.nn.Module, options: CallOptions) -> None:
    """Runs a bound module's calls on a GPU in this way from now on."""
    forward = bound_forward(module)
    if forward is None or forward.on_cpu:
        return
    with changing_options:
        former, forward.options = forward.options, options
        if former == options:
            return
        if not former.has_graphs_of(options):
            forward.graphs = None
        set_options(forward.binding, former, options)
        if options.graphs and forward.graphs is None:
            forward.graphs = ModuleGraphs(module, forward.binding, lambda inner: bound_forward(inner) is not None)


def set_options(binding: Any, former: CallOptions, options: CallOptions) -> None:
    """Sets what differs, and the gates. The caller holds :data:`changing_options`."""
    binding.set_urgent(options.urgent)
    if not former.has_graphs_of(options):
        if options.graphs:
            binding.enable_graphs(options.views, options.tune)
        else:
            binding.disable_graphs()
    if options.graphs:
        binding.set_gates(options.gates)


def call_options(module: torch.nn.Module) -> CallOptions:
    """Returns the options of the last :func:`use_options`."""
    forward = bound_forward(module)
    return CallOptions() if forward is None else forward.options


def detach(module: torch.nn.Module) -> None:
    """Gives a module its own forward back."""
    forward = bound_forward(module)
    if forward is None:
        return
    note_change()
    forward.remove_from(module)


def devices_of(module: torch.nn.Module) -> set[torch.device]:
    """Returns the devices of a module's parameters and buffers."""
    return {tensor.device for tensor in itertools.chain(module.parameters(), module.buffers())}


def compiled_obstacle(module: torch.nn.Module) -> str:
    """Returns why a call of the module does not run its forward; empty if it does."""
    if getattr(module, "_compiled_call_impl", None) is not None:
        return (
            "it was compiled by Module.compile, which bypasses bindings: call greenlane.bind(torch.compile(module), "
            "lane) instead"
        )
    return ""


def is_compiled(module: torch.nn.Module) -> bool:
    """Returns whether torch.compile returned this module."""
    dynamo = sys.modules.get("torch._dynamo.eval_frame")  # heavy to import, and loaded if anything was compiled
    return dynamo is not None and isinstance(module, dynamo.OptimizedModule)


def graphs_obstacle(module: torch.nn.Module) -> str:
    """Returns why a module on a GPU would leave its lane; empty if it stays there, as an uncompiled module does.

    Inductor captures its CUDA graphs on a stream that it makes, and they run on all SMs wherever they are replayed.
    """
    if not is_compiled(module):
        return ""
    # Inductor's settings at the time of compile(); another backend has none. The process-wide settings may have changed
    # since.
    config: Mapping[str, Any] | None = cast(Any, module).dynamo_ctx.compiler_config
    inductor = sys.modules.get("torch._inductor.config")
    if config is None or not (config.get("triton.cudagraphs") or (inductor and inductor.triton.cudagraphs)):
        return ""
    return (
        "torch.compile was told to use CUDA graphs of its own (mode='reduce-overhead', or triton.cudagraphs), which "
        "run outside of any lane: compile it without, and bind it with graphs='resident'"
    )
