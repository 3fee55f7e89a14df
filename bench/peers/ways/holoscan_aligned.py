"""Holoscan's pool once more, with flags 0: groups of SMs that are scheduled together.

Kernels that are launched in clusters, as cuBLAS has them, need such groups; the pool's default ignores them.
"""

import torch
from mixes import Mix

from ways import Use
from ways.by_hand import GROUP, split
from ways.holoscan_pool import run


def lend(mix: Mix, use: Use) -> None:
    """Whole groups, and no more than the driver makes of the device: what is left of it, nobody gets."""
    torch.zeros(1, device="cuda")
    sizes = mix.sizes(torch.cuda.get_device_properties(0).multi_processor_count)
    *fixed, last = sizes
    groups = {name: sizes[name] // GROUP for name in fixed}
    groups[last] = min(sizes[last] // GROUP, len(split()[0]) - sum(groups.values()))
    run({name: count * GROUP for name, count in groups.items()}, (GROUP,), {"flags": 0}, use)
