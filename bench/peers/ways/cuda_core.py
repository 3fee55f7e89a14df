"""NVIDIA's cuda.core: SMResource.split and green contexts, https://nvidia.github.io/cuda-python/cuda-core/latest/.

Below CUDA 13.1 its split makes groups of one size only; a partition is then several groups. If cuda.core refuses that
too, or is too old to have green contexts, the same is done by hand with cuda.bindings.
"""

from typing import Any

import torch
from mixes import Mix

from ways import AbsentError, Use, by_hand
from ways.by_hand import GROUP


def partitions(sizes: dict[str, int]) -> tuple[list[Any], dict[str, int], list[str]]:
    """Returns contexts and streams, which must live, their handles, and what was tried."""
    from cuda.core import ContextOptions, Device, SMResourceOptions

    device = Device(0)
    device.set_current()
    tried = []
    resources: dict[str, list[Any]] = {}
    *fixed, last = sizes
    try:
        groups, rest = device.resources.sm.split(SMResourceOptions(count=[sizes[name] for name in fixed]))
        resources = dict(zip(sizes, [*([group] for group in groups), [rest]], strict=True))
        tried.append("one split of several sizes")
    except Exception as error:
        tried.append(f"one split of several sizes: {error}")
        most = device.resources.sm.sm_count // GROUP
        groups, rest = device.resources.sm.split(SMResourceOptions(count=[GROUP] * most))
        tried.append(f"one split into {len(groups)} groups of {groups[0].sm_count} and {rest.sm_count}")
        for name in fixed:
            count = -(-sizes[name] // GROUP)
            resources[name], groups = groups[:count], groups[count:]
        resources[last] = [*groups, rest]
    contexts = {name: device.create_context(ContextOptions(resources=resources[name])) for name in sizes}
    streams = {name: context.create_stream() for name, context in contexts.items()}
    handles = {name: int(stream.handle) for name, stream in streams.items()}
    return [contexts, streams, resources], handles, tried


def lend(mix: Mix, use: Use) -> None:
    """Lends streams made with cuda.core, or by hand."""
    try:
        import cuda.core
    except ImportError as error:
        raise AbsentError(f"cuda.core is not installed: {error}") from error
    torch.zeros(1, device="cuda")
    sizes = mix.sizes(torch.cuda.get_device_properties(0).multi_processor_count)
    notes: dict[str, Any] = {"cuda.core": cuda.core.__version__, "asked": sizes}
    try:
        keep, handles, tried = partitions(sizes)
        notes |= {"made_with": "cuda.core", "tried": tried}
    except Exception as error:
        notes |= {"made_with": "cuda.bindings, by hand", "cuda_core_said": f"{type(error).__name__}: {error}"}
        keep, handles = by_hand.partitions(sizes)
    use(handles, notes)
    del keep
