"""Engines: compiled models that greenlane loads."""

import copy
import os
from typing import Any

import torch

from greenlane import _checked
from greenlane._exported_calls import ExportedCalls
from greenlane._gates import require_gates
from greenlane._graphs import GraphReport, Graphs, Outputs, check_options, report_of
from greenlane._lanes import Lane
from greenlane._native import ops
from greenlane._streams import StreamLike, checked_stream, native_lane, require_lane
from greenlane._waiting import outputs_of


class Engine(torch.nn.Module):
    """A loaded AOTInductor package: a module that is called like the one it was exported from.

    Stream order: an engine runs on its lane and joins the caller's current stream. It waits for the work that was
    enqueued there before, and work that is enqueued there later waits for it. Inputs that do not fit raise RuntimeError
    before anything runs.

    Arguments that are no tensors (numbers, strings, None) are constants of the export, and the package does not keep
    their values. The first call's constants are taken for the export's, with one warning. A later call with other
    constants raises RuntimeError.

    A copy (``copy.copy``, ``copy.deepcopy``, ``pickle``, ``torch.save``) is loaded again from the same file, with the
    same options, deadline and gates. It is not bound.
    """

    def __init__(self, native: Any) -> None:
        super().__init__()
        self._native = native
        self._calls = ExportedCalls(self.name, native.call_spec(), frames=3)
        self._on_cpu = native.device() == "cpu"

    @property
    def name(self) -> str:
        """The engine's name in messages and reports."""
        return str(self._native.name())

    @property
    def device(self) -> torch.device:
        """The device that the engine runs on, whatever device is current."""
        return torch.device(self._native.device())

    @property
    def lane(self) -> Lane | None:
        """The lane that the engine is bound to; None if it is not bound."""
        native = self._native.binding().lane()
        return None if native is None else Lane(native)

    @property
    def graphs(self) -> GraphReport | None:
        """The engine's CUDA graphs; None if it was loaded without graphs, and on the CPU."""
        return report_of(self._native.graphs())

    def set_urgent(self, deadline_ms: float | None) -> None:
        """Sets whether the engine's calls hold engines with gates that share its SMs, until its work is done.

        A call that does not end holds them for at most five deadlines. On a CPU nothing changes. Copies keep
        the deadline.

        :param deadline_ms: the engine's deadline in milliseconds, at most a day; None: not urgent.
        :raises ValueError: the deadline is not positive, or longer than a day.
        :raises TypeError: the deadline is no number.
        """
        self._native.set_urgent(_deadline(deadline_ms))

    def set_gates(self, gates: str) -> None:
        """Sets whether the engine's graphs are launched in slices that let urgent engines pass.

        Calls with slices return when the last slice is launched. While the engine is urgent itself, its graphs are
        launched whole. On a CPU nothing changes. Copies keep the gates.

        :param gates: ``"auto"`` for the shortest slices that cost little, a longest slice such as ``"50us"``, or
            ``"off"``.
        :raises ValueError: ``gates`` is none of these.
        :raises TypeError: ``gates`` is no string.
        :raises RuntimeError: the engine was loaded without graphs.
        """
        require_gates(gates)
        self._native.set_gates(gates)

    def retune(self) -> None:
        """Captures graphs that moved with a rebind anew, each at its next call, with kernels for its present units.

        A moved graph has the kernels that were picked for its former units. Call it where a slow call does no harm.
        """
        self._native.retune()

    def bind(self, lane: Lane) -> None:
        """Binds the engine to a lane, from the next call on. :func:`bind` can restore the former binding.

        :raises RuntimeError: the lane is closed or of another device.
        :raises TypeError: it is no :class:`Lane`.
        """
        require_lane(lane)
        self._native.bind(lane._native)

    def unbind(self) -> None:
        """Removes the binding: from the next call on, the engine runs on the caller's stream."""
        self.clear_external_stream()

    def set_external_stream(self, stream: StreamLike) -> None:
        """Binds the engine to a stream, from the next call on.

        A :class:`Lane`, ``torch.cuda.Stream``, ``ExternalStream`` or any object with ``__cuda_stream__`` is kept alive
        for as long as the engine, or the caching allocator, needs its stream. The caller must keep a raw handle valid
        for that long.

        :raises RuntimeError: the handle is null or one of the two other reserved handles, or the stream is of another
            device, is being captured, or belongs to a closed lane. The binding stays as it was.
        """
        self._native.bind(native_lane(checked_stream(stream), self._native.device()))

    def clear_external_stream(self) -> None:
        """Removes the binding; an engine without a binding is no error."""
        self._native.clear_external_stream()

    def get_external_stream(self) -> int:
        """Returns the handle of the stream that the engine is bound to; 0 if it is not bound, and on the CPU."""
        return int(self._native.get_external_stream())

    def is_external_stream_set(self) -> bool:
        """Returns whether the engine is bound to a stream or a lane."""
        return bool(self._native.is_external_stream_set())

    def run(self, inputs: list[torch.Tensor]) -> list[torch.Tensor]:
        """Runs the engine on flattened arguments and returns flattened results.

        :raises TypeError: the inputs are no list of tensors.
        :raises RuntimeError: the inputs do not fit, or the engine fails.
        """
        if not isinstance(inputs, list | tuple) or not all(isinstance(each, torch.Tensor) for each in inputs):
            raise TypeError(f"inputs is {_checked.one_line(inputs)}: give a list of tensors")
        return self._run(list(inputs))

    def _run(self, inputs: list[torch.Tensor]) -> list[torch.Tensor]:
        if self._on_cpu:
            return outputs_of(self._native.submit(inputs))
        return list(self._native.run(inputs))

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Runs the engine with the arguments of the exported module; for arguments that are no tensors, see the class.

        :raises TypeError: the number of arguments, their names or the nesting differ from the export.
        :raises RuntimeError: the inputs do not fit, the constants differ from the first call's, or the engine fails.
        """
        return self._calls.result(self._calls.run(args, kwargs, self._run))

    def __copy__(self) -> "Engine":
        return copy.deepcopy(self)  # two engines of one native object would share a binding

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
    """Loads an AOTInductor package (``.pt2``). A package is native code: load only packages that you trust.

    :param lane: the lane to run on; without one, the engine runs on the caller's stream until :meth:`Engine.bind`.
    :param device: the device to load on; default: the lane's device, else the first device of the kind that the package
        was compiled for.
    :param name: the name for messages; default: the file's stem.
    :param model: the name of the model, in a package that holds several.
    :param num_runners: how many calls may be under way at once, from 1 to 1024.
    :param graphs: ``"resident"``: while the engine is bound to a lane of a GPU, its calls are replayed from CUDA
        graphs, which stay on the lane's SMs. This allows one runner only. A call that cannot be captured runs without a
        graph, with one warning.
    :param outputs: results of a replayed call: ``"copies"``, or ``"views"`` of the graph's memory, valid until the next
        call.
    :param tune_kernels: whether kernels are picked for the lane's number of SMs. A few numbers are tried at the first
        capture, for which the model runs a few dozen more times. Changes that these runs make are undone.
    :param stateful: whether the model keeps state that its source does not show, in objects of custom classes or in
        custom operators. Such a model runs exactly as often as it is called.
    :param urgent: the engine's deadline in milliseconds: see :meth:`Engine.set_urgent`.
    :param gates: see :meth:`Engine.set_gates`.
    :raises RuntimeError: the file does not exist, is no package, holds no such model, or is compiled for another
        device; the number of runners does not fit; the lane is closed; or gates are on without graphs.
    :raises ValueError: an option is unknown, the deadline is not positive, or the path is empty.
    :raises TypeError: the lane is no :class:`Lane`, a name or ``gates`` is no string, ``num_runners`` is no whole
        number, ``tune_kernels`` or ``stateful`` is no bool, or the deadline is no number.
    """
    check_options(graphs, outputs)
    if lane is not None:
        require_lane(lane)
    where = None if device is None else _checked.device(device)
    file = _checked.text(path, "the path")
    if not file:
        raise ValueError("the path of the package is empty: name a .pt2 file")
    require_gates(gates)
    options = torch.classes.greenlane.EngineOptions()
    options.name = _checked.name(name, "the name")
    options.model = _checked.name(model, "the model's name")
    options.num_runners = _checked.whole(num_runners, "num_runners")
    options.resident, options.views = graphs == "resident", outputs == "views"
    options.tune = _checked.truth(tune_kernels, "tune_kernels")
    options.stateful = _checked.truth(stateful, "stateful")
    options.urgent_ms, options.gates = _deadline(urgent), gates
    return Engine(ops.load_aoti(file, options, lane=None if lane is None else lane._native, device=where))


def _deadline(milliseconds: float | None) -> float | None:
    """Returns a deadline as a number; C++ checks its range."""
    return None if milliseconds is None else _checked.number(milliseconds, "the deadline")
