"""The mode in which the calling thread meets captures of other threads, on GPUs that keep books and compute nothing.

A call from another stream may need new memory, which in CUDA's default mode breaks a capture of another thread.
tests/gpu/test_others_captures.py captures on a real GPU beside such calls.
"""

from compat.stand_in import in_a_process

PROGRAM = """
import ctypes, torch, greenlane as gl

GLOBAL, RELAXED = 0, 2
exchange = ctypes.CDLL(None).cudaThreadExchangeStreamCaptureMode
modes = []

def mode():
    value = ctypes.c_int(RELAXED)
    assert exchange(ctypes.byref(value)) == 0
    found = value.value
    assert exchange(ctypes.byref(value)) == 0
    return found

class Model(torch.nn.Module):
    def forward(self, x):
        modes.append(mode())
        if self.fails:
            raise ValueError("as asked")
        return x

torch.cuda.set_device(0)
lane = gl.partition("cuda:0", {"lane": 16})["lane"]
model, x = Model(), torch.ones(2)
model.fails = False
model(x)
gl.set_external_stream(model, lane)
model(x)
with lane:
    model(x)
model.fails = True
try:
    model(x)
except ValueError:
    pass
assert modes == [GLOBAL, RELAXED, GLOBAL, RELAXED], modes
assert mode() == GLOBAL
"""


def test_a_call_from_another_stream_leaves_captures_of_other_threads_intact() -> None:
    in_a_process(PROGRAM, on_gpus=True)
