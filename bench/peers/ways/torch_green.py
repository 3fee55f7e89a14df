"""PyTorch's green contexts: one for each engine, with the units of its lane, and its stream.

https://docs.pytorch.org/docs/2.11/generated/torch.cuda.green_contexts.GreenContext.html
"""

import torch
from mixes import Mix

from ways import AbsentError, Use


def lend(mix: Mix, use: Use) -> None:
    """Lends streams as documented: `GreenContext.create(num_sms=...)` for each, and work under `context.Stream()`."""
    try:
        from torch.cuda.green_contexts import GreenContext
    except ImportError as error:
        raise AbsentError(f"torch {torch.__version__} has no torch.cuda.green_contexts") from error
    torch.zeros(1, device="cuda")  # without the primary context, making a green one is slow
    sizes = mix.sizes(torch.cuda.get_device_properties(0).multi_processor_count)
    contexts = {name: GreenContext.create(num_sms=units, device_id=0) for name, units in sizes.items()}
    streams = {name: context.Stream() for name, context in contexts.items()}
    use({name: stream.cuda_stream for name, stream in streams.items()}, {"asked": sizes})
