"""Plain streams: what everybody starts with."""

import torch
from mixes import Mix

from ways import Use


def lend(mix: Mix, use: Use) -> None:
    """A stream an engine."""
    streams = {engine.name: torch.cuda.Stream() for engine in mix.engines}
    use({name: stream.cuda_stream for name, stream in streams.items()}, {})
