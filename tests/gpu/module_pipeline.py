"""A pipeline with one engine, which is a module."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import greenlane as gl
import torch
from torch import nn


@contextmanager
def serving(
    folder: Path, module: nn.Module, inputs: Any, keys: str = "", lane: str = "", **options: Any
) -> Iterator[gl.Pipeline]:
    """Opens a pipeline whose engine is the module, on half of the device unless told otherwise."""
    torch.save(inputs, folder / "inputs.pt")
    file = folder / "pipeline.toml"
    file.write_text(
        f"device = 'cuda:0'\n[engine.net]\nmodule = 'net'\ninputs = 'inputs.pt'\n{keys}\n"
        f"[lane.net]\n{lane or 'units = 64'}\n"
    )
    with gl.Pipeline(file, modules={"net": module}, **options) as pipeline:
        yield pipeline
