"""Converts an export into a pipeline: all of it, or nothing."""

import contextlib
import os
import secrets
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from greenlane.leapp._configuration import configuration
from greenlane.leapp._description import Description, Node, Port, describe
from greenlane.leapp._error import LeappError, shown
from greenlane.leapp._find import find, read
from greenlane.leapp._initial import initial_values
from greenlane.leapp._names import file_names, initial_name
from greenlane.leapp._package import check_compiler, check_package, compile_package
from greenlane.leapp._program import check, draws_random_numbers, laid_out, load, run, write
from greenlane.leapp._recording import Recording
from greenlane.leapp._wiring import Wiring, producers, wire


def convert(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    device: str | torch.device | None = None,
    overwrite: bool = False,
) -> Path:
    """Converts a pipeline that LEAPP exported; returns the path of its TOML file.

    Each node becomes an engine: its exported program is compiled for the device, and the package is compared with the
    program. This takes seconds to minutes for each node. If anything fails, the output folder is as before.

    :param folder: the folder that LEAPP wrote, or the YAML in it.
    :param out: the folder that gets the pipeline; it is made if it is missing.
    :param device: ``"cpu"`` or ``"cuda:N"``; None: ``"cuda:0"`` if there is a GPU, and else the CPU.
    :param overwrite: whether a pipeline of the same name in the folder is replaced. Its TOML file may have changes of
        yours.
    :raises LeappError: the export cannot be read, is damaged, or has something that greenlane cannot run; a model does
        not compile; or a file cannot be written. The message says what, why, and what to do.
    """
    return convert_with(Path(folder), Path(out), device, overwrite, lambda line: None)


def convert_with(
    folder: Path, out: Path, device: str | torch.device | None, overwrite: bool, say: Callable[[str], object]
) -> Path:
    """Does the same, and says what it does."""
    on = _device(device)
    file = find(folder)
    description = describe(file, read(file))
    wiring = wire(description)
    for node in description.nodes.values():
        check(node)
    initial = initial_values(description, wiring)
    check_compiler()
    toml = out / f"{file.stem}.toml"
    if os.path.lexists(toml) and not overwrite:
        raise LeappError(
            f"{shown(toml)} exists",
            "you may have edited it",
            "name another folder with -o, or replace it (--overwrite)",
        )
    try:
        with _staging(out) as staging:
            names = file_names(description.nodes)
            _refuse_own_files(description, out, toml, names)
            random = _make_engines(description, wiring, initial, on, names, staging, say)
            _write_initial(description, wiring, initial, names, staging)
            text = configuration(description, wiring, on, names, random)
            (staging / toml.name).write_text(text, encoding="utf-8")
            _move(staging, toml)
    except OSError as error:
        raise LeappError(
            f"the pipeline cannot be written into {shown(out)}",
            error.strerror or str(error),
            "name a folder of yours, on a disk with room",
        ) from None
    return toml


def _device(device: str | torch.device | None) -> torch.device:
    if device is None:
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    try:
        on = torch.device(device)
    except (RuntimeError, TypeError):
        raise LeappError(f"the device {shown(device)}", "there is no such device", "use cpu or cuda:N") from None
    if on.type == "cpu":
        return torch.device("cpu")
    if on.type != "cuda":
        raise LeappError(
            f"the device {shown(device)}", "greenlane runs on GPUs of NVIDIA and on CPUs", "use cpu or cuda:N"
        )
    on = torch.device("cuda", on.index or 0)
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if (on.index or 0) >= count:
        raise LeappError(
            f"the device {shown(device)}",
            f"PyTorch {torch.__version__} finds {count} GPUs here",
            "install the GPU's driver and a CUDA build of PyTorch, or use --device cpu",
        )
    return on


@contextlib.contextmanager
def _staging(out: Path) -> Iterator[Path]:
    """Yields a folder on the file system of the output folder, so that each rename is atomic."""
    is_new = not out.exists()
    out.mkdir(parents=True, exist_ok=True)
    staging = out / f".greenlane-{os.getpid()}-{secrets.token_hex(4)}"
    staging.mkdir()
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        if is_new:
            with contextlib.suppress(OSError):  # it is not empty if all went well
                out.rmdir()


def _refuse_own_files(description: Description, out: Path, toml: Path, names: Mapping[str, str]) -> None:
    """Refuses to replace a file of the export."""
    own = [description.file, *(node.program for node in description.nodes.values())]
    written = [toml, *(out / f"{name}.pt2" for name in names.values())]
    for file in written:
        if file.exists() and any(file.samefile(each) for each in own):
            raise LeappError(
                f"{shown(file)} cannot be replaced", "it is a file of the export", "name another folder with -o"
            )


def _make_engines(
    description: Description,
    wiring: Wiring,
    initial: Mapping[Port, Tensor],
    device: torch.device,
    names: Mapping[str, str],
    staging: Path,
    say: Callable[[str], object],
) -> set[str]:
    """Writes the package, the recorded inputs and the outputs of each node; returns the nodes that draw numbers."""
    recording = Recording(description, wiring, initial)
    random = set()
    for number, node in enumerate(description.nodes.values(), 1):
        say(f"compiling {shown(node.name)} for {device} ({number} of {len(description.nodes)})")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch warns of its own use of its own API
            if _make_engine(node, recording, device, staging / names[node.name]):
                random.add(node.name)
    return random


def _make_engine(node: Node, recording: Recording, device: torch.device, start: Path) -> bool:
    program = load(node, device)
    package = start.with_suffix(".pt2")
    compile_package(program, node, device, package)  # before a run changes the program's state
    inputs = [each.to(device) for each in laid_out(program, recording.inputs_of(node))]
    outputs = run(program, node, inputs)
    is_random = draws_random_numbers(program) and not all(map(_is_same, outputs, run(program, node, inputs)))
    check_package(package, node, device, inputs, outputs, compares_values=not is_random)
    write(inputs, start.with_suffix(".inputs.pt"))
    if not is_random:
        write(outputs, start.with_suffix(".outputs.pt"))
    recording.add_outputs(node, outputs)
    return is_random


def _is_same(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one, other, rtol=0, atol=0, equal_nan=True)


def _write_initial(
    description: Description,
    wiring: Wiring,
    initial: Mapping[Port, Tensor],
    names: dict[str, str],
    staging: Path,
) -> None:
    """Writes, for each feedback edge, a list of all outputs of its producer."""
    for consumer in description.nodes:
        for producer in producers(wiring, consumer, "feedback"):
            values = [torch.zeros(each.shape, dtype=each.dtype) for each in description.nodes[producer].outputs]
            for port, value in initial.items():
                output = wiring[port].output
                if port.node == consumer and output is not None and output.node == producer:
                    values[output.number] = value
            write(values, staging / initial_name(names, consumer, producer))


def _move(staging: Path, toml: Path) -> None:
    """Moves all files into the output folder. Without a TOML file while they change, a crash in between is noticed."""
    toml.unlink(missing_ok=True)
    for file in sorted(staging.iterdir(), key=lambda each: each.name == toml.name):
        file.replace(toml.parent / file.name)
