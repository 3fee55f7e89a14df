"""The protocol's datatypes, and PyTorch's dtypes.

Source: Open Inference Protocol, "Tensor Data Types"; BF16 as in Triton.
"""

import torch

from greenlane.serve._errors import bad_request

_DTYPES = {
    "BOOL": torch.bool,
    "UINT8": torch.uint8,
    "UINT16": torch.uint16,
    "UINT32": torch.uint32,
    "UINT64": torch.uint64,
    "INT8": torch.int8,
    "INT16": torch.int16,
    "INT32": torch.int32,
    "INT64": torch.int64,
    "FP16": torch.float16,
    "BF16": torch.bfloat16,
    "FP32": torch.float32,
    "FP64": torch.float64,
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}


def dtype_of(datatype: object, tensor: str) -> torch.dtype:
    """Returns the dtype of a datatype.

    :raises ProtocolError: it is none, or texts, which no engine takes.
    """
    if isinstance(datatype, str) and datatype in _DTYPES:
        return _DTYPES[datatype]
    raise bad_request(f"datatype {datatype!r} of input {tensor!r} is not supported: use {', '.join(_DTYPES)}")


def datatype_of(dtype: torch.dtype) -> str | None:
    """Returns the datatype of a dtype; None: the protocol has none."""
    return _NAMES.get(dtype)
