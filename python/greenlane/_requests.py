"""Requests to bind things, made together or not at all, and their undoing."""

import logging
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from greenlane._graphs import CallOptions
from greenlane._lanes import Lane
from greenlane._lookup import target_at, targets_in
from greenlane._native import ops
from greenlane._roots import Root, has_forward, require_root
from greenlane._streams import StreamLike, checked_stream, handle_of, native_lane, require_lane
from greenlane._targets import BindingTarget

_log = logging.getLogger("greenlane")


class Binding:
    """The result of :func:`bind`: a context manager that restores the former bindings when it exits.

    Dropping it keeps the new bindings.
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
            request.target.attach(request.binding)  # may have been cleared and bound again since
            request.target.tidy()
            request.target.restore_options(request.former)
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


def bind_streams(
    root: Root, streams: StreamLike | Mapping[str, StreamLike], options: CallOptions, *, lanes_only: bool
) -> Binding:
    """Binds the named things to their streams, or everything to one stream; see :func:`greenlane.bind`.

    :param options: for the named things.
    :param lanes_only: whether streams of other kinds than :class:`Lane` are refused.
    """
    require_root(root)
    is_mapping = isinstance(streams, Mapping)
    wanted: dict[str, StreamLike] = {}
    for name, stream in streams.items() if isinstance(streams, Mapping) else [("", streams)]:
        with _naming(name if is_mapping else None):
            if lanes_only:
                require_lane(stream)
            wanted[name] = checked_stream(stream)
    if not is_mapping and not has_forward(root):
        wanted = dict.fromkeys(targets_in(root), wanted[""])
    requests = _requests(root, wanted)
    _require_options([request for request in requests if request.name in wanted], options)
    lanes = []
    for request in requests:
        with _naming(request.name if is_mapping else None):
            lanes.append(native_lane(request.stream, request.device))
    with _naming(_first_misfit(requests, lanes) if is_mapping else None):
        former = ops.bind_all([request.binding for request in requests], lanes)
    for request in requests:
        request.target.attach(request.binding)
        request.target.use_options(options if request.name in wanted else CallOptions())
    binding = Binding(requests, former)
    _log.info("bound: %r", binding)
    return binding


def _require_options(requests: list["_Request"], options: CallOptions) -> None:
    """Raises ValueError if calls of the named things cannot run in this way."""
    on_gpu = [request for request in requests if request.device != "cpu"]
    if options.graphs and not any(request.target.can_capture() for request in on_gpu):
        raise ValueError(
            "nothing was bound: graphs='resident' is for modules on a GPU that Torch-TensorRT does not recompile; for "
            "a package, call greenlane.load(path, graphs='resident')"
        )
    refusals = [(request.name, request.target.gates_obstacle(options)) for request in on_gpu]
    problems = [f"{name!r}: {why}" if name else why for name, why in refusals if why]
    if problems:
        raise ValueError("nothing was bound: " + "; ".join(problems))


def _first_misfit(requests: list["_Request"], lanes: list[Any]) -> str | None:
    """Returns the name of the first request whose lane is closed or of another device; None if all lanes fit."""
    for request, lane in zip(requests, lanes, strict=True):
        if lane.is_closed() or lane.device() != request.device:
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
    target: BindingTarget
    stream: StreamLike
    binding: Any
    device: str
    former: CallOptions


def _requests(root: Root, wanted: dict[str, StreamLike]) -> list[_Request]:
    """Returns a request for each thing to bind, each thing once; raises ValueError before anything is bound."""
    if not wanted:
        raise ValueError(
            "nothing was bound: no names were given, or there are no engines inside (greenlane.load binds a package "
            "as a whole)"
        )
    problems: list[str] = []
    targets: dict[str, BindingTarget] = {}
    streams = dict(wanted)
    for name in wanted:
        try:
            targets[name] = target_at(root, name)
        except ValueError as error:
            problems.append(str(error))
    # An inner module or engine with a binding of its own goes with the nearest name above it, unless it has a name
    # itself.
    named = {target.key for target in targets.values()}
    for name, target in targets_in(root).items():
        above = _nearest(name, wanted)
        if above is not None and target.stands_alone() and target.key not in named:
            targets[name], streams[name] = target, wanted[above]

    requests: dict[Hashable, _Request] = {}
    for name, target in targets.items():
        earlier = requests.get(target.key)
        if earlier is None:
            try:
                binding = target.prepare(name, streams[name])
                requests[target.key] = _Request(
                    name, target, streams[name], binding, binding.device(), target.options()
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
