"""Pipelines with modules on GPUs that keep books and compute nothing."""

import re
from pathlib import Path

import pytest

from compat.stand_in import FAKE_CUDA, in_a_process

pytestmark = pytest.mark.skipif(not FAKE_CUDA.exists(), reason=f"{FAKE_CUDA} is not built")

SETUP = """
import sys
from pathlib import Path
import torch, greenlane as gl
torch.cuda.init()
folder = Path({folder!r})
torch.save([], folder / "inputs.pt")

class Module(torch.nn.Module):
    # It takes no inputs, because these GPUs have no memory.
    fails = False

    def forward(self):
        if self.fails:
            raise ValueError("it fails now")
        streams.append(torch.cuda.current_stream().cuda_stream)
        return []

streams = []  # of the calls of all modules

def opened(*modules, keys="", **options):
    # Opens a pipeline whose engines are modules.
    names = [f"engine{{i}}" for i in range(len(modules))]
    tables = [f"[engine.{{name}}]\\nmodule = '{{name}}'\\ninputs = 'inputs.pt'\\n{{keys}}\\n" for name in names]
    (folder / "pipeline.toml").write_text("device = 'cuda:0'\\n" + "".join(tables))
    return gl.Pipeline(folder / "pipeline.toml", modules=dict(zip(names, modules)), **options)

def attempt(call):
    try:
        return call()
    except Exception as error:
        return type(error).__name__ + ": " + str(error)
"""


def on_gpus(folder: Path, code: str) -> list[str]:
    return in_a_process(SETUP.format(folder=str(folder)) + code, on_gpus=True)


def test_a_module_that_cannot_be_captured_is_refused(tmp_path: Path) -> None:
    """These GPUs have no libraries whose kernels a capture could prepare."""
    (refusal,) = on_gpus(tmp_path, "print(attempt(lambda: opened(Module(), mode='shared')))")[-1:]
    assert re.match(
        "RuntimeError: engine 'engine0' cannot run on lane 'engine0' .132 SMs.: module 'engine0' cannot be captured: "
        "CUDA error: .*; set `python = true` for engine 'engine0': it then runs in Python, under Python's lock",
        refusal,
    )


def test_a_module_in_python_runs_on_its_lane(tmp_path: Path) -> None:
    assert on_gpus(
        tmp_path,
        """
module = Module()
with opened(module, keys="python = true", mode="shared") as pipeline:
    engine = pipeline["engine0"]
    streams.clear()
    print(engine(), engine.submit().result(60), streams == [engine.lane.stream] * 2)
    stats = pipeline.stats().engines["engine0"]
    print(stats.in_python, stats.graphs, stats.figures.failed)
    pipeline.recapture("engine0")
    module.fails = True
    print(attempt(lambda: engine.submit().result(60)).partition(";")[0])
""",
    ) == [
        "[] [] True",
        "True None 0",
        "RuntimeError: the module of engine 'engine0' failed: ValueError: it fails now",
    ]


def test_a_module_whose_calls_change_it_is_refused(tmp_path: Path) -> None:
    (refusal,) = on_gpus(
        tmp_path,
        """
class Counts(Module):
    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self):
        self.calls += 1
        return []

print(attempt(lambda: opened(Counts(), mode="shared")))
""",
    )
    assert re.search(
        "engine 'engine0' cannot run on lane 'engine0' .*: module 'engine0' cannot be captured: a call changes 'calls'"
        ", which a CUDA graph would not do; set `python = true` for engine 'engine0'",
        refusal,
    )


def test_a_module_without_graphs_needs_python_true(tmp_path: Path) -> None:
    (refusal,) = on_gpus(tmp_path, "print(attempt(lambda: opened(Module(), keys='graphs = \"off\"', mode='shared')))")
    assert re.search(
        r"engine.engine0: `graphs = \"off\"`: a module is replayed from a CUDA graph, or it runs in Python; set `",
        refusal,
    )
