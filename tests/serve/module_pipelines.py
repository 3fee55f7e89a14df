"""Pipelines of modules as a pytest fixture: import `opens` in a conftest.py."""

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path

import greenlane as gl
import pytest
import torch
from cli.program import config
from torch import nn

Opens = Callable[..., gl.Pipeline]


@pytest.fixture
def opens(tmp_path: Path) -> Iterator[Opens]:
    """Opens and starts pipelines of modules with a source "camera"; each engine has its keys."""
    opened: list[gl.Pipeline] = []

    def made(more: str = "", sources: str = "[source.camera]\n", **engines: tuple[nn.Module, str]) -> gl.Pipeline:
        tables = [sources, more]
        for name, (module, keys) in engines.items():
            inputs = len(inspect.signature(module.forward).parameters)
            torch.save([torch.arange(6.0).reshape(2, 3)] * inputs, tmp_path / f"{name}.pt")
            tables.append(f"[engine.{name}]\nmodule = '{name}'\ninputs = '{name}.pt'\nhang_ms = 60000\n{keys}\n")
        modules = {name: module for name, (module, _) in engines.items()}
        pipeline = gl.Pipeline(config(tmp_path, *tables), modules=modules, mode="shared")
        pipeline.start()
        opened.append(pipeline)
        return pipeline

    yield made
    for pipeline in opened:
        pipeline.close()
