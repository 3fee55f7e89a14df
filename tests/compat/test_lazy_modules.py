"""Real Torch-TensorRT modules over the stand-in, whose engines are set up late (lazy_engine_init).

Each case is a process of its own, because the packages cannot be imported normally.
"""

from pathlib import Path

import pytest
import torch
from built import BUILD

from compat.lazy_modules import PACKAGES
from compat.stand_in import in_a_process

SHIMS = BUILD / "tests" / "compat"

packages = pytest.mark.parametrize(
    "package",
    [
        pytest.param(
            name,
            marks=pytest.mark.skipif(
                not folder.exists(), reason=f"{name} is not in {folder} (tools/setup.sh puts it there)"
            ),
        )
        for name, folder in PACKAGES.items()
    ],
)

BEGIN = """
import ctypes, logging, sys, threading, warnings
import torch
import greenlane as gl
from compat import lazy_modules, stand_in
from python.probes import CALLER
logging.disable(logging.WARNING)
warnings.filterwarnings("ignore", message=".*RuntimeSettings.*")
if "{package}".endswith("RTX"):
    ctypes.CDLL("{shim}", ctypes.RTLD_GLOBAL)
stock = lazy_modules.load("{package}")
model = lazy_modules.Model(stock)
a, b = gl.lane("cpu", "a"), gl.lane("cpu", "b")
def show():
    print(*("caller" if name == CALLER else name for name in stand_in.lanes_of(model)))
def outcome(call, *arguments):
    try:
        call(*arguments)
        print("done")
    except Exception as error:
        print(type(error).__name__ + ":", str(error).splitlines()[0])
"""


def run(package: str, code: str) -> list[str]:
    begin = BEGIN.format(package=package, shim=SHIMS / "libtensorrt_rtx.so.1")
    return in_a_process(begin + code)


@packages
@pytest.mark.parametrize("mode", [0, 1])
def test_a_module_is_bound_before_its_engine_exists(package: str, mode: int) -> None:
    assert run(
        package,
        f"""
with stand_in.graphs({mode}):
    gl.set_external_stream(model, {{"_run_on_acc_0": a, "_run_on_acc_1": b}})
    print(model._run_on_acc_0.engine)
    model.set_up()
    show(), show(), show()
    gl.set_external_stream(model, {{"_run_on_acc_0": b}})
    show(), show()
    gl.clear_external_stream(model, ["_run_on_acc_0", "_run_on_acc_0.engine"])
    show(), show()
    gl.clear_external_stream(model)
    show(), show()
""",
    ) == ["None", *["a b"] * 3, *["b b"] * 2, *["caller b"] * 2, *["caller caller"] * 2]


@packages
def test_a_late_engine_is_found(package: str) -> None:
    lines = run(
        package,
        """
outcome(gl.set_external_stream, model, {"_run_on_acc_0.engine": a})
model.set_up()
gl.set_external_stream(model, {"_run_on_acc_0.engine": a, "_run_on_acc_1_engine": b})
show()
print(gl.is_external_stream_set(model, "_run_on_acc_0_engine"), model._run_on_acc_0.engine.is_external_stream_set())
gl.clear_external_stream(model)
show()
""",
    )
    assert lines[0].startswith("ValueError: nothing was bound: there is no submodule '_run_on_acc_0.engine'")
    assert lines[1:] == ["a b", "True True", "caller caller"]


@packages
@pytest.mark.skipif(
    tuple(map(int, torch.__version__.split(".")[:2])) < (2, 13),
    reason="this PyTorch does not give access to the engines in a package",
)
def test_a_package_of_lazy_modules_is_bound(package: str, tmp_path: Path) -> None:
    assert run(
        package,
        f"""
model.set_up()
program = torch.export.export(model, (torch.ones(4),), strict=False)
path = torch._inductor.aoti_compile_and_package(program, package_path={str(tmp_path / "lazy.pt2")!r})
model = gl.load(path)
show()
with gl.set_external_stream(model, {{"_run_on_acc_0_engine": a, "_run_on_acc_1_engine": b}}) as binding:
    print(*binding.names)
    show()
show()
""",
    )[-4:] == [
        "caller caller",
        "_run_on_acc_0_engine _run_on_acc_1_engine",
        "a b",
        "caller caller",
    ]


@packages
def test_graphs_of_tensorrt_rtx_are_refused(package: str) -> None:
    """Such graphs are captured inside the engine's calls, where nothing can drop them."""
    lines = run(
        package,
        """
graphs = stock.RuntimeSettings(runtime_cache=None, cuda_graph_strategy="whole_graph_capture")
none = stock.RuntimeSettings(runtime_cache=None)
first = model._run_on_acc_0
first.runtime_settings = graphs
outcome(gl.set_external_stream, model, {"_run_on_acc_0": a})
first.runtime_settings = none
model.set_up()
outcome(gl.set_external_stream, model, {"_run_on_acc_0": a})
gl.clear_external_stream(model)
first.runtime_settings = graphs
outcome(gl.set_external_stream, model, {"_run_on_acc_0_engine": a})
outcome(gl.set_external_stream, model, {"": a})
print(gl.is_external_stream_set(model, "_run_on_acc_0_engine"), gl.is_external_stream_set(model))
show()
""",
    )
    if package.endswith("RTX"):
        why = "TensorRT-RTX captures CUDA graphs of its own in it (cuda_graph_strategy)"
        assert lines[0].startswith("ValueError: nothing was bound")
        assert why in lines[0]
        assert lines[1] == "done"
        assert lines[2].startswith("RuntimeError: the Torch-TensorRT engine '_run_on_acc_0_engine' cannot be bound")
        assert why in lines[2]
        assert "set cuda_graph_strategy to 'disabled'" in lines[2]
        assert why in lines[3]
        assert lines[4:] == ["False False", "caller caller"]
    else:  # here the setting does nothing
        assert lines == ["done", "done", "done", "done", "True True", "a a"]


@packages
def test_graphs_enabled_later_give_a_warning(package: str, capfd: pytest.CaptureFixture[str]) -> None:
    lines = run(
        package,
        """
import os
os.dup2(1, 2)
model.set_up()
binding = gl.set_external_stream(model, {"_run_on_acc_0_engine": a})
model._run_on_acc_0.runtime_settings = stock.RuntimeSettings(
    runtime_cache=None, cuda_graph_strategy="whole_graph_capture")
print("clear", flush=True)
gl.clear_external_stream(model)
""",
    )
    after = lines[lines.index("clear") + 1 :]
    said = [line for line in after if "'_run_on_acc_0_engine' is not bound any more, but TensorRT-RTX captured" in line]
    assert len(said) == (1 if package.endswith("RTX") else 0), after
