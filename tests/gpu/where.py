"""A kernel that reports the SM of each of its blocks."""

import torch
import triton
import triton.language as tl
from torch.library import triton_op, wrap_triton

BLOCKS = 4096


@triton.jit
def _where(out_ptr, hold_ns):  # type: ignore[no-untyped-def]
    # The inline assembly is spelled out, because Inductor copies this function without the helpers of
    # triton.language.extra. Each block stays for a while, so that the next blocks must go elsewhere.
    start = tl.inline_asm_elementwise("mov.u64 $0, %globaltimer;", "=l", [], dtype=tl.int64, is_pure=False, pack=1)
    now = start
    while now - start < hold_ns:
        now = tl.inline_asm_elementwise("mov.u64 $0, %globaltimer;", "=l", [], dtype=tl.int64, is_pure=False, pack=1)
    sm = tl.inline_asm_elementwise("mov.u32 $0, %smid;", "=r", [], dtype=tl.int32, is_pure=False, pack=1)
    tl.store(out_ptr + tl.program_id(0), sm)


@triton_op("greenlane_test::where", mutates_args={})
def where(x: torch.Tensor) -> torch.Tensor:
    """Returns the SM of each of BLOCKS blocks, plus the first element of `x` (so that the result depends on `x`)."""
    out = torch.empty(BLOCKS, dtype=torch.int32, device=x.device)
    wrap_triton(_where)[(BLOCKS,)](out, 20_000)
    return out + x[0]


def sms_of(out: torch.Tensor) -> set[int]:
    """Returns the SMs in a result of `where`; waits for the result."""
    return set(out.cpu().tolist())
