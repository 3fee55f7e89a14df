"""How calls of Torch-TensorRT engines run: graphs, urgency and gates, on GPUs of bookkeeping."""

import pytest

from compat import gpu_runtimes
from compat.stand_in import FAKE_CUDA, in_a_process

pytestmark = pytest.mark.skipif(not FAKE_CUDA.exists(), reason=f"{FAKE_CUDA} is not built")


def on_gpus(code: str, runtime: str = "C++") -> list[str]:
    """Returns the lines that the code prints after the set-up."""
    return in_a_process(gpu_runtimes.setup(runtime) + code, on_gpus=True)


def test_options_are_set_and_restored() -> None:
    assert on_gpus(
        """
from greenlane._targets import ObjectTarget
engine = new_engine()
def options():
    return ObjectTarget(engine).options()
plain = options()
outer = gl.bind(engine, lanes["first"], graphs="resident", outputs="views", tune_kernels=False, urgent=2, gates="50us")
print(options())
with gl.bind(engine, lanes["second"]):
    print(options() == plain, gl.graph_report(engine))
print(options().gates, options().urgent, gl.graph_report(engine))
outer.restore()
print(options() == plain)
gl.bind(engine, lanes["first"], graphs="resident", gates="auto")
print(options().gates)
try:
    gl.bind(engine, lanes["first"], gates="auto")
except ValueError as error:
    print(error)
"""
    ) == [
        "CallOptions(graphs=True, views=True, tune=False, urgent=2.0, gates='50us')",
        "True None",
        "50us 2.0 GraphReport(graphs=(), bytes=0, obstacle='', move_obstacle='')",
        "True",
        "auto",
        "nothing was bound: gates cut CUDA graphs: pass graphs='resident', too",
    ]


def test_engines_of_the_runtime_in_python_are_refused() -> None:
    assert on_gpus(
        """
engine = new_engine()
for options in ({"graphs": "resident"}, {"urgent": 5.0}):
    try:
        gl.bind(engine, lanes["first"], **options)
    except ValueError as error:
        print(error)
print(gl.is_external_stream_set(engine))
""",
        "Python",
    ) == [
        "nothing was bound: graphs='resident' is for modules on a GPU that Torch-TensorRT does not recompile; for a "
        "package, call greenlane.load(path, graphs='resident')",
        "nothing was bound: `urgent` and gates are not for engines of its kind",
        "False",
    ]


def test_a_bound_engine_passes_the_gate_when_it_is_urgent() -> None:
    assert on_gpus(
        """
engine = new_engine()
gl.bind(engine, lanes["first"], urgent=5.0)
before = gl.gate_report().passes
for _ in range(3):
    print(named(ran(engine)))
print(gl.gate_report().passes - before)
"""
    ) == ["first", "first", "first", "3"]
