"""The classes and operators that are registered with PyTorch, used without the package."""

import subprocess
import sys
from pathlib import Path

from built import BUILD

LIBRARY = BUILD / "lib" / "libgreenlane_bindings.so"

CODE = """
import sys, torch
library, package = sys.argv[1:]
torch.ops.load_library(library)
ops = torch.ops.greenlane
(lane,) = ops.partition("cpu", ["policy"], [1])
options = torch.classes.greenlane.EngineOptions()
options.name = "policy"
engine = ops.load_aoti(package, options)
print(lane.units(), engine.name(), engine.is_external_stream_set())
engine.bind(lane)
outputs = engine.run([torch.ones(4, 8)])
print(outputs[0].unique().tolist(), engine.is_external_stream_set(), engine.get_external_stream())
try:
    engine.set_external_stream(2)
except RuntimeError as error:
    print("per-thread" in str(error))
engine.clear_external_stream()
print(engine.is_external_stream_set(), "greenlane" in sys.modules)
ops.set_engine_stream_passthrough(True)
print(ops.get_engine_stream_passthrough())
"""


def test_the_library_works_without_the_package(models: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CODE, str(LIBRARY), str(models / "affine.pt2")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "1 policy False",
        "[3.0] True 0",
        "True",
        "False False",
        "True",
    ]
