"""Torch-TensorRT engines in models of every form, on two GPUs too, and the lifetime of the engines."""

import io
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import greenlane as gl
import pytest
import torch
from tensorrt_checks import MARKS, bind, callers, units, whole
from tensorrt_runtime import Inlined, Model, load_for_export, new_engine
from torch import Tensor, nn
from torch.export import ExportedProgram
from where import sms_of

pytestmark = MARKS

HERE = Path(__file__).resolve().parent


class Forms:
    """The forms that a model can have."""

    @staticmethod
    def scripted(model: nn.Module) -> nn.Module:
        """Returns the model in Torch-TensorRT's older output format."""
        script: nn.Module = torch.jit.script(model)
        return script

    @staticmethod
    def traced(model: nn.Module) -> nn.Module:
        """Returns the model as torch_tensorrt.save makes it of that format."""
        script: nn.Module = torch.jit.trace(model, torch.ones(64, device="cuda"), check_trace=False)
        return script

    @staticmethod
    def script_reloaded(script: nn.Module) -> nn.Module:
        """Saves and loads the model."""
        file = io.BytesIO()
        torch.jit.save(script, file)
        file.seek(0)
        loaded: nn.Module = torch.jit.load(file)
        return loaded

    @staticmethod
    def exported(model: nn.Module) -> ExportedProgram:
        """Returns the model in Torch-TensorRT's newer output format."""
        load_for_export()
        return torch.export.export(model, (torch.ones(64, device="cuda"),), strict=False)

    @staticmethod
    def reloaded(program: ExportedProgram) -> ExportedProgram:
        """Saves and loads the program."""
        file = io.BytesIO()
        torch.export.save(program, file)
        file.seek(0)
        return torch.export.load(file)


FORMS: dict[str, Callable[[nn.Module], Any]] = {
    "module": lambda model: model,
    "script": Forms.scripted,
    "saved script": lambda model: Forms.script_reloaded(Forms.scripted(model)),
    "saved trace": lambda model: Forms.script_reloaded(Forms.traced(model)),
    "program": Forms.exported,
    "program's module": lambda model: Forms.exported(model).module(),
    "saved program": lambda model: Forms.reloaded(Forms.exported(model)),
    "saved program's module": lambda model: Forms.reloaded(Forms.exported(model)).module(),
}


@pytest.mark.filterwarnings("ignore:.*torch.jit.*deprecated")
@pytest.mark.parametrize("kind", [Model, Inlined])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_model_can_be_bound(
    lanes: dict[str, gl.Lane], x: Tensor, kind: type[Model] | type[Inlined], form: str
) -> None:
    """Engines are bound by their names, and the bindings are cleared."""
    root = FORMS[form](kind(new_engine("first"), new_engine("second")))
    called = root.module() if isinstance(root, ExportedProgram) else root

    def used() -> tuple[int, int]:
        first, second, y = called(x)
        torch.testing.assert_close(y, 4 * x + 2)
        return len(sms_of(first)), len(sms_of(second))

    assert used() == (whole(), whole())
    with gl.set_external_stream(root, {"first": lanes["small"], "second": lanes["large"]}):
        for stream in callers(lanes):
            with torch.cuda.stream(stream):
                assert used() == (24, 40)
    assert used() == (whole(), whole())


def eventually(condition: Callable[[], bool]) -> bool:
    """Returns whether the condition comes true within a second."""
    end = time.monotonic() + 1
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def test_a_freed_engine_releases_memory_and_lane(x: Tensor) -> None:
    most = whole() - 28
    engine = new_engine(memory=1 << 30)
    bind(engine, gl.partition("cuda:0", {"mine": most})["mine"])
    assert units(engine, x) == most
    free = torch.cuda.mem_get_info()[0]
    with pytest.raises(RuntimeError, match="'mine' holds"):
        gl.partition("cuda:0", {"other": most})
    del engine

    def is_free() -> bool:
        try:
            return gl.partition("cuda:0", {"other": most})["other"].units == most
        except RuntimeError:
            return False

    assert eventually(is_free)
    assert eventually(lambda: torch.cuda.mem_get_info()[0] > free + (1 << 29))


@pytest.mark.parametrize("order", ["import greenlane as gl; load()", "load(); import greenlane as gl"])
def test_either_library_may_be_loaded_first(order: str) -> None:
    code = f"""
import sys
sys.path.insert(0, {str(HERE)!r})
import torch
from tensorrt_runtime import Accelerated, load, new_engine, run
from where import sms_of
{order}
engine = new_engine()
lane = gl.partition("cuda:0", {{"lane": 24}})["lane"]
engine.set_external_stream(lane.stream)
print(len(sms_of(run(engine, torch.zeros(1, device="cuda"))[0])))
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(gl.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stdout) == (0, "24\n"), done.stderr


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="this machine has fewer than two GPUs")
def test_each_engine_runs_on_its_gpu() -> None:
    """Each engine runs on its own GPU, whatever the current device is."""
    model = Model(new_engine("first", device=0), new_engine("second", device=1))
    lanes = [gl.partition(f"cuda:{i}", {"lane": size})["lane"] for i, size in enumerate((16, 48))]
    gl.set_external_stream(model, {"first": lanes[0], "second": lanes[1]})
    assert torch.cuda.current_device() == 0
    one, y = model._run_on_acc_0(torch.ones(8, device="cuda:0"))
    two, z = model._run_on_acc_1(torch.ones(8, device="cuda:1"))
    assert (y.device.index, z.device.index) == (0, 1)
    assert (len(sms_of(one)), len(sms_of(two))) == (16, 48)
    assert torch.cuda.current_device() == 0
