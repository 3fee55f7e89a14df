"""Compiles exported programs into packages, and compares the packages with their programs."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
import torch._inductor
from torch import Tensor
from torch.export import ExportedProgram

from greenlane.leapp._description import Node
from greenlane.leapp._error import LeappError, first_line, shown
from greenlane.leapp._program import flat

# Relative and absolute. Rounding differs between kernels; a wrong kernel is off by far more.
_TOLERANCES = {torch.float16: (2e-2, 2e-2), torch.bfloat16: (2e-2, 2e-2)}
_OTHER_FLOATS = (1e-3, 1e-4)
_ADVICE = (
    "run this again with TORCHINDUCTOR_FORCE_DISABLE_CACHES=1, and if it still fails, this version of PyTorch "
    "miscompiles the model: try another"
)


def check_compiler() -> None:
    """Finds out at once what would otherwise fail after the first seconds of compiling.

    :raises LeappError: there is no C++ compiler.
    """
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        raise LeappError(
            "the models cannot be compiled",
            f"the C++ compiler {shown(compiler)} is not on the PATH",
            "install g++, or set CXX to your compiler",
        )


def compile_package(program: ExportedProgram, node: Node, device: torch.device, package: Path) -> None:
    """Compiles a program into a package.

    :raises LeappError: PyTorch cannot compile it.
    """
    # Left alone, Inductor fixes the number of CPU threads while compiling; a lane's number of cores is known later.
    options = {"cpp.dynamic_threads": True} if device.type == "cpu" else {}
    try:
        with torch.no_grad():
            torch._inductor.aoti_compile_and_package(program, package_path=str(package), inductor_configs=options)
    except Exception as error:  # Inductor, the compiler and the linker raise errors of many kinds
        raise LeappError(
            f"node {shown(node.name)} cannot be compiled for {device}",
            first_line(error),
            "TORCH_LOGS=inductor says more; write this part of the model in another way, or try another PyTorch",
        ) from None


def check_package(
    package: Path,
    node: Node,
    device: torch.device,
    inputs: Sequence[Tensor],
    expected: Sequence[Tensor],
    *,
    compares_values: bool,
) -> None:
    """Runs a package as a program would, and compares its outputs with those of its exported program.

    :param compares_values: False for a program that draws random numbers.
    :raises LeappError: the package fails, or its outputs differ.
    """
    what = f"the package of node {shown(node.name)}"
    try:
        with torch.no_grad():
            index = -1 if device.index is None else device.index
            run = torch._inductor.aoti_load_package(str(package), device_index=index)
            outputs = flat(run(*(each.clone() for each in inputs)))
            if device.type == "cuda":
                torch.cuda.synchronize(device)
    except Exception as error:
        raise LeappError(f"{what} fails on its recorded inputs", first_line(error), _ADVICE) from None
    if len(outputs) != len(expected):
        raise LeappError(what, f"it has {len(outputs)} outputs, and its program has {len(expected)}", _ADVICE)
    for output, got, want in zip(node.outputs, outputs, expected, strict=True):
        difference = _difference(got, want, compares_values)
        if difference:
            raise LeappError(
                what, f"its output {shown(output.name)} differs from that of its program ({difference})", _ADVICE
            )


def _difference(got: Tensor, want: Tensor, compares_values: bool) -> str:
    """Returns how two outputs differ; empty: they do not."""
    if (got.dtype, got.shape) != (want.dtype, want.shape):
        return f"{got.dtype} {list(got.shape)} for {want.dtype} {list(want.shape)}"
    rtol, atol = _TOLERANCES.get(want.dtype, _OTHER_FLOATS if want.dtype.is_floating_point else (0.0, 0.0))
    if not compares_values or torch.allclose(got, want, rtol=rtol, atol=atol, equal_nan=True):
        return ""
    return f"by {(got.double() - want.double()).abs().nan_to_num().max().item():.3g} at most"
