"""A pipeline that LEAPP exported computes the same on a GPU.

The environment variable GREENLANE_LEAPP_EXPORT names a folder that tests/python/export_with_leapp.py made, with a
PyTorch that is no newer than the one here. LEAPP is not needed here.
"""

import os
from pathlib import Path

import greenlane as gl
import pytest
import torch
from greenlane.leapp import convert
from torch.utils import _pytree as pytree

EXPORT = os.environ.get("GREENLANE_LEAPP_EXPORT", "")
LONG = 60.0

pytestmark = pytest.mark.skipif(not EXPORT, reason="GREENLANE_LEAPP_EXPORT names no export of LEAPP")


def test_outputs_equal_those_of_leapp_over_50_steps_and_again_after_a_reset(tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    pytest.importorskip("safetensors")
    toml = convert(Path(EXPORT) / "robot", tmp_path, device="cuda:0")
    reference = torch.load(Path(EXPORT) / "reference.pt")
    assert len(reference["outputs"]) == 50
    vision, head = 'vision "左"', "policy.1"
    with gl.Pipeline(toml) as robot:
        sinks = {name: robot.sink(name) for name in robot.engines}
        robot.start()
        for _ in range(2):
            for inputs, wanted in zip(reference["inputs"], reference["outputs"], strict=True):
                for name, value in inputs.items():
                    robot.source(name).publish(value)
                results = {name: pytree.tree_leaves(sink.wait(LONG).outputs) for name, sink in sinks.items()}
                assert all(each.is_cuda for each in results[head])
                torch.testing.assert_close(results[vision][1].cpu(), wanted[f"{vision}/brightness"], rtol=0, atol=1e-3)
                torch.testing.assert_close(results[head][0].cpu(), wanted[f"{head}/chunk"], rtol=0, atol=1e-3)
                torch.testing.assert_close(results[head][1].cpu(), wanted[f"{head}/total"], rtol=0, atol=1e-3)
            robot.reset()
        assert [engine.figures.whole.count for engine in robot.stats().engines.values()] == [100] * 3
