"""Loading of packages for a GPU, on GPUs that keep books and compute nothing."""

from pathlib import Path

import pytest

from compat.stand_in import FAKE_CUDA, in_a_process

pytestmark = pytest.mark.skipif(not FAKE_CUDA.exists(), reason=f"{FAKE_CUDA} is not built")


def test_gates_without_graphs_are_refused_before_the_package_is_loaded(models: Path) -> None:
    """The package says that it is for a GPU, and is not: its loading fails in another way."""
    program = f"""
import torch, greenlane as gl
torch.cuda.init()
for gates in ("auto", "off"):
    try:
        gl.load({str(models / "says_cuda.pt2")!r}, name="planner", gates=gates)
    except RuntimeError as error:
        print(str(error).partition(": ")[0])
"""
    refused, failed = in_a_process(program, on_gpus=True)
    assert refused == "engine 'planner' cannot have gates"
    assert "says_cuda.pt2" in failed
