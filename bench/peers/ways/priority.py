"""Stream priorities, by deadline."""

import torch
from mixes import Mix

from ways import Use


def lend(mix: Mix, use: Use) -> None:
    """Lends one stream for each engine; the driver decides what its priority does."""
    streams = {name: torch.cuda.Stream(priority=priority) for name, priority in mix.priorities().items()}
    notes = {"priorities": {name: stream.priority for name, stream in streams.items()}}
    use({name: stream.cuda_stream for name, stream in streams.items()}, notes)
