"""Functions that bind engines and modules to lanes and streams, one by one or many at once."""

from collections.abc import Iterable, Mapping

import torch

from greenlane import _checked
from greenlane._gates import require_gates
from greenlane._graphs import CallOptions, GraphReport, Graphs, Outputs, check_options
from greenlane._lanes import Lane
from greenlane._lookup import target_at, targets_in
from greenlane._native import ops
from greenlane._requests import Binding, bind_streams
from greenlane._roots import Root
from greenlane._streams import StreamLike


def bind(
    target: Root,
    lanes: Lane | Mapping[str, Lane],
    *,
    graphs: Graphs = "off",
    outputs: Outputs = "copies",
    tune_kernels: bool = True,
    urgent: float | None = None,
    gates: str = "off",
) -> Binding:
    """Binds an engine, a module or several of its submodules to lanes, from the next call on.

    A bound module waits for the work that was enqueued on the caller's stream before the call. Work that is enqueued on
    the caller's stream later waits for the module. Tensors in nested arguments and results are kept alive until both
    streams are done with them. A module on the CPU runs on the worker thread of its lane. The device is the one that
    holds the module's parameters, whatever device is current.

    :param target: an :class:`Engine`, any module, an exported program, a package that
        ``torch._inductor.aoti_load_package`` returned, or an engine object of Torch-TensorRT. A program, or such a
        package, has no binding of its own: one lane binds every engine in it, and the rest follows the caller.
    :param lanes: one lane for the module and every engine in it, or a mapping from dotted names of submodules to lanes
        (``""`` for the module itself). Engines inside a named submodule, and submodules that were bound before,
        go with the nearest name above them. An engine of Torch-TensorRT is named by its attribute, or by its own
        metadata. An engine inside a package is named by its own metadata, or by the package's key for it. Without a
        name, it runs on the package's lane as it does by itself.
    :param graphs: ``"resident"``: calls of the named modules (for one lane: of the module) are replayed from CUDA
        graphs, which stay on the lane's SMs. This is for inference: a call that would record gradients runs without a
        graph. A call is captured again if a parameter or buffer was replaced, or has other memory. Arguments may be
        tensors, numbers, texts and static caches of transformers, nested; a new number is captured again. Hooks and
        attributes of submodules count at the capture alone. A call that cannot be captured runs without a graph, with
        one warning. Packages take this option at :func:`load`.
    :param outputs: see :func:`load`.
    :param tune_kernels: see :func:`load`. Turn it off for a module that keeps state in objects of custom classes, or in
        custom operators.
    :param urgent: the deadline in milliseconds of the named things, whose calls hold engines with gates that share
        their SMs: see :meth:`Engine.set_urgent`. None: they are not urgent; a package stays as it is.
    :param gates: ``"auto"``, or a longest slice such as ``"50us"``: the graphs of the named things are launched in
        slices that let urgent calls pass: see :meth:`Engine.set_gates`. ``"off"``: whole; a package stays as it is.
    :return: a context manager that restores the former bindings; it can be dropped.
    :raises ValueError: a name does not exist, cannot be bound, or stands for a module that another name binds
        elsewhere. The message lists every such name, and nothing is bound. Or gates are on without graphs, or an option
        is invalid.
    :raises TypeError: a lane is no :class:`Lane`, a name or ``gates`` is no string, ``tune_kernels`` is no bool, the
        deadline is no number, or the target is none of the kinds above.
    :raises RuntimeError: a lane is closed, or on another device. All bindings stay as they were, and the message names
        the submodule.

    >>> import greenlane as gl
    >>> import torch
    >>> lanes = gl.partition("cpu", {"vision": 1})
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 2), torch.nn.ReLU())
    >>> with gl.bind(model, lanes["vision"]):
    ...     y = model(torch.ones(1, 4))
    >>> gl.bind(model, {"0": lanes["vision"]}).names
    ('0',)
    >>> gl.is_external_stream_set(model, "0"), gl.is_external_stream_set(model)
    (True, False)
    >>> gl.bind(model, {"zero": lanes["vision"]})
    Traceback (most recent call last):
    ValueError: nothing was bound: there is no submodule 'zero' (there are: '', '0', '1')
    >>> gl.clear_external_stream(model)
    """
    options = _options(graphs, outputs, tune_kernels, urgent, gates)
    return bind_streams(target, lanes, options, lanes_only=True)


def set_external_stream(
    module: Root,
    streams: StreamLike | Mapping[str, StreamLike],
    *,
    graphs: Graphs = "off",
    outputs: Outputs = "copies",
    tune_kernels: bool = True,
    urgent: float | None = None,
    gates: str = "off",
) -> Binding:
    """Binds as :func:`bind` does, and takes streams of every kind.

    :param module: see ``target`` of :func:`bind`.
    :param streams: one stream, or a mapping from names to streams. A stream may be a :class:`Lane`, a stream of
        PyTorch's, a raw handle, or an object with ``__cuda_stream__``. All but a raw handle are kept alive for as long
        as they are bound.
    :param graphs: see :func:`bind`.
    :param outputs: see :func:`load`.
    :param tune_kernels: see :func:`bind`.
    :param urgent: see :func:`bind`.
    :param gates: see :func:`bind`.
    :return: a context manager that restores the former bindings; it can be dropped.
    :raises ValueError: as :func:`bind`.
    :raises TypeError: a stream is no stream; else as :func:`bind`.
    :raises RuntimeError: a stream cannot be bound: its handle is null or reserved, it is on another device, it is being
        captured, or its lane is closed. All bindings stay as they were, and the message names the submodule.

    >>> import greenlane as gl
    >>> import torch
    >>> model = torch.nn.Linear(4, 2)
    >>> with gl.set_external_stream(model, gl.lane("cpu", "vision")):
    ...     y = model(torch.ones(1, 4))
    >>> gl.set_external_stream(model, 2)
    Traceback (most recent call last):
    RuntimeError: stream 0x2 cannot be bound: it is the reserved handle of the per-thread default stream, ...
    """
    options = _options(graphs, outputs, tune_kernels, urgent, gates)
    return bind_streams(module, streams, options, lanes_only=False)


def clear_external_stream(module: Root, names: Iterable[str] | None = None) -> None:
    """Removes bindings; a module without a binding is no error.

    :param names: names of submodules, ``""`` for the module itself; default: the module and everything in it.
    :raises ValueError: a name does not exist; then nothing is cleared.
    :raises TypeError: ``names`` is one string, or holds something else than strings.
    """
    if isinstance(names, str):
        raise TypeError(f"names is {names!r}: give a list of names")
    found = targets_in(module).values() if names is None else [target_at(module, name) for name in names]
    for target in found:
        binding = target.binding()
        if binding is not None:
            binding.clear()
            target.tidy()


def get_external_stream(module: Root, name: str = "") -> int:
    """Returns the handle of the stream that the module itself is bound to; 0 if it is not bound, and on the CPU."""
    binding = target_at(module, name).binding()
    stream = None if binding is None else binding.stream()
    return 0 if stream is None else int(stream)


def is_external_stream_set(module: Root, name: str = "") -> bool:
    """Returns whether the module itself is bound to a stream or a lane."""
    binding = target_at(module, name).binding()
    return binding is not None and bool(binding.is_set())


def graph_report(module: torch.nn.Module, name: str = "") -> GraphReport | None:
    """Returns the CUDA graphs of a module or an engine; None if it was bound, or loaded, without graphs."""
    return target_at(module, name).graph_report()


def retune(module: torch.nn.Module, name: str = "") -> None:
    """Captures graphs of a module or an engine that moved with a rebind anew: see :meth:`Engine.retune`.

    Thread safety: any thread; the next call of each graph is slow.
    """
    target_at(module, name).retune()


def _options(graphs: Graphs, outputs: Outputs, tune_kernels: bool, urgent: float | None, gates: str) -> CallOptions:
    """Returns checked options."""
    check_options(graphs, outputs)
    tunes = _checked.truth(tune_kernels, "tune_kernels")
    deadline = None if urgent is None else _checked.number(urgent, "the deadline")
    require_gates(gates)
    ops.check_gates(deadline, gates)
    return CallOptions(graphs == "resident", outputs == "views", tunes, deadline, gates)
