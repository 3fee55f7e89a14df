"""The published source of MutableTorchTensorRTModule, run without TensorRT.

The modules of torch_tensorrt that it imports are stand-ins. The stand-in compiler gives a model with two of the
stand-in's engines, and refitting puts new engines into that model.
"""

import importlib.util
import sys
import types
from pathlib import Path
from typing import Any

import torch

from compat import stand_in

FILE = "torch_tensorrt/dynamo/runtime/_MutableTorchTensorRTModule.py"
SOURCE = Path(sys.prefix) / "compat" / FILE
compiled: list[stand_in.Model] = []
"""The compiled models, in order."""


def compile_model(program: torch.export.ExportedProgram, **_: Any) -> stand_in.Model:
    """Stands in for torch_tensorrt.dynamo.compile."""
    assert isinstance(program, torch.export.ExportedProgram)
    compiled.append(stand_in.Model())
    return compiled[-1]


def refit(model: stand_in.Model, *_: Any, **__: Any) -> stand_in.Model:
    """Stands in for refit_module_weights, which replaces the engines in C++."""
    for name in ("_run_on_acc_0", "_run_on_acc_1"):
        getattr(model, name).engine = stand_in.new_engine("refitted")
    return model


def load() -> Any:
    """Returns the module made of that source."""
    cpu = torch.device("cpu")
    names: dict[str, dict[str, Any]] = {
        "torch_tensorrt": {},
        "torch_tensorrt._Device": {"Device": torch.device},
        "torch_tensorrt.dynamo": {"_defaults": types.SimpleNamespace(DEVICE=cpu)},
        "torch_tensorrt.dynamo._compiler": {"compile": compile_model},
        "torch_tensorrt.dynamo._refit": {"refit_module_weights": refit},
        "torch_tensorrt.dynamo.utils": {
            "check_output_equal": lambda one, other: False,
            "deallocate_module": lambda module: module.to(cpu),
            "to_torch_device": torch.device,
            "to_torch_tensorrt_device": torch.device,
        },
    }
    for name, contents in names.items():
        sys.modules[name] = types.ModuleType(name)
        vars(sys.modules[name]).update(contents)
    name = FILE.removesuffix(".py").replace("/", ".")
    spec = importlib.util.spec_from_file_location(name, SOURCE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
