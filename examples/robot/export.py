"""Compile the robot's models into packages that a C++ program loads.

For each model NAME the out folder gets

    NAME.pt2         the package, for AOTIModelPackageLoader
    NAME.inputs.pt   a list of tensors to run it with
    NAME.outputs.pt  the list of tensors that plain PyTorch computes from them
    NAME.stamp.json  what the files were made from; written last

A package fits the kind of device that it was compiled for. Models whose stamp still tells the
truth are left alone.
"""

import argparse
import contextlib
import fcntl
import json
import logging
import os
import shutil
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import inputs
import models
import torch
from stamps import files_of, origin, read_stamp, reason_to_export
from torch import Tensor, nn
from torch._inductor import aoti_compile_and_package, aoti_load_package

HERE = Path(__file__).resolve().parent
ROBOT = ("vision", "policy", "head")
NEIGHBOURS = ("hog", "sweep")
MAX_PARAMETERS = 7_000_000  # in half precision that keeps a package below 16 MiB
SEED = 2024

# Relative and absolute. Rounding differs between kernels; a wrong kernel is off by far more.
TOLERANCES = {
    torch.float32: (1e-3, 1e-4),
    torch.float16: (2e-2, 2e-2),
}


class ExportError(Exception):
    """An export that failed, with a message that says what, why and what to do."""


@dataclass(frozen=True)
class Target:
    """The device to compile for, with its preset and types."""

    device: torch.device
    preset: models.Preset
    dtype: torch.dtype
    architecture: str  # compute capability of the GPU, or instruction set of the CPU


def choose_target(name: str) -> Target:
    """Resolve `auto`, `cpu` or `cuda`."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda":
        if not torch.cuda.is_available():
            raise ExportError(
                f"--device cuda: torch {torch.__version__} finds no CUDA GPU. Install the GPU's "
                "driver and a CUDA build of torch, or export for the CPU with --device cpu."
            )
        major, minor = torch.cuda.get_device_capability()
        architecture = f"sm_{major}{minor}"
    else:
        architecture = torch.backends.cpu.get_cpu_capability()
    preset = models.PRESETS[name]
    dtype: torch.dtype = getattr(torch, preset.dtype)
    return Target(torch.device(name), preset, dtype, architecture)


def build(name: str, preset: models.Preset) -> tuple[nn.Module, list[Tensor]]:
    """Make a model and its inputs on the CPU in float32: the same on every machine."""
    torch.manual_seed(SEED)
    match name:
        case "vision":
            return models.Vision(preset.vision), inputs.vision_inputs(preset.vision)
        case "policy":
            return models.Policy(preset.policy), inputs.policy_inputs(preset.policy)
        case "head":
            return models.ActionHead(preset.head), inputs.head_inputs(preset.head)
        case "hog":
            return models.Hog(preset.hog), inputs.hog_inputs(preset.hog)
        case "sweep":
            return models.Sweep(preset.sweep), inputs.sweep_inputs(preset.sweep)
    raise ValueError(name)


def check_package(package: Path, arguments: list[Tensor], reference: list[Tensor]) -> None:
    """Run the package as a program would, and compare it with plain PyTorch."""
    produced = as_list(aoti_load_package(str(package))(*arguments))
    advice = (
        "The package was not kept. Run the export again with TORCHINDUCTOR_FORCE_DISABLE_CACHES=1; "
        "if it still fails, this version of torch miscompiles the model: try another."
    )
    if len(produced) != len(reference):
        raise ExportError(
            f"{package.name} returns {len(produced)} tensors where plain PyTorch returns {len(reference)}. {advice}"
        )
    for i, (got, want) in enumerate(zip(produced, reference, strict=True)):
        if not torch.isfinite(want).all():
            raise ExportError(
                f"output {i} of {package.stem} is not finite even in plain PyTorch, so that "
                "nothing can be compared with it. Correct the model in models.py."
            )
        rtol, atol = TOLERANCES[want.dtype]
        try:
            torch.testing.assert_close(got, want, rtol=rtol, atol=atol)
        except AssertionError as error:
            raise ExportError(f"output {i} of {package.name} differs from plain PyTorch.\n{error}\n{advice}") from None


def export(name: str, target: Target, staging: Path) -> int:
    """Write a model's three files into an empty folder; return the number of parameters."""
    try:
        built, arguments = build(name, target.preset)
    except ModuleNotFoundError as error:
        raise ExportError(
            f"the inputs of {name} cannot be made: {error}. Install it with "
            "pip install scikit-image, or export other models with --only."
        ) from error
    model = built.eval().to(target.device, target.dtype)
    arguments = [argument.to(target.device, target.dtype) for argument in arguments]
    parameters = sum(parameter.numel() for parameter in model.parameters())
    if parameters > MAX_PARAMETERS:
        raise ExportError(
            f"{name} has {parameters} parameters, above the limit of {MAX_PARAMETERS} that keeps "
            "packages small. Make its preset in models.py smaller."
        )
    package, inputs_file, outputs_file = (staging / file for file in files_of(name))
    # Left alone, Inductor fixes the number of CPU threads while compiling; a program that
    # divides the cores between its models must be able to choose it while running.
    options = {"cpp.dynamic_threads": True} if target.device.type == "cpu" else {}
    with torch.no_grad():
        reference = as_list(model(*arguments))
        program = torch.export.export(model, tuple(arguments))
        aoti_compile_and_package(program, package_path=str(package), inductor_configs=options)
        check_package(package, arguments, reference)
    # On the CPU, so that they can be read where there is no GPU.
    torch.save([argument.cpu() for argument in arguments], inputs_file)
    torch.save([output.cpu() for output in reference], outputs_file)
    return parameters


def as_list(outputs: Tensor | Sequence[Tensor]) -> list[Tensor]:
    """Turn what a model returned into a list."""
    return [outputs] if isinstance(outputs, Tensor) else list(outputs)


def update(name: str, target: Target, out: Path, *, force: bool) -> str:
    """Export a model unless it is up to date; return the line to print."""
    begin = time.monotonic()
    stamp_file = out / f"{name}.stamp.json"
    made_from = origin(target.device.type, target.architecture, target.preset)
    stamp = read_stamp(stamp_file)
    reason = reason_to_export(name, out, stamp, made_from)
    if reason is None and not force:
        parameters = stamp["parameters"]
        done = "up to date"
    else:
        # The same file system as the out folder, so that each rename is atomic; the same file
        # names, since a package's archive repeats the name it was made under.
        staging = out / f".{name}.partial"
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir()
        try:
            parameters = export(name, target, staging)
            stamp = {"origin": made_from, "parameters": parameters}
            (staging / stamp_file.name).write_text(json.dumps(stamp, indent=1) + "\n")
            # Without a stamp while the files change: a crash in between is then noticed.
            stamp_file.unlink(missing_ok=True)
            for file in (*files_of(name), stamp_file.name):
                (staging / file).replace(out / file)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        done = f"exported ({reason or '--force'})"
    size = (out / files_of(name)[0]).stat().st_size / 2**20
    seconds = time.monotonic() - begin
    return (
        f"{name:7} {target.device.type}  {parameters / 1e6:5.2f} M parameters  "
        f"{size:6.2f} MiB  {seconds:6.1f} s  {done}"
    )


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other exports out of a folder; the kernel lets go if this process dies."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting for another export into {folder}", file=sys.stderr, flush=True)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def prepare(out: Path) -> None:
    """Find out now what would otherwise fail after minutes of compiling."""
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        raise ExportError(
            f"the C++ compiler {compiler} is not on the PATH, and Inductor needs one. Install g++, "
            "or set CXX to your compiler."
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ExportError(f"cannot make the out folder: {error}. Choose one with --out.") from error
    if not os.access(out, os.W_OK):
        raise ExportError(f"cannot write into {out}. Choose another folder with --out.")


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Compile the robot's models into .pt2 packages.")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--out", type=Path, default=HERE / "build", metavar="DIR")
    parser.add_argument("--only", nargs="+", choices=(*ROBOT, *NEIGHBOURS), metavar="NAME", help="%(choices)s")
    parser.add_argument(
        "--neighbour", action="store_true", help="also export the bad neighbours, for neighbour.toml and h200-*.toml"
    )
    parser.add_argument("--force", action="store_true", help="export even what is up to date")
    return parser.parse_args()


def main() -> int:
    """Run the program; return its exit status."""
    arguments = parse_arguments()
    names = list(dict.fromkeys(arguments.only or ROBOT))
    if arguments.neighbour:
        names += [name for name in NEIGHBOURS if name not in names]
    # It warns of a CUDA toolkit without a GPU: on a CPU there is nothing to do about it.
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    # Some versions of torch.export warn of their own use of their own API.
    warnings.filterwarnings("ignore", message=r"`isinstance\(treespec, LeafSpec\)`")
    try:
        target = choose_target(arguments.device)
        prepare(arguments.out)
        with locked(arguments.out):
            for name in names:
                print(update(name, target, arguments.out, force=arguments.force), flush=True)
    except ExportError as error:
        print(f"export.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("export.py: interrupted; run it again to finish", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
