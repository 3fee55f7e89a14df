"""Modules that are engines of pipelines. C++ calls them while it captures them, or at each run."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from greenlane._exchange import LastingModel, NotCapturableError
from greenlane._held import Holdings, difference, holdings
from greenlane._modules import bound_forward, devices_of
from greenlane._native import ops
from greenlane._recorded_calls import RecordedCalls, read_arguments
from greenlane._writes import recorded


class PipelineModule:
    """A module with its recorded inputs, which C++ calls until it is closed."""

    def __init__(self, engine: str, module: torch.nn.Module, inputs: str) -> None:
        """Makes it of an engine's configuration.

        :raises ValueError: the recorded inputs cannot be read.
        :raises TypeError: they hold something else than tensors, numbers, texts and None.
        """
        args, kwargs = read_arguments(inputs)
        self.engine = engine
        self.calls = RecordedCalls(engine, args, kwargs)
        self._module = module
        self._held: list[Holdings] = []
        self._looked_at = 0
        self._model = LastingModel(self._call)
        devices = devices_of(module)
        device = str(next(iter(devices))) if devices else ""
        self.native = torch.classes.greenlane.Module(engine, self._model.exchange, self.calls.tensors, device)
        """C++'s end."""

    def recaptured(self) -> None:
        """Lets go of the weights of former captures."""
        del self._held[:-1]

    def close(self) -> None:
        """Lets C++ call the module no more."""
        self._model.close()

    def _call(self, tensors: list[torch.Tensor]) -> list[torch.Tensor]:
        if torch.cuda.is_initialized() and torch.cuda.is_current_stream_capturing():
            # A graph reads the weights' memory, also when the module has other weights by then.
            self._held.append(holdings(self._module))
            return self.calls.call(self._module, tensors)
        if not ops.collects_writes():
            return self.calls.call(self._module, tensors)
        looked_at = [*tensors, *self._module.buffers()]
        before = holdings(self._module)
        outputs: list[torch.Tensor] = recorded(lambda: self.calls.call(self._module, tensors), looked_at)
        self._looked_at += 1
        change = difference(before, holdings(self._module))
        # The first call may make a table for later ones. C++ asks for the writes of further calls before captures only.
        if change and self._looked_at > 1:
            raise NotCapturableError(f"{change}, which a CUDA graph would not do")
        return outputs


@contextmanager
def opened(config: str, modules: Mapping[str, torch.nn.Module] | None) -> Iterator[list[PipelineModule]]:
    """Yields the modules of a configuration's engines, and closes them."""
    made = pipeline_modules(config, modules)
    try:
        yield made
    finally:
        close_all(made)


def close_all(modules: Iterable[PipelineModule]) -> None:
    """Closes modules."""
    for module in modules:
        module.close()


def pipeline_modules(config: str, modules: Mapping[str, torch.nn.Module] | None) -> list[PipelineModule]:
    """Returns the modules of a configuration's engines.

    :raises ValueError: a module is missing, not used, bound to a lane, or on several devices; or recorded inputs cannot
        be read.
    :raises TypeError: ``modules`` is no mapping, or holds something else than modules.
    """
    given = {} if modules is None else modules
    if not isinstance(given, Mapping):
        raise TypeError(f"modules is {given!r}: give a mapping from names to modules, or None")
    engines = list(zip(*ops.modules_of(config), strict=True))
    _require_names({module for _, module, _ in engines}, set(given), config)
    for name, module in given.items():
        _require_module(name, module)
    made: list[PipelineModule] = []
    try:
        for engine, module, inputs in engines:
            made.append(PipelineModule(engine, given[module], inputs))
    except BaseException:
        close_all(made)
        raise
    return made


def _require_names(wanted: set[str], given: set[Any], config: str) -> None:
    if wanted == given:
        return
    missing, unused = sorted(wanted - given), sorted(map(str, given - wanted))
    problems = [f"{', '.join(map(repr, missing))} is missing in modules"] if missing else []
    problems += [f"{', '.join(map(repr, unused))} is in modules, and no engine is that module"] if unused else []
    names = ", ".join(map(repr, sorted(wanted))) or "none"
    raise ValueError(
        f"the modules do not fit {os.fspath(config)!r}: {'; '.join(problems)}; the file's modules are: {names}. Give "
        "each module under its name (`module = …` in the file)"
    )


def _require_module(name: str, module: object) -> None:
    if not isinstance(module, torch.nn.Module):
        raise TypeError(f"modules[{name!r}] is {module!r}: give a torch.nn.Module")
    for inner_name, inner in module.named_modules():
        if bound_forward(inner) is not None:
            what = f"{inner_name!r} in modules[{name!r}]" if inner_name else f"modules[{name!r}]"
            raise ValueError(
                f"{what} is bound to a lane, and a pipeline has lanes of its own: clear the binding first "
                "(greenlane.clear_external_stream)"
            )
    devices = sorted(map(str, devices_of(module)))
    if len(devices) > 1:
        raise ValueError(f"modules[{name!r}] is on several devices ({', '.join(devices)}): move it to one")
