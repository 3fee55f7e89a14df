"""Functions that bind engines and modules to streams, one by one or many at once."""

import logging
from collections.abc import Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import torch

from greenlane import _checked
from greenlane._graphs import GraphOptions, GraphReport, Graphs, Outputs, check_options
from greenlane._lanes import Lane
from greenlane._native import ops
from greenlane._places import Place, place_at, places_in
from greenlane._roots import Root, has_forward, require_root
from greenlane._streams import StreamLike, handle_of, native_lane, require_stream

_log = logging.getLogger("greenlane")


class Binding:
    """The result of :func:`set_external_stream`: a context manager that restores the former bindings when it exits.

    Dropping it leaves the new bindings in place.
    """

    def __init__(self, requests: list["_Request"], former: Any) -> None:
        self.names = tuple(request.name for request in requests)
        """The names of the submodules that were bound; ``""`` is the module itself."""
        self._requests = list(requests)
        self._former = former

    def restore(self) -> None:
        """Restores the former bindings; a second call does nothing."""
        self._former.restore()
        for request in self._requests:
            request.place.attach(request.binding)  # may have been cleared and bound again since
            request.place.tidy()
            request.place.use_graphs(request.former_graphs)
        self._requests.clear()

    def __enter__(self) -> "Binding":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.restore()

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError(f"{self!r} cannot be copied or saved: it restores bindings once, in this process")

    def __repr__(self) -> str:
        return f"Binding({', '.join(map(repr, self.names))})"


def set_external_stream(
    module: Root,
    streams: StreamLike | Mapping[str, StreamLike],
    *,
    graphs: Graphs = "off",
    outputs: Outputs = "copies",
    tune_kernels: bool = True,
) -> Binding:
    """Binds an engine, a module or several of its submodules to the given streams, from the next call on.

    A bound module waits for the work that was enqueued on the caller's stream before the call. Work that is enqueued on
    the caller's stream later waits for the module. Tensors in nested arguments and results are kept alive until both
    streams are done with them. A module on the CPU runs on the worker thread of its lane. The device is the one that
    holds the module's parameters, whatever device is current.

    :param module: an :class:`Engine`, any module, an exported program, a package that
        ``torch._inductor.aoti_load_package`` returned, or an engine object of Torch-TensorRT. A program, or such a
        package, has no binding of its own: one stream binds every engine in it, and the rest follows the caller.
    :param streams: one stream for the module and every engine in it, or a mapping from dotted names of submodules to
        streams (``""`` for the module itself). Engines inside a named submodule, and submodules that were bound before,
        go with the nearest name above them. An engine of Torch-TensorRT is named by its attribute, or by its own
        metadata. An engine inside a package is named by its own metadata, or by the package's key for it. Without a
        name, it runs on the package's stream as it does by itself.
    :param graphs: ``"resident"``: calls of the named modules (for one stream: of the module) are replayed from CUDA
        graphs, which stay on the lane's SMs. This is for inference: a call that would record gradients runs without a
        graph. A call is captured again if a parameter or buffer was replaced, or has other memory. Arguments may be
        tensors, numbers and texts, nested; a new number is captured again. Hooks and attributes of submodules count at
        the capture alone. A call that cannot be captured runs without a graph, with one warning. Packages take this
        option at :func:`load`.
    :param outputs: see :func:`load`.
    :param tune_kernels: see :func:`load`. Turn it off for a module that keeps state in objects of custom classes, or in
        custom operators.
    :return: a context manager that restores the former bindings; it can be dropped.
    :raises ValueError: a name does not exist, cannot be bound, or stands for a module that another name binds
        elsewhere. The message lists every such name, and nothing is bound.
    :raises TypeError: a stream is no stream, a name is no string, ``tune_kernels`` is no bool, or the module is none of
        the kinds above.
    :raises RuntimeError: a stream cannot be bound: its handle is null or reserved, it is on another device, it is being
        captured, or its lane is closed. All bindings stay as they were, and the message names the submodule.

    >>> import greenlane as gl
    >>> import torch
    >>> lanes = gl.partition("cpu", {"vision": 1})
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 2), torch.nn.ReLU())
    >>> with gl.set_external_stream(model, lanes["vision"]):
    ...     y = model(torch.ones(1, 4))
    >>> gl.set_external_stream(model, {"0": lanes["vision"]}).names
    ('0',)
    >>> gl.is_external_stream_set(model, "0"), gl.is_external_stream_set(model)
    (True, False)
    >>> gl.set_external_stream(model, {"zero": lanes["vision"]})
    Traceback (most recent call last):
    ValueError: nothing was bound: there is no submodule 'zero' (there are: '', '0', '1')
    >>> gl.clear_external_stream(model)
    """
    check_options(graphs, outputs)
    tunes = _checked.truth(tune_kernels, "tune_kernels")
    require_root(module)
    if isinstance(streams, Mapping):
        wanted = dict(streams)
    else:
        wanted = {"": streams} if has_forward(module) else dict.fromkeys(places_in(module), streams)
    is_mapping = isinstance(streams, Mapping)
    for name, stream in wanted.items():
        with _naming(name if is_mapping else None):
            require_stream(stream)
    requests = _requests(module, wanted)
    options = GraphOptions(outputs == "views", tunes) if graphs == "resident" else None
    if options and not any(request.name in wanted and request.can_capture() for request in requests):
        raise ValueError(
            "nothing was bound: graphs='resident' is for modules on a GPU that nothing compiles anew; load a package "
            "with it"
        )
    lanes = []
    for request in requests:
        with _naming(request.name if is_mapping else None):
            lanes.append(native_lane(request.stream, request.binding.device()))
    with _naming(_first_misfit(requests, lanes) if is_mapping else None):
        former = ops.bind_all([request.binding for request in requests], lanes)
    for request in requests:
        request.place.attach(request.binding)
        request.place.use_graphs(options if request.name in wanted else None)
    binding = Binding(requests, former)
    _log.info("bound: %r", binding)
    return binding


def clear_external_stream(module: Root, names: Iterable[str] | None = None) -> None:
    """Removes bindings; a module without a binding is no error.

    :param names: names of submodules, ``""`` for the module itself; default: the module and everything in it.
    :raises ValueError: a name does not exist; then nothing is cleared.
    :raises TypeError: ``names`` is one string, or holds something else than strings.
    """
    if isinstance(names, str):
        raise TypeError(f"names is {names!r}: give a list of names")
    found = places_in(module).values() if names is None else [place_at(module, name) for name in names]
    for place in found:
        binding = place.binding()
        if binding is not None:
            binding.clear()
            place.tidy()


def get_external_stream(module: Root, name: str = "") -> int:
    """Returns the handle of the stream that the module itself is bound to; 0 if it is not bound, and on the CPU."""
    binding = place_at(module, name).binding()
    return 0 if binding is None else int(binding.stream())


def is_external_stream_set(module: Root, name: str = "") -> bool:
    """Returns whether the module itself is bound to a stream or a lane."""
    binding = place_at(module, name).binding()
    return binding is not None and bool(binding.is_set())


def graph_report(module: torch.nn.Module, name: str = "") -> GraphReport | None:
    """Returns the CUDA graphs of a module or an engine; None if it was bound, or loaded, without graphs."""
    return place_at(module, name).graph_report()


def _first_misfit(requests: list["_Request"], lanes: list[Any]) -> str | None:
    """Returns the name of the first request whose lane is closed or of another device; None if all lanes fit."""
    for request, lane in zip(requests, lanes, strict=True):
        if lane.is_closed() or lane.device() != request.binding.device():
            return request.name
    return None


@contextmanager
def _naming(name: str | None) -> Iterator[None]:
    """Adds to an error the name of the submodule whose stream was refused; None: there is only one stream."""
    try:
        yield
    except (TypeError, ValueError, RuntimeError) as error:
        if name is None:
            raise
        raise type(error)(f"nothing was bound: the stream for {name!r} is refused: {error}") from error


@dataclass(frozen=True)
class _Request:
    name: str
    place: Place
    stream: StreamLike
    binding: Any
    former_graphs: GraphOptions | None

    def can_capture(self) -> bool:
        """Returns whether calls of the bound thing can be replayed from graphs."""
        return bool(self.binding.device() != "cpu") and self.place.can_capture()


def _requests(root: Root, wanted: dict[str, StreamLike]) -> list[_Request]:
    """Returns a request for each thing to bind, each thing once; raises ValueError before anything is bound."""
    if not wanted:
        raise ValueError(
            "nothing was bound: no names were given, or there are no engines inside (greenlane.load binds a package "
            "as a whole)"
        )
    problems: list[str] = []
    places: dict[str, Place] = {}
    streams = dict(wanted)
    for name in wanted:
        try:
            places[name] = place_at(root, name)
        except ValueError as error:
            problems.append(str(error))
    # An inner module or engine with a binding of its own goes with the nearest name above it, unless it has a name
    # itself.
    named = {place.key for place in places.values()}
    for name, place in places_in(root).items():
        above = _nearest(name, wanted)
        if above is not None and place.stands_alone() and place.key not in named:
            places[name], streams[name] = place, wanted[above]

    requests: dict[Hashable, _Request] = {}
    for name, place in places.items():
        earlier = requests.get(place.key)
        if earlier is None:
            try:
                requests[place.key] = _Request(
                    name, place, streams[name], place.prepare(name, streams[name]), place.graph_options()
                )
            except ValueError as error:
                if name in wanted:  # else it was bound before it was compiled into something that is bound now
                    problems.append(f"{name!r} cannot be bound: {error}")
        elif not _same(earlier.stream, streams[name]):
            problems.append(f"{earlier.name!r} and {name!r} are one module and cannot be on two streams")
    if problems:
        raise ValueError("nothing was bound: " + "; ".join(problems))
    return list(requests.values())


def _nearest(name: str, wanted: Mapping[str, object]) -> str | None:
    """Returns the longest of the names that is a prefix of this one in whole components."""
    parts = name.split(".")
    for length in range(len(parts) - 1, -1, -1):
        above = ".".join(parts[:length])
        if above in wanted:
            return above
    return None


def _same(one: StreamLike, other: StreamLike) -> bool:
    if isinstance(one, Lane) and isinstance(other, Lane) and "cpu" in (one.device.type, other.device.type):
        return one._native is other._native
    return handle_of(one) == handle_of(other)
