"""Pipelines that a program opens and serves from."""

import atexit
import contextlib
import os
import tempfile
import weakref
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, get_args

import torch

from greenlane import _checked
from greenlane._exported_calls import ExportedCalls
from greenlane._miss_listener import MissListener
from greenlane._native import ops
from greenlane._pipeline_edges import PipelineSink, PipelineSource
from greenlane._pipeline_engine import PipelineEngine
from greenlane._pipeline_modules import PipelineModule, close_all, pipeline_modules
from greenlane._planning import Plan
from greenlane._request_errors import require
from greenlane._stats import Miss, PipelineStats, stats_of

_Mode = Literal["lanes", "gates", "shared", "priority"]
_open: "weakref.WeakSet[Pipeline]" = weakref.WeakSet()


class Pipeline:
    """An open pipeline: its engines are loaded, on their lanes, captured, and have run once.

    It is a context manager that closes it. A pipeline that is dropped, or open at the end of the program, is closed,
    too.

    ``pipeline["policy"](x)`` runs an engine now, joined with the caller's stream, and ``pipeline["policy"].submit(x)``
    queues a run for the engine's own thread. After :meth:`start`, timers and new data run engines: the program
    publishes to a :meth:`source` and reads from a :meth:`sink`.

    Thread safety: all members may be called from any thread.
    """

    def __init__(
        self,
        config: str | os.PathLike[str],
        plan: str | os.PathLike[str] | Plan | None = None,
        *,
        modules: Mapping[str, torch.nn.Module] | None = None,
        mode: _Mode | None = None,
        plan_of_another_device: bool = False,
        on_miss: Callable[[Miss], object] | None = None,
        metrics: str | None = None,
    ) -> None:
        """Opens a pipeline. This takes seconds: models are loaded, and kernels are chosen for the lanes.

        :param config: the pipeline's TOML file.
        :param plan: a plan, or its file; None: the lanes of the TOML file. If that sets no units, they are planned from
            a quick profile.
        :param modules: the modules that the file's engines run (``module = "detector"``), by those names. On a GPU a
            module is captured while the pipeline opens, and replayed without Python's lock from then on, with the
            weights and in the training mode that it has now; :meth:`recapture` takes over changes. It takes tensors of
            the recorded shapes and dtypes. With ``python = true``, and on a CPU, it runs under Python's lock, and
            changes count at once. It runs without gradients, on threads of greenlane's. The file of its recorded
            inputs, written by ``torch.save``, holds a list of positional arguments, a dict of keyword arguments, or a
            tuple of a tuple and a dict for both. Arguments are then nested as recorded.
        :param mode: ``"lanes"``, ``"gates"``, ``"shared"`` or ``"priority"``; None: the plan's mode, or lanes.
        :param plan_of_another_device: whether a plan that was made for another device is taken, too.
        :param on_miss: called for runs that missed their deadlines, one at a time, on a thread of its own. No engine
            waits for it. Misses that come while 1000 others wait for it are not reported; :meth:`stats` counts all.
            Its errors are logged.
        :param metrics: serves metrics for Prometheus at this address: ``"HOST:PORT"``, or ``"PORT"`` for this machine
            alone; port 0 is a free one. None: ``metrics`` of the file; ``""``: none.
        :raises RuntimeError: a file is missing or wrong, the plan does not fit, a module cannot be captured, nothing
            can listen at the address of the metrics, or an engine fails on its lane; the message names the engine and
            the lane.
        :raises ValueError: the mode is unknown, a path is empty, a module is missing, not used, bound or on several
            devices, or its recorded inputs cannot be read.
        :raises TypeError: ``plan_of_another_device`` is no bool, ``on_miss`` is no function, ``metrics`` is no string,
            or ``modules`` is no mapping to modules.
        """
        file = _path(config, "the configuration")
        if mode is not None and mode not in get_args(_Mode):
            raise ValueError(f"mode={mode!r} is invalid: use {', '.join(map(repr, get_args(_Mode)))}, or None")
        another = _checked.truth(plan_of_another_device, "plan_of_another_device")
        if on_miss is not None and not callable(on_miss):
            raise TypeError(f"on_miss is {on_miss!r}: give a function with one argument, the miss, or None")
        if metrics is not None and not isinstance(metrics, str):
            raise TypeError(f"metrics is {metrics!r}: give a string, such as '127.0.0.1:9464', or None")
        made = pipeline_modules(file, modules)
        listener = None if on_miss is None else MissListener(on_miss)
        try:
            with _file_of(plan) as plan_file:
                native = ops.open_pipeline(
                    file,
                    plan_file,
                    mode or "",
                    another,
                    listener and listener.native,
                    [each.native for each in made],
                    metrics,
                )
            # After Ctrl-C Python has raised KeyboardInterrupt by now, unless its handler was replaced.
            if native is None:
                raise RuntimeError(f"pipeline {file!r} was not opened: it was interrupted; open it again")
        except BaseException:
            if listener is not None:
                listener.close()
            close_all(made)
            raise
        self._native = native
        self._modules = {each.engine: each for each in made}
        self._file = file
        self._engines = {name: _engine(native.engine(name), self._modules.get(name)) for name in native.engines()}
        self._end = weakref.finalize(self, _end, native, listener, made, os.getpid())
        self._end.atexit = False  # Python would call it after the end of C++'s calls into Python
        _open.add(self)

    @property
    def engines(self) -> tuple[str, ...]:
        """The engines' names, in the order of the configuration."""
        return tuple(self._engines)

    def __getitem__(self, engine: str) -> PipelineEngine:
        """Returns an engine.

        :raises KeyError: there is no engine of this name; the message lists the names.
        """
        return self._engines[self._known(engine, self._engines, "engine")]

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources' names, in the order of the configuration."""
        return tuple(self._native.sources())

    def source(self, name: str) -> PipelineSource:
        """Returns a source of the file.

        :raises KeyError: there is no source of this name; the message lists the names.
        """
        return PipelineSource(self._native.source(self._known(name, self.sources, "source")))

    def sink(self, engine: str) -> PipelineSink:
        """Returns a new handle for the results of an engine.

        :raises KeyError: there is no engine of this name; the message lists the names.
        :raises RuntimeError: only calls and requests run the engine, and their outputs go to their callers.
        """
        name = self._known(engine, self._engines, "engine")
        return PipelineSink(self._native.sink(name), self._engines[name]._calls.result)

    def _known(self, name: str, names: Collection[str], kind: str) -> str:
        if isinstance(name, str) and name in names:
            return name
        known = f"its {kind}s are {', '.join(map(repr, names))}; use one of these names" if names else "it has none"
        raise KeyError(f"pipeline {self._file!r} has no {kind} {name!r}: {known}")

    def start(self) -> None:
        """Lets timers and new data run engines from now on; a second call does nothing.

        An engine without ``from`` has a timer if it has a rate and its model takes no inputs. Other engines run when
        they are called.

        :raises RequestError: the pipeline is closed.
        """
        require(self._native.start())

    def stop(self) -> None:
        """Stops timers and triggers, and returns when none of their runs is under way.

        Calls and requests go on. Data that is published waits on the edges.
        """
        self._native.stop()

    def reset(self) -> None:
        """Restores the initial data of feedback edges.

        Results of runs that began before do not reach those edges any more.
        """
        self._native.reset()

    def recapture(self, engine: str) -> None:
        """Captures the module of an engine again, because it or its weights changed, between two of its runs.

        Buffers that this writes to are put back. If it fails, the engine goes on with what it has. Nothing happens for
        a module that runs in Python.

        :raises KeyError: there is no engine of this name.
        :raises RuntimeError: the module cannot be captured now, or the engine is a package.
        :raises RequestError: the engine stopped, or the pipeline is closed.
        """
        require(self[engine]._native.recapture())
        if engine in self._modules:
            self._modules[engine].recaptured()

    def stats(self) -> PipelineStats:
        """Returns live figures. C++ takes some microseconds for each engine to collect them."""
        return stats_of(self._native.stats())

    def metrics_text(self) -> str:
        """Returns the live figures in Prometheus's text format."""
        return str(self._native.metrics_text())

    @property
    def metrics_address(self) -> str | None:
        """``HOST:PORT`` where metrics are served; None: they are not, or the pipeline is closed."""
        address: str | None = self._native.metrics_address()
        return address

    def close(self) -> None:
        """Refuses calls and requests from now on, and ends requests that have not begun with :class:`RequestError`.

        It waits for runs under way, and returns the lanes' units. It waits for a second at most: an engine that does
        not end is left alone with its lane, with a warning. A second call does nothing, and neither does a call in a
        forked child.
        """
        self._end()

    @property
    def closed(self) -> bool:
        """True after :meth:`close` was called."""
        return bool(self._native.is_closed())

    def __enter__(self) -> "Pipeline":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError(f"{self!r} cannot be copied or saved: its lanes exist once, in this process; open another one")

    def __repr__(self) -> str:
        return f"Pipeline({self._file!r}, engines={list(self._engines)}, closed={self.closed})"


def _path(value: str | os.PathLike[str], what: str) -> str:
    file = _checked.text(value, f"the path of {what}")
    if not file:
        raise ValueError(f"the path of {what} is empty: name a file")
    return file


@contextlib.contextmanager
def _file_of(plan: str | os.PathLike[str] | Plan | None) -> Iterator[str]:
    """Yields the plan's file, for as long as C++ reads it; an empty text for no plan."""
    if not isinstance(plan, Plan):
        yield "" if plan is None else _path(plan, "the plan")
        return
    with tempfile.TemporaryDirectory(prefix="greenlane-") as folder:
        file = Path(folder, "plan.json")
        plan.save(file)
        try:
            yield str(file)
        except RuntimeError as error:
            raise RuntimeError(str(error).replace(str(file), "the plan")) from None


def _engine(native: Any, module: PipelineModule | None) -> PipelineEngine:
    if module is not None:
        return PipelineEngine(native, module.calls)
    return PipelineEngine(native, ExportedCalls(native.name(), native.call_spec(), frames=1))


def _end(native: Any, listener: MissListener | None, modules: list[PipelineModule], process: int) -> None:
    """Closes a pipeline, unless this is a forked child."""
    if os.getpid() == process:
        native.close()
        if listener is not None:
            listener.close()
        close_all(modules)


def _close_all() -> None:
    for pipeline in list(_open):
        pipeline.close()


# Comes after greenlane._waiting's, so Python calls it before: C++ can still call Python then.
atexit.register(_close_all)
