"""Converts an export into a pipeline: all of it, or nothing."""

import contextlib
import os
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
from greenlane.leapp._program import check, check_program, draws_random_numbers, laid_out, load, run, write
from greenlane.leapp._recording import Recording
from greenlane.leapp._target import check_target, move, staging, target
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
    :param out: the folder that gets the TOML file, and a folder of the same name with packages and data. It is made if
        it is missing.
    :param device: ``"cpu"`` or ``"cuda:N"``; None: ``"cuda:0"`` if there is a GPU, and else the CPU.
    :param overwrite: whether a pipeline of the same name is replaced. Its TOML file may have changes of yours.
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
    names = file_names(description.nodes)
    places = target(description, out)
    files = _files(wiring, names)
    check_target(description, places, files, overwrite)
    for node in description.nodes.values():
        check(node)
    initial = initial_values(description, wiring)
    check_compiler()
    for node in description.nodes.values():
        with _quiet():
            check_program(node)
    try:
        with staging(places) as stage:
            folder = stage / places.folder.name
            random = _make_engines(description, wiring, initial, on, names, folder, say)
            _write_initial(description, wiring, initial, names, folder)
            text = configuration(description, wiring, on, names, random)
            (stage / places.toml.name).write_text(text, encoding="utf-8")
            check_target(description, places, files, overwrite)  # compiling takes minutes
            move(stage, places)
    except OSError as error:
        raise LeappError(
            f"the pipeline cannot be written into {shown(out)}",
            error.strerror or str(error),
            "name a folder of yours, on a disk with room",
        ) from None
    return places.toml


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


def _files(wiring: Wiring, names: dict[str, str]) -> list[str]:
    """Returns the names of all files that the pipeline's folder may get."""
    files = [f"{name}{end}" for name in names.values() for end in (".pt2", ".inputs.pt", ".outputs.pt")]
    edges = [(consumer, producer) for consumer in names for producer in producers(wiring, consumer, "feedback")]
    return files + [initial_name(names, *edge) for edge in edges]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silences PyTorch's warnings of its own use of its own API."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _make_engines(
    description: Description,
    wiring: Wiring,
    initial: Mapping[Port, Tensor],
    device: torch.device,
    names: Mapping[str, str],
    folder: Path,
    say: Callable[[str], object],
) -> set[str]:
    """Writes the package, the recorded inputs and the outputs of each node; returns the nodes that draw numbers."""
    recording = Recording(description, wiring, initial)
    random = set()
    for number, node in enumerate(description.nodes.values(), 1):
        say(f"compiling {shown(node.name)} for {device} ({number} of {len(description.nodes)})")
        with _quiet():
            if _make_engine(node, recording, device, folder / names[node.name]):
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
    folder: Path,
) -> None:
    """Writes, for each feedback edge, a list of all outputs of its producer."""
    for consumer in description.nodes:
        for producer in producers(wiring, consumer, "feedback"):
            values = [torch.zeros(each.shape, dtype=each.dtype) for each in description.nodes[producer].outputs]
            for port, value in initial.items():
                output = wiring[port].output
                if port.node == consumer and output is not None and output.node == producer:
                    values[output.number] = value
            write(values, folder / initial_name(names, consumer, producer))
