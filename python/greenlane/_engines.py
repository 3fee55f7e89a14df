"""Engines: compiled models."""

import os
from typing import Any

import torch
from torch.utils import _pytree as pytree

from greenlane import _checked
from greenlane._constants import Constants
from greenlane._gates import longest_slice
from greenlane._graphs import GraphReport, Graphs, Outputs, check_options, report_of
from greenlane._lanes import Lane
from greenlane._native import ops
from greenlane._streams import StreamLike, native_lane
from greenlane._waiting import outputs_of


class Engine(torch.nn.Module):
    """A loaded AOTInductor package: a module that is called like the one it was exported from.

    Runs on its lane and joins the caller's current stream: it waits for what was enqueued there before, and what is
    enqueued there later waits for it. Inputs that do not fit raise RuntimeError before anything runs.

    Arguments that are no tensors (numbers, strings, None) are constants of the export, and the package does not keep
    their values. The first call's are taken for the export's, with one warning; RuntimeError where a later call gives
    others.

    A copy (``copy.deepcopy``, ``pickle``, ``torch.save``) is loaded anew from the same file and bound to nothing.
    """

    def __init__(self, native: Any) -> None:
        super().__init__()
        self._native = native
        spec = native.call_spec()
        self._in_spec, self._out_spec = (pytree.treespec_loads(text) for text in spec)
        self._constants = Constants(self.name)
        self._on_cpu = native.device() == "cpu"

    @property
    def name(self) -> str:
        """For messages and reports."""
        return str(self._native.name())

    @property
    def device(self) -> torch.device:
        """The device it runs on, whatever the current one is."""
        return torch.device(self._native.device())

    @property
    def lane(self) -> Lane | None:
        """The lane it is bound to."""
        native = self._native.binding().lane()
        return None if native is None else Lane(native)

    @property
    def graphs(self) -> GraphReport | None:
        """Its CUDA graphs; None where it was loaded without, and on the CPU."""
        return report_of(self._native.graphs())

    def set_urgent(self, deadline_ms: float | None) -> None:
        """Whether its calls hold engines with gates that share its SMs, until their work is done.

        A call that does not end holds them for five deadlines at most. Nothing changes on a CPU. Copies are not urgent.
        """
        if deadline_ms is not None and not deadline_ms > 0:
            raise ValueError(f"a deadline of {deadline_ms} ms: give a positive number, or None")
        self._native.set_urgent(deadline_ms or 0.0)

    def set_gates(self, gates: str) -> None:
        """Whether its graphs are launched in slices that let urgent engines pass.

        :param gates: ``"auto"`` for the shortest slices that cost little, a longest slice such as ``"50us"``, or
            ``"off"``. Its calls then return when the last slice is launched. While it is urgent itself it
            is launched whole. Copies have no gates.
        :raises RuntimeError: it was loaded without graphs.
        """
        longest = longest_slice(gates)
        self._native.set_gates(longest is not None, longest or 0.0)

    def bind(self, lane: Lane) -> None:
        """Runs on this lane from the next call on; RuntimeError where it is closed or of another device."""
        self.set_external_stream(lane)

    def unbind(self) -> None:
        """Runs on the caller's stream from the next call on."""
        self.clear_external_stream()

    def set_external_stream(self, stream: StreamLike) -> None:
        """Runs on this stream from the next call on.

        A :class:`Lane`, ``torch.cuda.Stream``, ``ExternalStream`` or any object with ``__cuda_stream__`` is kept alive
        for as long as the engine, or the caching allocator, needs its stream. A raw handle must live that long by
        itself. RuntimeError, and the binding as it was, for null (and the two other reserved handles), a stream of
        another device, one that is being captured, and one of a closed lane.
        """
        self._native.bind(native_lane(stream, self._native.device()))

    def clear_external_stream(self) -> None:
        """Takes the binding away; not an error where there is none."""
        self._native.clear_external_stream()

    def get_external_stream(self) -> int:
        """The handle of the stream that it is bound to; 0 where it is not bound."""
        return int(self._native.get_external_stream())

    def is_external_stream_set(self) -> bool:
        """Whether it is bound to a stream or a lane."""
        return bool(self._native.is_external_stream_set())

    def run(self, inputs: list[torch.Tensor]) -> list[torch.Tensor]:
        """Runs on flattened arguments and gives flattened results."""
        if self._on_cpu:
            return outputs_of(self._native.submit(inputs))
        return list(self._native.run(inputs))

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Runs with the arguments of the exported module; see the class for those that are no tensors."""
        _, names = self._in_spec.context, self._in_spec.child(1).context
        if set(names) != set(kwargs):
            raise TypeError(f"engine {self.name!r} takes the keyword arguments {sorted(names)}, not {sorted(kwargs)}")
        arguments = (args, {name: kwargs[name] for name in names})
        leaves, spec = pytree.tree_flatten(arguments)
        if spec != self._in_spec:
            raise TypeError(
                f"the arguments of engine {self.name!r} are nested otherwise than at export: "
                f"{spec}, not {self._in_spec}"
            )
        constants = {i: leaf for i, leaf in enumerate(leaves) if not isinstance(leaf, torch.Tensor)}
        if constants:
            self._constants.check(constants, arguments)
        tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
        try:
            outputs = self.run(tensors)
        except RuntimeError as error:
            # The number is wrong because something else was given where the export had a tensor.
            if constants and f": {len(tensors)} were given" in str(error):
                raise RuntimeError(self._constants.no_tensors(constants, arguments, len(tensors))) from error
            raise
        if constants:
            self._constants.remember(constants, arguments, leaves)
        return pytree.tree_unflatten(outputs, self._out_spec)

    def __reduce__(self) -> tuple[type["Engine"], tuple[Any]]:
        return (Engine, (self._native,))

    def __repr__(self) -> str:
        lane = self.lane
        return f"Engine({self.name!r}, device={str(self.device)!r}, lane={lane.name if lane else None!r})"


def load(
    path: str | os.PathLike[str],
    *,
    lane: Lane | None = None,
    device: str | torch.device | None = None,
    name: str = "",
    model: str = "model",
    num_runners: int = 1,
    graphs: Graphs = "off",
    outputs: Outputs = "copies",
    tune_kernels: bool = True,
    stateful: bool = False,
    urgent: float | None = None,
    gates: str = "off",
) -> Engine:
    """Loads an AOTInductor package (``.pt2``). It is native code: load what you trust.

    :param lane: where it runs; without one, on the caller's stream until :meth:`Engine.bind`.
    :param device: where it is loaded; default: the lane's device, else the first of the kind it was compiled for.
    :param name: for messages; default: the file's stem.
    :param model: which model of a package that holds several.
    :param num_runners: how many calls may be under way at once.
    :param graphs: ``"resident"``: while it is bound to a lane of a GPU, its calls are replayed from CUDA graphs, which
        stay on the lane's SMs; one runner only. What cannot be captured runs as without, with one warning.
    :param outputs: of a replayed call: ``"copies"``, or ``"views"`` of the graph's memory, good until the next call.
    :param tune_kernels: whether kernels are picked for the lane's number of SMs; a few numbers are tried at the first
        capture, for which the model runs a few dozen times more; what these runs change is put back.
    :param stateful: whether it keeps state that its source does not show, in objects of custom classes or in custom
        operators. It is then run exactly as often as it is called.
    :param urgent: its deadline in milliseconds: see :meth:`Engine.set_urgent`.
    :param gates: see :meth:`Engine.set_gates`.
    :raises RuntimeError: no such file, not a package, compiled for another device.
    """
    check_options(graphs, outputs)
    if lane is not None and not isinstance(lane, Lane):
        raise TypeError(f"{lane!r} is no lane: pass a Lane; Engine.set_external_stream takes streams of other kinds")
    native_lane = None if lane is None else lane._native
    where = None if device is None else _checked.device(device)
    file = _checked.text(path, "the path")
    if not file:
        raise ValueError("the path of the package is empty: name a .pt2 file")
    runners = _checked.whole(num_runners, "num_runners")
    resident, views = graphs == "resident", outputs == "views"
    engine = Engine(
        ops.load_aoti(
            file,
            native_lane,
            where,
            _checked.name(name, "the name"),
            _checked.name(model, "the model's name"),
            runners,
            resident,
            views,
            tune_kernels,
            stateful,
        )
    )
    engine.set_urgent(urgent)
    engine.set_gates(gates)
    return engine
