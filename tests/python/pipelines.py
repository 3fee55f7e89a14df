"""Pipelines of the tests' packages, and lanes that are held busy."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import greenlane as gl
from cli.program import config, engine
from torch import nn

LONG = 60.0


def pipeline_of(folder: Path, models: Path, **engines: tuple[str, dict[str, Any]]) -> Path:
    """Writes a configuration for the CPU: each engine is a package's name and keys of its table."""
    return config(folder, *(engine(name, models / f"{model}.pt2", **keys) for name, (model, keys) in engines.items()))


class Stuck(nn.Module):
    """A module that works until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = threading.Event()
        self.release = threading.Event()

    def forward(self) -> None:
        self.inside.set()
        self.release.wait(LONG)


@contextmanager
def held(lane: gl.Lane) -> Iterator[None]:
    """Keeps a lane of the CPU busy, so that the runs on it wait."""
    stuck = Stuck()
    gl.bind(stuck, lane)
    thread = threading.Thread(target=stuck, daemon=True)
    thread.start()
    assert stuck.inside.wait(LONG)
    try:
        yield
    finally:
        stuck.release.set()
        thread.join(LONG)
        gl.clear_external_stream(stuck)


@contextmanager
def under_way(busy: gl.PipelineEngine, *inputs: Any) -> Iterator[gl.PipelineRun]:
    """Holds a run of an engine, so that its later requests wait in the queue."""
    with held(busy.lane):
        run = busy.submit(*inputs)
        # The engine's thread has taken the request once it can no longer be cancelled, but asking would cancel it.
        time.sleep(0.1)
        yield run
    run.result(LONG)


def eventually(condition: Callable[[], object], seconds: float = LONG) -> bool:
    """Waits until a condition is met; returns whether it is."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.002)
    return True
