"""Finds the SMs that a stream's work really runs on, by a kernel that writes down `%smid`.

A peer's statement about its partitions may differ from what it made.
"""

import ctypes
from typing import Any

import torch
from ways.by_hand import call

# Each block writes the number of its SM and stays for a while, so that every SM of the partition gets a block.
PTX = b"""
.version 7.0
.target sm_70
.address_size 64
.visible .entry where(.param .u64 out, .param .u64 duration) {
  .reg .pred %p;
  .reg .b32 %r<3>;
  .reg .b64 %rd<7>;
  ld.param.u64 %rd1, [out];
  ld.param.u64 %rd2, [duration];
  cvta.to.global.u64 %rd1, %rd1;
  mov.u32 %r1, %ctaid.x;
  mov.u32 %r2, %smid;
  mul.wide.u32 %rd3, %r1, 4;
  add.u64 %rd3, %rd1, %rd3;
  st.global.u32 [%rd3], %r2;
  mov.u64 %rd4, %globaltimer;
wait:
  mov.u64 %rd5, %globaltimer;
  sub.u64 %rd6, %rd5, %rd4;
  setp.lt.u64 %p, %rd6, %rd2;
  @%p bra wait;
  ret;
}
\0"""
BLOCKS = 8192
NANOSECONDS = 20_000  # for which a block stays


def sms_of(handles: dict[str, int]) -> dict[str, set[int]]:
    """Returns the SMs of each stream, measured one stream at a time."""
    from cuda.bindings import driver

    torch.zeros(1, device="cuda")  # the calling thread may have no context yet
    module = call(driver.cuModuleLoadData, PTX)
    function = call(driver.cuModuleGetFunction, module, b"where")
    seen: dict[str, set[int]] = {}
    for name, handle in handles.items():
        out = torch.full((BLOCKS,), -1, dtype=torch.int32, device="cuda")
        torch.cuda.synchronize()
        arguments = ((out.data_ptr(), NANOSECONDS), (ctypes.c_uint64, ctypes.c_uint64))
        call(driver.cuLaunchKernel, function, BLOCKS, 1, 1, 32, 1, 1, 0, handle, arguments, 0)
        call(driver.cuStreamSynchronize, handle)
        seen[name] = set(out.tolist())
    return seen


def describe(handles: dict[str, int]) -> dict[str, Any]:
    """Returns how many SMs each stream used, and how many two streams share; or why that is unknown."""
    try:
        seen = sms_of(handles)
    except Exception as error:
        return {"unknown": f"{type(error).__name__}: {error}"}
    names = list(seen)
    shared = {
        f"{a} and {b}": len(seen[a] & seen[b]) for i, a in enumerate(names) for b in names[i + 1 :] if seen[a] & seen[b]
    }
    return {"sms": {name: len(sms) for name, sms in seen.items()}, "shared_sms": shared}
