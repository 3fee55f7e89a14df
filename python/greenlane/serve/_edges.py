"""The edges of a pipeline's file: where each input of an engine comes from."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from greenlane._pipeline import Pipeline

Document = dict[str, Any]


@dataclass(frozen=True)
class Taken:
    """Where an input of an engine comes from."""

    producer: str
    """The source or the engine."""
    output: int
    """The number of its tensor."""
    is_queue: bool
    """Whether each value counts."""
    initial: str | None
    """The data that the edge begins with: ``"zeros"`` or a file; None: the edge closes no cycle."""


def read_document(file: str | os.PathLike[str]) -> Document:
    """Returns a pipeline's file as tables. The pipeline is open, so the file is right.

    :raises RuntimeError: the file cannot be read any more.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        document: Document = tomllib.loads(Path(file).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise RuntimeError(f"'{os.fspath(file)}' cannot be read: {error}; deploy it again") from None
    return document


def taken_by(document: Document, engine: str) -> list[Taken]:
    """Returns where the inputs of an engine come from, in their order; empty: from its callers."""
    entries = document["engine"][engine].get("from", [])
    tables = [each if isinstance(each, dict) else {"output": each} for each in _listed(entries)]
    producers = [*document.get("source", {}), *document["engine"]]
    found = [_producer(each["output"], producers) for each in tables]
    settings: dict[str, Document] = {}  # entries of one producer share an edge
    for (producer, _), table in zip(found, tables, strict=True):
        settings.setdefault(producer, {}).update(table)
    return [
        Taken(producer, output, "queue" in settings[producer], settings[producer].get("initial"))
        for producer, output in found
    ]


def recorded_inputs(pipeline: Pipeline, document: Document, folder: Path, engine: str) -> list[torch.Tensor]:
    """Returns the recorded inputs of an engine.

    :param folder: of the pipeline's file.
    """
    if engine in pipeline._modules:
        return pipeline._modules[engine].calls.tensors
    return read_tensors(folder / document["engine"][engine]["inputs"])


def read_tensors(file: Path) -> list[torch.Tensor]:
    """Returns the tensors of a file that ``torch.save`` wrote, on the CPU."""
    return list(torch.load(file, map_location="cpu", weights_only=True))


def _listed(entries: Any) -> list[Any]:
    return entries if isinstance(entries, list) else [entries]


def _producer(name: str, producers: list[str]) -> tuple[str, int]:
    """Returns the producer and the number of its tensor: ``"vision.1"`` is the second output of vision."""
    if name in producers:
        return name, 0
    producer, _, number = name.rpartition(".")
    return producer, int(number)
