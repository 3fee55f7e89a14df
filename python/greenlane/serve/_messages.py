"""Inference requests and responses of the protocol.

Source: Open Inference Protocol, REST API, with Triton's binary tensor data extension.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from greenlane._tensor_info import TensorInfo
from greenlane.serve._datatypes import datatype_of
from greenlane.serve._errors import ProtocolError, bad_request
from greenlane.serve._sequences import Step
from greenlane.serve._tensors import binary_data, json_data, read_tensor

HEADER_LENGTH = "inference-header-content-length"
_MOST_DIGITS = 18
_MOST_JSON_BYTES = 4 << 20
_JSON_BYTES = 64 << 10  # names, parameters
_BYTES_OF_A_VALUE = 40  # digits, separators, indentation
_MOST_TIMEOUT_US = 86_400_000_000
_MOST_PRIORITY = (1 << 32) - 1
_MOST_IDENTITY = (1 << 64) - 1
_MOST_IDENTITY_LENGTH = 128


@dataclass(frozen=True)
class InferenceRequest:
    """A request to a model."""

    id: str | None
    """Returned with the response; None: there is none."""
    tensors: list[torch.Tensor]
    """The inputs in the model's order, on the CPU."""
    outputs: dict[str, bool]
    """The wanted outputs, in order, and whether each is wanted as binary data; empty: all."""
    is_binary: bool = False
    """Whether all outputs are wanted as binary data, if none is named."""
    timeout_us: int | None = None
    """Its deadline from arrival; None: the engine's."""
    priority: int = 0
    """1 runs before 2, and so on; 0: after all others."""
    step: Step | None = None
    """Its place in a sequence; None: it is in none."""


@dataclass(frozen=True)
class Reply:
    """A response of the server."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def read_request(
    body: bytes, header_length: str | None, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo]
) -> InferenceRequest:
    """Reads a request to a model of these inputs and outputs.

    :param header_length: the bytes of JSON in front of binary data; None: all of it is JSON.
    :param outputs: empty: they are not known yet.
    :raises ProtocolError: the request is wrong.
    """
    length = len(body)
    if header_length is not None:
        is_number = header_length.isascii() and header_length.isdigit() and len(header_length) <= _MOST_DIGITS
        if not is_number or int(header_length) > length:
            raise bad_request(f"{HEADER_LENGTH} is {header_length[:20]!r}: give a number of up to {length} bytes")
        length = int(header_length)
    most = _most_json_bytes(inputs)
    if length > most:
        raise ProtocolError(413, f"the JSON is longer than {most} bytes: send binary data")
    document = _document(body[:length])
    entries = _entries(document, "inputs")
    tensors = _tensors(entries, inputs, memoryview(body)[length:])
    parameters = _parameters(document, "the request")
    identity = document.get("id")
    if identity is not None and not isinstance(identity, str):
        raise bad_request("'id' is no string")
    is_binary = _truth(parameters, "binary_data_output")
    timing = _timeout(parameters), _priority(parameters)
    request = InferenceRequest(identity, tensors, _wanted(document, is_binary), is_binary, *timing, _step(parameters))
    if outputs:
        require_outputs(request, outputs)
    return request


def require_outputs(request: InferenceRequest, outputs: Sequence[TensorInfo]) -> None:
    """Raises ProtocolError if a wanted output is none of these."""
    known = [info.name for info in outputs]
    for name in request.outputs:
        if name not in known:
            raise bad_request(f"there is no output {name[:100]!r}: the model returns {', '.join(known)}")


def wants_ready(body: bytes) -> bool:
    """Returns whether a request for the index of models wants those alone that are ready."""
    return _truth(_document(body) if body else {}, "ready")


def require_no_files(body: bytes) -> None:
    """Raises ProtocolError if a request to load or unload a model brings files, or wants others unloaded, too."""
    parameters = _parameters(_document(body) if body else {}, "the request")
    if any(key == "config" or key.startswith("file:") for key in parameters):
        raise bad_request("a model comes from the pipeline's file: leave its configuration and files out")
    if _truth(parameters, "unload_dependents"):
        raise bad_request("'unload_dependents' is not supported: unload the engines that take from it first")


def response_of(
    model: str, version: str, request: InferenceRequest, outputs: Sequence[tuple[TensorInfo, torch.Tensor]]
) -> Reply:
    """Makes the response to a request of the model's outputs, which are on the CPU.

    :raises ProtocolError: an output cannot be sent as it is wanted.
    """
    entries, parts = [], []
    tensors = {info.name: (info, tensor) for info, tensor in outputs}
    for name, is_binary in (request.outputs or dict.fromkeys(tensors, request.is_binary)).items():
        _, tensor = tensors[name]
        entry: dict[str, Any] = {"name": name, "datatype": datatype_of(tensor.dtype), "shape": list(tensor.shape)}
        if is_binary:
            parts.append(binary_data(tensor))
            entry["parameters"] = {"binary_data_size": len(parts[-1])}
        else:
            entry["data"] = json_data(tensor)
        entries.append(entry)
    document: dict[str, Any] = {"model_name": model, "model_version": version, "outputs": entries}
    if request.id is not None:
        document["id"] = request.id
    try:
        head = json.dumps(document, allow_nan=False).encode()
    except ValueError:
        raise bad_request("an output holds NaN or infinity, which JSON has not: ask for binary data") from None
    if not parts:
        return Reply(200, head, {"content-type": "application/json"})
    headers = {"content-type": "application/octet-stream", HEADER_LENGTH: str(len(head))}
    return Reply(200, b"".join([head, *parts]), headers)


def _most_json_bytes(inputs: Sequence[TensorInfo]) -> int:
    """Returns the bytes that JSON of these inputs may have: Python reads longer texts while nothing else goes on."""
    values = sum(math.prod(info.largest) for info in inputs)
    return min(_MOST_JSON_BYTES, _JSON_BYTES + _BYTES_OF_A_VALUE * values)


def _refuse_constant(name: str) -> None:
    raise bad_request(f"the body is no JSON: {name} is no number of JSON; send binary data")


def _document(text: bytes) -> dict[str, Any]:
    try:
        document = json.loads(text, parse_constant=_refuse_constant)
    except UnicodeDecodeError:
        raise bad_request(f"the body is no JSON: binary data in it needs the header {HEADER_LENGTH}") from None
    except json.JSONDecodeError as error:
        raise bad_request(f"the body is no JSON: {error}") from None
    except (ValueError, RecursionError):
        raise bad_request("the body is no JSON: a number has too many digits, or it is nested too deeply") from None
    if not isinstance(document, dict):
        raise bad_request("the body is no JSON object")
    return document


def _entries(document: Mapping[str, Any], key: str) -> dict[str, dict[str, Any]]:
    """Returns the entries of a list of tensors by their names."""
    listed = document.get(key)
    if not isinstance(listed, list):
        raise bad_request(f"{key!r} is no list of tensors")
    entries: dict[str, dict[str, Any]] = {}
    for entry in listed:
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str):
            raise bad_request(f"an entry of {key!r} has no name")
        if name in entries:
            raise bad_request(f"{name[:100]!r} is in {key!r} twice")
        entries[name] = entry
    return entries


def _parameters(entry: Mapping[str, Any], what: str) -> Mapping[str, Any]:
    parameters = entry.get("parameters", {})
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise bad_request(f"the parameters of {what} are no object")
    if "shared_memory_region" in parameters:
        raise bad_request(f"{what} is in shared memory, which is not supported: send the data")
    return parameters


def _tensors(
    entries: Mapping[str, dict[str, Any]], inputs: Sequence[TensorInfo], binary: memoryview
) -> list[torch.Tensor]:
    known = {info.name: info for info in inputs}
    missing = [name for name in known if name not in entries]
    unknown = [name for name in entries if name not in known]
    if missing or unknown:
        wrong = f"input {missing[0]!r} is missing" if missing else f"there is no input {unknown[0][:100]!r}"
        raise bad_request(f"{wrong}: the model takes {', '.join(known) or 'none'}")
    tensors: dict[str, torch.Tensor] = {}
    for name, entry in entries.items():  # binary data comes in the order of the request
        size = _parameters(entry, f"input {name!r}").get("binary_data_size")
        if size is None:
            if "data" not in entry:
                raise bad_request(f"input {name!r} has no data")
            tensors[name] = read_tensor(entry, known[name], None)
            continue
        if type(size) is not int or not 0 <= size <= len(binary):
            raise bad_request(f"'binary_data_size' of input {name!r} is no number of up to {len(binary)} bytes")
        tensors[name] = read_tensor(entry, known[name], binary[:size])
        binary = binary[size:]
    if len(binary):
        raise bad_request(f"{len(binary)} bytes behind the binary data belong to no input")
    return [tensors[name] for name in known]


def _wanted(document: Mapping[str, Any], is_binary: bool) -> dict[str, bool]:
    if not document.get("outputs"):
        return {}
    wanted = {}
    for name, entry in _entries(document, "outputs").items():
        own = _parameters(entry, f"output {name[:100]!r}")
        if own.get("classification"):
            raise bad_request("'classification' is not supported: ask for the output itself")
        wanted[name] = _truth(own, "binary_data") if "binary_data" in own else is_binary
    return wanted


def _truth(parameters: Mapping[str, Any], key: str) -> bool:
    value = parameters.get(key, False)
    if not isinstance(value, bool):
        raise bad_request(f"parameter {key!r} is neither true nor false")
    return value


def _timeout(parameters: Mapping[str, Any]) -> int | None:
    timeout = parameters.get("timeout") or 0
    if type(timeout) is not int or not 0 <= timeout <= _MOST_TIMEOUT_US:
        raise bad_request("'timeout' is no number of microseconds up to a day")
    return timeout or None


def _priority(parameters: Mapping[str, Any]) -> int:
    priority = parameters.get("priority") or 0
    if type(priority) is not int or not 0 <= priority <= _MOST_PRIORITY:
        raise bad_request(f"'priority' is no whole number up to {_MOST_PRIORITY}: 1 is the highest, 0 is none")
    return priority


def _step(parameters: Mapping[str, Any]) -> Step | None:
    """Returns the request's place in its sequence; None: it is in none, as an id of 0 or "" says."""
    identity = parameters.get("sequence_id", 0)
    is_start, is_end = (_truth(parameters, key) for key in ("sequence_start", "sequence_end"))
    is_number = type(identity) is int and 0 <= identity <= _MOST_IDENTITY
    if not is_number and not (isinstance(identity, str) and len(identity) <= _MOST_IDENTITY_LENGTH):
        raise bad_request(
            f"'sequence_id' is neither a number of 64 bits nor a text of up to {_MOST_IDENTITY_LENGTH} characters"
        )
    if identity:
        return Step(identity, is_start, is_end)
    if is_start or is_end:
        raise bad_request("'sequence_start' and 'sequence_end' need a 'sequence_id' that is not 0 and not empty")
    return None
