"""The description of an export: its nodes and the flow between them, with all names and types checked."""

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from greenlane.leapp._error import LeappError, plain, shown

_AGAIN = "export the pipeline again with LEAPP"
_NEWEST = (1, 3)
_DTYPES = (
    *("float16", "float32", "float64", "bfloat16", "bool"),
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
)
_TENSOR_KEYS = ("name", "dtype", "shape", "type")


@dataclass(frozen=True)
class TensorType:
    """An input or an output of a node."""

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    semantics: dict[str, Any]
    """What else the YAML says of it: ``kind``, ``element_names`` and keys of the team."""

    def __str__(self) -> str:
        return f"{str(self.dtype).removeprefix('torch.')} {plain(list(self.shape))}"


@dataclass(frozen=True)
class Node:
    """A model of the export."""

    name: str
    inputs: tuple[TensorType, ...]
    outputs: tuple[TensorType, ...]
    program: Path
    sha256: str
    torch_version: str
    """The version of PyTorch that exported it; empty: not noted."""


@dataclass(frozen=True)
class Port:
    """An input or an output of a node, by its number."""

    node: str
    number: int


@dataclass(frozen=True)
class Description:
    """An export."""

    file: Path
    leapp_version: str
    nodes: dict[str, Node]
    """In the order in which LEAPP runs them."""
    flow: list[tuple[Port, Port]]
    """From an output to an input that reads it in the same step."""
    feedback: list[tuple[Port, Port]]
    """From an output to an input that reads it in the next step."""
    inputs: list[Port]
    outputs: list[Port]
    initial_values: Path | None
    frequency: float | None


def describe(file: Path, data: Any) -> Description:
    """Returns the description that a YAML holds.

    :raises LeappError: it is damaged, newer than this importer, or has nodes that greenlane cannot run.
    """
    top = _table(file, data, "the file")
    system = _table(file, _get(file, top, "system information", "the file"), "'system information'")
    _check_version(file, _get(file, system, "leapp config version", "'system information'"))
    models = _table(file, _get(file, top, "models", "the file"), "'models'")
    if not models:
        raise _damaged(file, "'models' is empty")
    nodes = {_name(file, name, "a node"): _node(file, name, each) for name, each in models.items()}
    pipeline = _table(file, _get(file, top, "pipeline", "the file"), "'pipeline'")
    initial = pipeline.get("initial_values")
    return Description(
        file=file,
        leapp_version=plain(system.get("leapp version", "")),
        nodes=nodes,
        flow=_connections(file, nodes, pipeline, "data_flow"),
        feedback=_connections(file, nodes, pipeline, "feedback_flow"),
        inputs=_ports(file, nodes, pipeline, "inputs"),
        outputs=_ports(file, nodes, pipeline, "outputs"),
        initial_values=None if initial is None else file.parent / _text(file, initial, "'initial_values'"),
        frequency=_frequency(file, pipeline),
    )


def _damaged(file: Path, why: str) -> LeappError:
    return LeappError(shown(file), why, _AGAIN)


def _table(file: Path, value: Any, where: str) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise _damaged(file, f"{where} is no table")
    return value


def _list(file: Path, value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise _damaged(file, f"{where} is no list")
    return value


def _get(file: Path, table: dict[Any, Any], key: str, where: str) -> Any:
    if key not in table:
        raise _damaged(file, f"{where} has no key {shown(key)}")
    return table[key]


def _text(file: Path, value: Any, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise _damaged(file, f"{where} is {shown(value)}, and must be a text")
    if "\0" in value or any(0xD800 <= ord(each) < 0xE000 for each in value):
        raise _damaged(file, f"{where} is {shown(value)}, which holds a null character or half a character")
    return value


def _name(file: Path, value: Any, what: str) -> str:
    name = _text(file, value, f"the name of {what}")
    if what == "a node" and "/" in name:
        raise _damaged(file, f"the name of node {shown(name)} has a '/'")
    return name


def _check_version(file: Path, value: Any) -> None:
    version = re.match(r"(\d+)\.(\d+)", plain(value))
    if not version:
        raise _damaged(file, f"'leapp config version' is {shown(value)}, and must be a version as '1.3'")
    major, minor = (int(part) for part in version.groups())
    newest = ".".join(map(str, _NEWEST))
    if major != _NEWEST[0] or minor > _NEWEST[1]:
        raise LeappError(
            shown(file),
            f"its 'leapp config version' is {version[0]}, and this importer reads 1.0 to {newest}",
            "install a newer greenlane, or export with LEAPP 0.7",
        )


def _node(file: Path, name: Any, value: Any) -> Node:
    where = f"node {shown(name)}"
    table = _table(file, value, where)
    parameters = _table(file, _get(file, table, "parameters", where), f"'parameters' of {where}")
    backend = _get(file, parameters, "backend", where)
    if backend != "pt2":
        raise LeappError(
            f"{shown(file)}: {where}",
            f"its backend is {shown(backend)}, and greenlane compiles exported programs only",
            "export it with annotate.output_tensors(…, export_with='exported-program')",
        )
    segments = parameters.get("warp_segments", 0)
    if type(segments) is not int or segments < 0:
        raise _damaged(file, f"'warp_segments' of {where} is {shown(segments)}, and must be a number")
    if segments:
        raise LeappError(
            f"{shown(file)}: {where}",
            f"it has {plain(segments)} Warp segments, which PyTorch cannot compile",
            "write this part of the node with PyTorch and export again",
        )
    program = _text(file, _get(file, parameters, "model_path", where), f"'model_path' of {where}")
    checksum = _text(file, _get(file, parameters, "sha256sum", where), f"'sha256sum' of {where}")
    return Node(
        name=name,
        inputs=_tensors(file, table, "inputs", where),
        outputs=_tensors(file, table, "outputs", where),
        program=file.parent / program,
        sha256=checksum.lower(),
        torch_version=plain(parameters.get("torch_version", "")),
    )


def _tensors(file: Path, node: dict[Any, Any], key: str, where: str) -> tuple[TensorType, ...]:
    entries = _list(file, _get(file, node, key, where), f"{shown(key)} of {where}")
    tensors = tuple(_tensor(file, each, f"an entry of {shown(key)} of {where}") for each in entries)
    names = [each.name for each in tensors]
    for name in names:
        if names.count(name) > 1:
            raise _damaged(file, f"{shown(key)} of {where} has the name {shown(name)} twice")
    return tensors


def _tensor(file: Path, value: Any, where: str) -> TensorType:
    table = _table(file, value, where)
    name = _name(file, _get(file, table, "name", where), where)
    dtype = _get(file, table, "dtype", where)
    if dtype not in _DTYPES:
        raise _damaged(file, f"the dtype of {shown(name)} is {shown(dtype)}, which PyTorch does not have")
    shape = _get(file, table, "shape", where)
    if isinstance(shape, str):  # older versions of LEAPP
        try:
            shape = json.loads(shape)
        except (ValueError, RecursionError):
            shape = None
    if not isinstance(shape, list) or any(type(size) is not int or size < 0 for size in shape):
        raise _damaged(file, f"the shape of {shown(name)} is {shown(table['shape'])}, and must be a list of sizes")
    if table.get("type", "tensor") != "tensor":
        raise _damaged(file, f"the type of {shown(name)} is {shown(table['type'])}, and must be 'tensor'")
    semantics = {str(key): each for key, each in table.items() if key not in _TENSOR_KEYS}
    return TensorType(name, getattr(torch, dtype), tuple(shape), semantics)


def _port(file: Path, nodes: dict[str, Node], node: Any, name: Any, is_input: bool) -> Port:
    kind = "input" if is_input else "output"
    if not isinstance(node, str) or node not in nodes:
        raise _damaged(file, f"'pipeline' names the node {shown(node)}, which is not in 'models'")
    tensors = nodes[node].inputs if is_input else nodes[node].outputs
    for number, tensor in enumerate(tensors):
        if tensor.name == name:
            return Port(node, number)
    raise _damaged(file, f"'pipeline' names the {kind} {shown(name)}, which node {shown(node)} does not have")


def _connections(file: Path, nodes: dict[str, Node], pipeline: dict[Any, Any], key: str) -> list[tuple[Port, Port]]:
    table = _table(file, pipeline.get(key) or {}, shown(key))
    pairs = []
    for source, targets in table.items():
        output = _port(file, nodes, *_split(file, source, key), is_input=False)
        for target in _list(file, targets, f"the entry {shown(source)} of {shown(key)}"):
            pairs.append((output, _port(file, nodes, *_split(file, target, key), is_input=True)))
    return pairs


def _split(file: Path, text: Any, key: str) -> tuple[str, str]:
    node, slash, name = _text(file, text, f"an entry of {shown(key)}").partition("/")
    if not slash:
        raise _damaged(file, f"{shown(key)} names {shown(text)}, and must name a node, a '/' and an input or an output")
    return node, name


def _ports(file: Path, nodes: dict[str, Node], pipeline: dict[Any, Any], key: str) -> list[Port]:
    table = _table(file, _get(file, pipeline, key, "'pipeline'") or {}, f"{shown(key)} of 'pipeline'")
    is_input = key == "inputs"
    return [
        _port(file, nodes, node, name, is_input)
        for node, names in table.items()
        for name in _list(file, names, f"the entry {shown(node)} of {shown(key)}")
    ]


def _frequency(file: Path, pipeline: dict[Any, Any]) -> float | None:
    value = _table(file, pipeline.get("configs") or {}, "'configs'").get("frequency")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise _damaged(file, f"'frequency' of 'configs' is {shown(value)}, and must be a positive number")
    return float(value)
