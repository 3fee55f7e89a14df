"""The exported programs of an export: they are checked, loaded, moved to the device, and run there."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind, TensorArgument
from torch.export.passes import move_to_device_pass
from torch.utils import _pytree as pytree

from greenlane.leapp._description import Node, TensorType
from greenlane.leapp._error import LeappError, first_line, plain, shown

_AGAIN = "export the pipeline again with LEAPP"


def check(node: Node) -> None:
    """Compares the checksum of a node's program with the one in the YAML.

    :raises LeappError: the file is missing, cannot be read, or has changed.
    """
    digest = hashlib.sha256()
    try:
        with open(node.program, "rb") as file:
            while data := file.read(1 << 20):
                digest.update(data)
    except OSError as error:
        raise LeappError(
            f"the program {shown(node.program)} of node {shown(node.name)} cannot be read",
            error.strerror or str(error),
            "copy the whole folder that LEAPP wrote",
        ) from None
    if digest.hexdigest() != node.sha256:
        raise LeappError(
            f"the program {shown(node.program)} of node {shown(node.name)} has changed since the export",
            "its SHA-256 is not the one in the YAML",
            f"copy the whole folder that LEAPP wrote, or {_AGAIN}",
        )


def check_program(node: Node) -> None:
    """Loads a node's program and lets it go again: models may be large.

    :raises LeappError: this PyTorch cannot load it, or it does not fit the YAML.
    """
    _loaded(node)


def load(node: Node, device: torch.device) -> ExportedProgram:
    """Loads a node's program and moves it to the device.

    :raises LeappError: this PyTorch cannot load it, or it does not fit the YAML.
    """
    program = _loaded(node)
    try:
        return move_to_device_pass(program, str(device))
    except Exception as error:
        raise LeappError(
            f"{_what(node)} cannot be moved to {device}", first_line(error), "choose another --device"
        ) from None


def run(program: ExportedProgram, node: Node, inputs: Sequence[Tensor]) -> list[Tensor]:
    """Runs a program in plain PyTorch; returns its outputs. Its own state may change.

    :raises LeappError: it fails, or its outputs do not fit the YAML.
    """
    what = f"the program of node {shown(node.name)}"
    try:
        with torch.no_grad():
            outputs = flat(program.module()(*(each.clone() for each in inputs)))
    except Exception as error:
        raise LeappError(f"{what} fails on its recorded inputs", first_line(error), _AGAIN) from None
    if len(outputs) != len(node.outputs):
        raise LeappError(what, f"it has {len(outputs)} outputs, and the YAML has {len(node.outputs)}", _AGAIN)
    for output, wanted in zip(outputs, node.outputs, strict=True):
        _check_type(output, wanted, "output", what)
    return outputs


def flat(outputs: Any) -> list[Tensor]:
    """Returns all that a model returned, in order."""
    return list(pytree.tree_leaves(outputs))


def laid_out(program: ExportedProgram, values: Sequence[Tensor]) -> list[Tensor]:
    """Returns inputs with the strides that the program was exported for; the compiled package takes no others."""
    return [_strided(value, like) for value, like in zip(values, _examples(program), strict=True)]


def draws_random_numbers(program: ExportedProgram) -> bool:
    """Returns whether an operator of the program may draw random numbers."""
    return any(
        torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ())
        for module in program.graph_module.modules()
        if isinstance(module, torch.fx.GraphModule)
        for node in module.graph.nodes
        if node.op == "call_function"
    )


def _what(node: Node) -> str:
    return f"the program {shown(node.program)} of node {shown(node.name)}"


def _loaded(node: Node) -> ExportedProgram:
    try:
        program = torch.export.load(str(node.program))
    except Exception as error:  # PyTorch raises errors of many kinds
        raise LeappError(f"{_what(node)} cannot be loaded", *_why_not_loaded(node, error)) from None
    _check_inputs(node, program, _what(node))
    return program


def _examples(program: ExportedProgram) -> list[Any]:
    """Returns what the program's graph knows of its inputs."""
    placeholders = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    return [
        placeholders[spec.arg.name].meta.get("val") if isinstance(spec.arg, TensorArgument) else None
        for spec in program.graph_signature.input_specs
        if spec.kind is InputKind.USER_INPUT
    ]


def _check_inputs(node: Node, program: ExportedProgram, what: str) -> None:
    examples = _examples(program)
    if len(examples) != len(node.inputs):
        raise LeappError(what, f"it has {len(examples)} inputs, and the YAML has {len(node.inputs)}", _AGAIN)
    for example, wanted in zip(examples, node.inputs, strict=True):
        _check_type(example, wanted, "input", what)


def _check_type(value: Any, wanted: TensorType, kind: str, what: str) -> None:
    if not isinstance(value, Tensor):
        raise LeappError(what, f"its {kind} {shown(wanted.name)} is no tensor", _AGAIN)
    if (value.dtype, tuple(value.shape)) != (wanted.dtype, wanted.shape):
        given = f"{str(value.dtype).removeprefix('torch.')} {plain(list(value.shape))}"
        raise LeappError(what, f"its {kind} {shown(wanted.name)} is {given}, and the YAML has {wanted}", _AGAIN)


def _strided(value: Tensor, like: Tensor) -> Tensor:
    if value.stride() == like.stride():
        return value
    return torch.empty_strided(value.shape, like.stride(), dtype=value.dtype, device=value.device).copy_(value)


def _why_not_loaded(node: Node, error: Exception) -> tuple[str, str]:
    made, here = _version(node.torch_version), _version(torch.__version__)
    if made and made > here:
        return (
            f"PyTorch {shown(node.torch_version)[1:-1]} exported it, and this is PyTorch {torch.__version__} "
            f"({first_line(error)})",
            f"install PyTorch {made[0]}.{made[1]}, or export with PyTorch {here[0]}.{here[1]}",
        )
    return first_line(error), f"export the pipeline again with PyTorch {here[0]}.{here[1]}"


def _version(text: str) -> tuple[int, ...]:
    found = re.match(r"(\d+)\.(\d+)", text)
    return tuple(int(part) for part in found.groups()) if found else ()


def write(tensors: Sequence[Tensor], file: Path) -> None:
    """Saves tensors so that they can be read where there is no GPU."""
    torch.save([each.detach().cpu().clone(memory_format=torch.preserve_format) for each in tensors], file)
