"""Plain streams, with which everybody starts."""

import torch
from mixes import Mix

from ways import Use


def lend(mix: Mix, use: Use) -> None:
    """Lends one stream for each engine."""
    streams = {engine.name: torch.cuda.Stream() for engine in mix.engines}
    use({name: stream.cuda_stream for name, stream in streams.items()}, {})
