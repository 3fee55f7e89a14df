"""The engines of a pipeline that are loaded, and changes of them."""

import gc
import json
import logging
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch

from greenlane._pipeline import Pipeline
from greenlane.serve._edges import read_document, taken_by
from greenlane.serve._errors import ProtocolError, bad_request
from greenlane.serve._reduced import reduced_files

_log = logging.getLogger("greenlane")
Unloaded = frozenset[str]


class Repository:
    """A pipeline's file, opened without the engines that are unloaded. Changes of the file count at the next start.

    Thread safety: one thread at a time.
    """

    def __init__(self, config: str, plan: str | None = None, unloaded: Collection[str] = ()) -> None:
        """Opens the pipeline, and starts its timers and triggers.

        :raises RuntimeError: it cannot be opened.
        """
        self._config, self.folder = Path(config), Path(config).parent
        self.unloaded: Unloaded = frozenset(unloaded)
        self.failure = ""
        """The reason why the last change was not made; empty if it was."""
        if not self.unloaded:  # C++ tells best what is wrong with the files
            self.pipeline = _started(config, plan)
        self.document = read_document(config)
        self._plan = None if plan is None else json.loads(Path(plan).read_text(encoding="utf-8"))
        if self.unloaded:
            require_possible(self.document, self.unloaded)
            self.pipeline = self._opened(self.unloaded)

    def change(self, unloaded: Unloaded) -> None:
        """Opens the pipeline anew without these engines; if that fails, as before, and `failure` says why.

        Meanwhile there is none, because the lanes' units exist once.
        """
        self.failure = ""
        if unloaded == self.unloaded:
            return
        try:
            require_possible(self.document, unloaded)
        except ProtocolError as error:
            self.failure = str(error)
            _log.warning("the pipeline is not opened without %s: %s", sorted(unloaded), error)
            return
        self._close()
        try:
            self.pipeline = self._opened(unloaded)
            self.unloaded = unloaded
        except (RuntimeError, ValueError, OSError) as error:
            self.failure = str(error)
            _log.warning("the pipeline was not opened without %s: %s", sorted(unloaded), error)
            try:
                self.pipeline = self._opened(self.unloaded)
            except (RuntimeError, ValueError, OSError) as again:
                self.failure += f"; and it cannot be opened as before: {again}"

    def _close(self) -> None:
        self.pipeline.close()
        gc.collect()
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            torch.cuda.empty_cache()  # the engine's memory is free for other processes, too

    def _opened(self, unloaded: Unloaded) -> Pipeline:
        with reduced_files(self.document, self._config, self._plan, unloaded) as (config, plan):
            try:
                return _started(config, plan)
            except RuntimeError as error:
                copied = re.escape(str(config)) + r"(:\d+)?"  # the lines are those of the copy
                raise RuntimeError(re.sub(copied, lambda _: str(self._config), str(error))) from None


def _started(config: str | Path, plan: str | Path | None) -> Pipeline:
    pipeline = Pipeline(config, plan)
    try:
        pipeline.start()
    except BaseException:
        pipeline.close()
        raise
    return pipeline


def after(document: dict[str, Any], unloaded: Unloaded, engine: str, verb: str) -> Unloaded:
    """Returns the engines that are unloaded after one of them is loaded or unloaded.

    :raises ProtocolError: there is no such engine, or others need it.
    """
    if engine not in document["engine"]:
        known = ", ".join(document["engine"])
        raise ProtocolError(404, f"there is no model {engine[:100]!r} in the pipeline's file: use {known}")
    changed = unloaded - {engine} if verb == "load" else unloaded | {engine}
    require_possible(document, changed)
    return changed


def require_possible(document: dict[str, Any], unloaded: Unloaded) -> None:
    """Raises ProtocolError if the pipeline cannot do without these engines."""
    engines = document["engine"]
    unknown = sorted(unloaded - set(engines))
    if unknown:
        raise bad_request(f"there is no engine {unknown[0][:100]!r} to unload: use {', '.join(engines)}")
    if unloaded == set(engines):
        raise bad_request("no engine would be left: load another one first, or end the application")
    for name in engines:
        missing = sorted({each.producer for each in taken_by(document, name)} & unloaded)
        if name not in unloaded and missing:
            raise bad_request(
                f"engine {name!r} takes data from {missing[0]!r}: unload {name!r} first, or load {missing[0]!r} first"
            )
