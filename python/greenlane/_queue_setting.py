"""The number of hardware queues that the package asks CUDA for. CUDA reads it once, when it starts."""

import os

import torch

_VARIABLE = "CUDA_DEVICE_MAX_CONNECTIONS"
_SETTING = "GREENLANE_HARDWARE_QUEUES"
_FEWEST, _MOST = 8, 32
# Enough for the default stream and 15 lanes; an H200 has 15 whole groups of SMs. More queues cost throughput: 32 queues
# took 1.5 % of a best-effort engine's rate beside three lanes, and 4 % beside seven.
_DEFAULT = 16


def ask_for_hardware_queues() -> None:
    """Sets ``CUDA_DEVICE_MAX_CONNECTIONS``, unless it is set already or PyTorch has started CUDA.

    :raises ValueError: ``GREENLANE_HARDWARE_QUEUES`` is neither a number in range nor ``keep``.
    """
    queues = _chosen()
    if queues is None or _VARIABLE in os.environ or torch.cuda.is_initialized():
        return
    os.environ[_VARIABLE] = str(queues)


def _chosen() -> int | None:
    setting = os.environ.get(_SETTING, str(_DEFAULT))
    if setting == "keep":
        return None
    if setting.isdecimal() and _FEWEST <= int(setting) <= _MOST:
        return int(setting)
    raise ValueError(
        f"{_SETTING}={setting!r} is no number of hardware queues; "
        f"set it to a number from {_FEWEST} to {_MOST}, or to 'keep' to leave {_VARIABLE} alone"
    )
