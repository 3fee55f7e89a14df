"""Work that leaves the lane of a bound engine: one warning for each engine, with its name.

Each case is a process of its own.
"""

import re

import pytest

from compat.stand_in import in_a_process
from compat.test_python_runtime import RUNTIME

BEGIN = """
import os
os.dup2(1, 2)  # in order
import greenlane as gl
from compat import stand_in
stand_in.load()
lane = gl.lane("cpu", "lane")
def bind(engine, root=stand_in.Accelerated):
    gl.set_external_stream(root(engine), {"engine": lane})
"""
AUXILIARY = r"the Torch-TensorRT engine '(.*)' may have auxiliary streams.*max_aux_streams=0"
MULTI_DEVICE = r"the Torch-TensorRT engine '(.*)' talks to other devices by itself \(native multi-device\)"


def said(pattern: str, code: str) -> list[str]:
    """Returns the names in the messages that match, in order."""
    return [found[1] for line in in_a_process(code) if (found := re.search(pattern, line))]


def test_auxiliary_streams_are_warned_of_once_per_engine() -> None:
    code = """
first, second = stand_in.new_engine("first"), stand_in.new_engine("second")
for engine in (first, second, first):
    bind(engine)
first.clear_external_stream()
bind(first)
"""
    assert said(AUXILIARY, BEGIN + code) == ["first", "second"]


def test_multi_device_engines_are_warned_of_once() -> None:
    code = """
engines = [stand_in.new_engine(name, multi_device=multi) for name, multi in
    (("first", True), ("alone", False), ("second", True))]
for engine in engines * 2:
    bind(engine)
"""
    assert said(MULTI_DEVICE, BEGIN + code) == ["first", "second"]


def test_the_warning_names_all_engines_of_a_model() -> None:
    code = """
model = stand_in.Model()
for module, name in ((model._run_on_acc_0, "one"), (model._run_on_acc_1, "two")):
    module.engine = stand_in.new_engine(name, multi_device=True)
gl.set_external_stream(model, lane)
"""
    assert said(MULTI_DEVICE, BEGIN + code) == ["one", "two"]
    assert said(AUXILIARY, BEGIN + code) == ["one", "two"]


def test_the_warning_names_an_engine_bound_by_method() -> None:
    code = """
engine = stand_in.new_engine("first", multi_device=True)
try:
    engine.set_external_stream(1)
except RuntimeError:
    pass
"""
    assert said(MULTI_DEVICE, BEGIN + code) == said(AUXILIARY, BEGIN + code) == ["first"]


def test_unbound_engines_give_no_warning() -> None:
    assert in_a_process(BEGIN + "stand_in.where(stand_in.new_engine('first', multi_device=True))") == []


PYTHON = f"""
import os
os.dup2(1, 2)
{RUNTIME}
load_runtime(); import greenlane as gl
lane = gl.lane("cpu", "lane")
class Loaded:
    def __init__(self, streams):
        self.num_aux_streams = streams
def engine(name, multi_device, streams):
    made = TRTEngine(name)
    made.requires_native_multidevice = multi_device
    if streams is not None:
        made.cuda_engine = Loaded(streams)
    return made
models = [Accelerated(engine(*each)) for each in
    (("first", True, None), ("second", False, 0), ("third", True, 2), ("fourth", True, 0))]
for model in models * 2:
    gl.set_external_stream(model, {{"engine": lane}})
"""


@pytest.mark.parametrize(
    ("pattern", "engines"),
    [(MULTI_DEVICE, ["first", "third", "fourth"]), (AUXILIARY, ["first", "third"])],
)
def test_the_warning_names_python_runtime_engines(pattern: str, engines: list[str]) -> None:
    """Loaded engines know the number of their auxiliary streams."""
    assert said(pattern, PYTHON) == engines
