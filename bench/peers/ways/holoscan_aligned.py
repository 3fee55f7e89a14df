"""Holoscan's pool once more, with flags for groups of SMs that are scheduled together, where the pool takes them.

Kernels that are launched in clusters, such as cuBLAS's, need such groups; the pool's default ignores them. But the pool
wants the whole device in groups: the number of its SMs divided by a group's size, with nothing left. Otherwise the pool
ends the process.
"""

import torch
from mixes import Mix

from ways import AbsentError, Use
from ways.by_hand import split
from ways.holoscan_pool import are_whole, run

FLAGS = (0, 2, 3)  # scheduled together; for the largest clusters; for those, in the default's finer groups
GROUPS = (16, 8, 4)  # below 4 the pool ignores the requested size on this generation


def is_accepted(sizes: dict[str, int], total: int, flags: int, group: int) -> bool:
    """Decides as the pool does, because its own `is_partitioning_supported` knows only the default flags."""
    if not are_whole(list(sizes.values()), group):
        return False
    try:
        groups, _ = split(group, flags)
    except RuntimeError:
        return False
    return len(groups) == total // group and all(part.sm.smCount == group for part in groups)


def lend(mix: Mix, use: Use) -> None:
    """Lends streams with the first flags and groups that the pool takes."""
    torch.zeros(1, device="cuda")
    total = torch.cuda.get_device_properties(0).multi_processor_count
    sizes = mix.sizes(total)
    for flags in FLAGS:
        for group in GROUPS:
            if is_accepted(sizes, total, flags, group):
                run(sizes, (group,), {"flags": flags}, use)
                return
    raise AbsentError(f"the pool takes no groups that are scheduled together: they do not make up {total} SMs")
