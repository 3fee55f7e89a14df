"""Tensors in messages: as JSON, and as binary data behind it."""

import math
from collections.abc import Iterator
from typing import Any

import torch

from greenlane._tensor_info import NO_LIMIT, TensorInfo
from greenlane.serve._datatypes import datatype_of, dtype_of
from greenlane.serve._errors import ProtocolError, bad_request

_MOST_SHOWN = 100


def read_tensor(entry: dict[str, Any], info: TensorInfo, binary: memoryview | None) -> torch.Tensor:
    """Returns the tensor of an input's entry, in memory of its own, on the CPU.

    :param binary: its binary data; None: the entry has its data.
    :raises ProtocolError: datatype, shape or data are wrong.
    """
    dtype = dtype_of(entry.get("datatype"), info.name)
    if dtype != info.dtype:
        raise bad_request(f"input {info.name!r} is {entry['datatype']}, and the model takes {datatype_of(info.dtype)}")
    shape = _shape(entry.get("shape"), info)
    if binary is None:
        return _from_json(entry["data"], dtype, shape, info.name)
    size = math.prod(shape) * dtype.itemsize
    if len(binary) != size:
        raise bad_request(
            f"input {info.name!r} has {len(binary)} bytes of binary data, and its shape {list(shape)} takes {size}"
        )
    if not size:
        return _reshaped(torch.empty(0, dtype=dtype), shape, info.name)
    data = bytearray(binary)  # aligned, and ours
    if dtype == torch.bool:
        return (torch.frombuffer(data, dtype=torch.uint8) != 0).reshape(shape)  # only 0 and 1 are bools of PyTorch
    return torch.frombuffer(data, dtype=dtype).reshape(shape)


def json_data(tensor: torch.Tensor) -> list[Any]:
    """Returns the values of a tensor on the CPU, row by row."""
    values: list[Any] = tensor.flatten().tolist()
    return values


def binary_data(tensor: torch.Tensor) -> bytes:
    """Returns the bytes of a tensor on the CPU, row by row."""
    flat = tensor.contiguous().flatten()
    return bytes(flat.view(torch.uint8).numpy()) if flat.numel() else b""


def _shape(given: object, info: TensorInfo) -> tuple[int, ...]:
    if not isinstance(given, list) or not all(type(size) is int and size >= 0 for size in given):
        raise bad_request(f"the shape of input {info.name!r} is {_shown(given)}: give a list of sizes")
    allowed = zip(given, info.smallest, info.largest, strict=False)
    if len(given) != len(info.smallest) or not all(low <= size <= high for size, low, high in allowed):
        sizes = ", ".join(map(_range, info.smallest, info.largest))
        raise bad_request(f"input {info.name!r} has the shape {_shown(given)}, and the model takes [{sizes}]")
    return tuple(given)


def _range(low: int, high: int) -> str:
    if low == high:
        return str(low)
    return f"{low}.." if high == NO_LIMIT else f"{low}..{high}"


def _from_json(data: object, dtype: torch.dtype, shape: tuple[int, ...], name: str) -> torch.Tensor:
    kinds: tuple[type, ...] = (int, float) if dtype.is_floating_point else (bool,) if dtype == torch.bool else (int,)
    low, high = (0, 1) if dtype == torch.bool else (None, None)
    if kinds == (int,):
        low, high = torch.iinfo(dtype).min, torch.iinfo(dtype).max
    count = math.prod(shape)
    values: list[Any] = []
    for value in _leaves(data, count * len(shape) + 1):
        if type(value) not in kinds:
            raise bad_request(f"input {name!r} holds {_shown(value)}, which is no {datatype_of(dtype)}")
        if low is not None and high is not None and not low <= value <= high:
            raise _too_large(name, dtype)
        values.append(value)
        if len(values) > count:
            break
    if len(values) != count:
        number = f"more than {count}" if len(values) > count else len(values)
        raise bad_request(f"input {name!r} holds {number} values, and its shape {_shown(list(shape))} takes {count}")
    try:
        tensor = torch.tensor(values, dtype=dtype)
    except (RuntimeError, OverflowError):
        raise _too_large(name, dtype) from None
    if dtype.is_floating_point and bool(tensor.isinf().any()):  # JSON has no infinity
        raise _too_large(name, dtype)
    return _reshaped(tensor, shape, name)


def _reshaped(tensor: torch.Tensor, shape: tuple[int, ...], name: str) -> torch.Tensor:
    try:
        return tensor.reshape(shape)
    except (RuntimeError, TypeError):  # without values, the other sizes may be of any length
        raise bad_request(f"the shape {_shown(list(shape))} of input {name!r} is too large") from None


def _too_large(name: str, dtype: torch.dtype) -> ProtocolError:
    return bad_request(f"input {name!r} holds a number that {datatype_of(dtype)} cannot")


def _leaves(data: object, most_lists: int) -> Iterator[Any]:
    """Yields the values of nested lists, in order, at any depth; ends after so many lists."""
    if not isinstance(data, list):
        yield data
        return
    stack = [iter(data)]
    while stack:
        for value in stack[-1]:
            if isinstance(value, list):
                most_lists -= 1
                if most_lists < 0:
                    return
                stack.append(iter(value))
                break
            yield value
        else:
            stack.pop()


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "…"
