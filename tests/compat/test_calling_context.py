"""The calling thread's CUDA context after entry points of the library, on two GPUs that keep books and compute nothing.

tests/gpu/test_calling_thread.py does the same on real GPUs. A green context of the caller's is current here: guards of
PyTorch restore the device, but not the context.
"""

from compat.stand_in import in_a_process

PROGRAM = """
import ctypes, torch, greenlane as gl
from greenlane._native import library

driver = ctypes.CDLL("libcuda.so.1")
Pointer = ctypes.c_void_p

def call(name, *arguments):
    address = Pointer()
    assert driver.cuGetProcAddress(name.encode(), ctypes.byref(address), 13000, ctypes.c_uint64(0)) == 0
    types = [Pointer] * len(arguments)
    assert ctypes.CFUNCTYPE(ctypes.c_int, *types)(address.value)(*arguments) == 0

def current():
    context = Pointer()
    call("cuCtxGetCurrent", ctypes.addressof(context))
    return context.value

def guard():
    with torch.cuda.device(1 - index):
        pass

def with_lane():
    with lanes[1 - index]:
        pass

engines = ctypes.CDLL(str(library).replace("bindings", "torch"))

def pool_streams(device):
    vector = (ctypes.c_uint64 * 3)()
    engines._ZN9greenlane12pool_streamsENS_8DeviceIdE(vector, ctypes.c_uint64((device << 32) + CUDA))

CUDA = 1
for device in range(2):
    torch.cuda.set_device(device)
lanes = [gl.partition(f"cuda:{device}", {"lane": 16})["lane"] for device in range(2)]
stream = torch.cuda.Stream(1)
module = torch.nn.ReLU()
calls = {
    "a guard of PyTorch": guard,
    "synchronize_devices": engines._ZN9greenlane19synchronize_devicesEv,
    "pool_streams": lambda: pool_streams(1 - index),
    "partition": lambda: gl.partition(f"cuda:{1 - index}", {f"more {index}": 8}),
    "lane": lambda: gl.lane(f"cuda:{1 - index}"),
    "with lane": with_lane,
    "synchronize": lambda: lanes[1 - index].synchronize(),
    "bind a stream": lambda: gl.set_external_stream(torch.nn.ReLU(), stream),
    "bind": lambda: gl.set_external_stream(module, lanes[1 - index]),
    "clear": lambda: gl.clear_external_stream(module),
    "devices": gl.devices,
}
for index in range(2):
    torch.cuda.set_device(index)
    green = Pointer()
    call("cuStreamGetGreenCtx", lanes[index].stream, ctypes.addressof(green))
    call("cuCtxPushCurrent", green.value)  # the handle of a green context is that of its context here
    for name, work in calls.items():
        work()
        print(name, "same" if current() == green.value else "another", sep=": ")
        call("cuCtxSetCurrent", green.value)
"""


def test_entry_points_keep_a_green_context_current() -> None:
    found = in_a_process(PROGRAM, on_gpus=True)
    assert len(found) == 22
    others = [line.split(":")[0] for line in found if not line.endswith(": same")]
    # PyTorch's own: `with lane` is torch.cuda.stream(), which sets the device there and back.
    assert others == ["a guard of PyTorch", "with lane"] * 2
