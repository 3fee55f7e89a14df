"""Holoscan's pool once more, with flags 0: groups of SMs that are scheduled together.

Kernels that are launched in clusters, as cuBLAS has them, need such groups; the pool's default ignores them.
"""

import torch
from mixes import Mix

from ways import Use
from ways.holoscan_pool import run

GROUP = 8


def lend(mix: Mix, use: Use) -> None:
    """Whole groups: what is left of the last one, nobody gets."""
    torch.zeros(1, device="cuda")
    sizes = mix.sizes(torch.cuda.get_device_properties(0).multi_processor_count)
    run({name: units // GROUP * GROUP for name, units in sizes.items()}, (GROUP,), {"flags": 0}, use)
