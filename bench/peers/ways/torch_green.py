"""PyTorch's green contexts: one for each engine, with the units of its lane, and its stream.

https://docs.pytorch.org/docs/2.15/generated/torch.cuda.green_contexts.GreenContext.html
"""

from typing import Any

import torch
from mixes import Mix

from ways import AbsentError, Use


def lend(mix: Mix, use: Use) -> None:
    """Lends streams as documented: contexts of one disjoint split, where there is one, and work under `Stream()`."""
    try:
        from torch.cuda.green_contexts import GreenContext
    except ImportError as error:
        raise AbsentError(f"torch {torch.__version__} has no torch.cuda.green_contexts") from error
    torch.zeros(1, device="cuda")  # without the primary context, making a green one is slow
    sizes = mix.sizes(torch.cuda.get_device_properties(0).multi_processor_count)
    contexts, split = make_contexts(GreenContext, sizes)
    streams = {name: context.Stream() for name, context in contexts.items()}
    use({name: stream.cuda_stream for name, stream in streams.items()}, {"asked": sizes, "split": split})


def make_contexts(green_context: Any, sizes: dict[str, int]) -> tuple[dict[str, Any], str]:
    """Returns the contexts, and how they were made: "disjoint", or "one by one", where they overlap, and why."""
    if not hasattr(green_context, "split"):
        why = f"torch {torch.__version__} has no GreenContext.split"
    else:
        try:
            made = green_context.split(num_sms=tuple(sizes.values()), device_id=0)
            return dict(zip(sizes, made, strict=True)), "disjoint"
        except RuntimeError as error:  # an older driver, or sizes that it does not take
            why = str(error)
    created = {name: green_context.create(num_sms=units, device_id=0) for name, units in sizes.items()}
    return created, f"one by one: {why}"
