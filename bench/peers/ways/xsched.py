"""XSched: an XQueue over each plain stream, with a priority by deadline, and its scheduler in this process.

Set up like examples/Linux/3_intra_process_sched of https://github.com/XpuOS/xsched. Its libraries come first on
LD_LIBRARY_PATH, so that launches go through its shim. An H200 has preemption level 1: commands that are launched ahead,
by default 16, are not stopped. A whole CUDA graph is one command.
"""

import ctypes

import torch
from mixes import Mix

from ways import AbsentError, Use

LEVEL_BLOCK = 1
SCHEDULER_LOCAL = 2
HIGHEST_PRIORITY_FIRST = 1
# Commands in flight, and commands launched at a time: the defaults, and what XSched's example gives a yielding program.
URGENT = (16, 8)
BEST_EFFORT = (4, 2)


def check(what: str, result: int) -> None:
    """Raises where an XResult is not 0, which is success."""
    if result != 0:
        raise RuntimeError(f"{what}: XResult {result}")


def lend(mix: Mix, use: Use) -> None:
    """Lends streams with a queue over each."""
    try:
        queues, cuda = ctypes.CDLL("libpreempt.so"), ctypes.CDLL("libhalcuda.so")
    except OSError as error:
        raise AbsentError(f"not installed: {error}") from error
    torch.zeros(1, device="cuda")
    # This call comes first, because a new scheduler knows no earlier hints.
    check("XHintSetScheduler", queues.XHintSetScheduler(SCHEDULER_LOCAL, HIGHEST_PRIORITY_FIRST))
    streams = {engine.name: torch.cuda.Stream() for engine in mix.engines}
    priorities = {name: -priority for name, priority in mix.priorities().items()}  # here a higher number is more urgent
    for name, stream in streams.items():
        hardware, queue = ctypes.c_uint64(), ctypes.c_uint64()
        check("CudaQueueCreate", cuda.CudaQueueCreate(ctypes.byref(hardware), ctypes.c_void_p(stream.cuda_stream)))
        level = ctypes.c_int64(LEVEL_BLOCK)
        check("XQueueCreate", queues.XQueueCreate(ctypes.byref(queue), hardware, level, ctypes.c_int64(0)))
        threshold, batch = URGENT if priorities[name] else BEST_EFFORT
        configured = queues.XQueueSetLaunchConfig(queue, ctypes.c_int64(threshold), ctypes.c_int64(batch))
        check("XQueueSetLaunchConfig", configured)
        check("XHintPriority", queues.XHintPriority(queue, ctypes.c_int32(priorities[name])))
    use({name: stream.cuda_stream for name, stream in streams.items()}, {"priorities": priorities})
