"""Versions of Torch-TensorRT, as the stand-in plays them, each in a process of its own."""

import pytest
from python.probes import CALLER

from compat.stand_in import in_a_process

CODE = """
import os
os.environ["GREENLANE_STAND_IN_VERSION"] = "{version}"
import greenlane as gl
from compat import stand_in
stand_in.load()
engine = stand_in.new_engine("first")
lane = gl.lane("cpu", "lane")
model = stand_in.Accelerated(engine)
try:
    gl.set_external_stream(model, {{"engine": lane}})
except RuntimeError as error:
    print(error)
print(stand_in.where(engine), engine.is_external_stream_set(), gl.is_external_stream_set(model, "engine"))
try:
    engine.set_external_stream(1)
except RuntimeError as error:
    print(str(error).splitlines()[0])
"""


@pytest.mark.parametrize("version", ["2.13", "2.14"])
def test_engines_of_supported_versions_are_bound(version: str) -> None:
    """The older version gives the engine's name and device in its text only."""
    where, refusal = in_a_process(CODE.format(version=version))
    assert where == "lane True True"
    assert "legacy default stream" in refusal


def test_older_engines_are_refused_with_the_needed_version() -> None:
    message, where, refusal = in_a_process(CODE.format(version="2.12"))
    assert message.startswith("the Torch-TensorRT engine 'first' cannot be bound: ")
    assert "use Torch-TensorRT 2.13 or newer" in message
    assert where == f"{CALLER} False False"
    assert "legacy default stream" in refusal  # a handle is judged before the engine
