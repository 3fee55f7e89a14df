"""Holoscan's pool of green contexts, set up as its example cuda_green_context and its guide to CUDA streams advise.

https://docs.nvidia.com/holoscan/sdk-user-guide/holoscan_cuda_stream_handling.html: a pool with a partition for each
operator, a CudaStreamPool on each partition's context, and `allocate_cuda_stream` in the operator. Streams live only
while the application runs, so the operator that gets its stream last runs the race.
"""

import resource
from typing import Any

import torch
from mixes import Mix

from ways import AbsentError, Use

PINNED = "holoscan-cu13==4.6.0"  # the release that this is written for; 5.0 has other interfaces
STACK = 32 << 20  # bytes, below which Holoscan warns of crashes
SMALLEST = (4, 2)  # SMs of a group on this generation of GPUs: the example starts at 4 and halves until it is accepted


def lend(mix: Mix, use: Use) -> None:
    """Lends streams with the pool's default flags, which ignore that SMs of a cluster must be scheduled together."""
    torch.zeros(1, device="cuda")
    sizes = mix.sizes(torch.cuda.get_device_properties(0).multi_processor_count)
    run(sizes, SMALLEST, {}, use)


def are_whole(partitions: list[int], group: int) -> bool:
    """Returns true where the partitions, and the rest of the device, consist of whole groups."""
    left = torch.cuda.get_device_properties(0).multi_processor_count - sum(partitions)
    return not any(units % group for units in [*partitions, left])


def run(sizes: dict[str, int], groups: tuple[int, ...], options: dict[str, Any], use: Use) -> None:
    """Runs an application with an operator for each engine."""
    _, hard = resource.getrlimit(resource.RLIMIT_STACK)
    if hard == resource.RLIM_INFINITY or hard >= STACK:
        resource.setrlimit(resource.RLIMIT_STACK, (STACK, hard))
    try:
        import holoscan

        if int(holoscan.__version__.partition(".")[0]) >= 5:
            raise AbsentError(f"holoscan {holoscan.__version__} has no CudaGreenContextPool: pip install {PINNED}")
        from holoscan.conditions import CountCondition
        from holoscan.core import Application, Operator, OperatorSpec
        from holoscan.resources import CudaGreenContext, CudaGreenContextPool, CudaStreamPool
    except ImportError as error:
        raise AbsentError(f"not installed ({error}): pip install {PINNED}") from error

    partitions = list(sizes.values())
    whole = [group for group in groups if are_whole(partitions, group)]
    accepted = [group for group in whole if CudaGreenContextPool.is_partitioning_supported(0, group, partitions)]
    notes = {"holoscan": holoscan.__version__, "asked": sizes, "accepted_groups": accepted, "options": options}
    group = accepted[0] if accepted else groups[0]
    handles: dict[str, int] = {}
    raised: list[Exception] = []

    class Lender(Operator):  # type: ignore[misc]
        """An operator that gets its stream; the last one runs the race."""

        def setup(self, spec: OperatorSpec) -> None:
            """Declares no ports, so the operator runs when the scheduler reaches it."""

        def compute(self, op_input: object, op_output: object, context: Any) -> None:
            """Runs once."""
            try:
                handles[self.name] = context.allocate_cuda_stream(self.name)
                if len(handles) == len(sizes):
                    use({name: handles[name] for name in sizes}, notes)
            except Exception as error:  # would be lost in Holoscan's executor
                raised.append(error)

    class Lending(Application):  # type: ignore[misc]
        """An application with an operator for each engine."""

        def compose(self) -> None:
            """Makes the pool, contexts and streams."""
            pool = CudaGreenContextPool(
                self,
                dev_id=0,
                num_partitions=len(partitions),
                sms_per_partition=partitions,
                min_sm_size=group,
                name="pool",
                **options,
            )
            for index, name in enumerate(sizes):
                context = CudaGreenContext(self, cuda_green_context_pool=pool, index=index, name=f"context_{name}")
                streams = CudaStreamPool(
                    self,
                    dev_id=0,
                    stream_flags=1,
                    stream_priority=0,
                    reserved_size=1,
                    max_size=1,
                    cuda_green_context=context,
                    name=f"streams_{name}",
                )
                once = CountCondition(self, 1, name=f"once_{name}")
                self.add_operator(Lender(self, once, streams, name=name))

    Lending().run()
    if raised:
        raise raised[0]
