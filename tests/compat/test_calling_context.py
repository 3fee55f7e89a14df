"""The calling thread's CUDA context after entry points of the library, on two GPUs that keep books and compute nothing.

tests/gpu/test_calling_thread.py does the same on real GPUs. A green context of the caller's is current here: guards of
PyTorch restore the device, but not the context.
"""

from compat.stand_in import in_a_process

PROGRAM = """
import ctypes, torch, greenlane as gl
from compat.driver_calls import call, current_context, green_context
from greenlane._native import library

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
    "concurrently": lambda: gl.concurrently(int, int),
    "synchronize": lambda: lanes[1 - index].synchronize(),
    "bind a stream": lambda: gl.set_external_stream(torch.nn.ReLU(), stream),
    "bind": lambda: gl.set_external_stream(module, lanes[1 - index]),
    "clear": lambda: gl.clear_external_stream(module),
    "devices": gl.devices,
}
for index in range(2):
    torch.cuda.set_device(index)
    green = green_context(lanes[index].stream)
    call("cuCtxPushCurrent", green)
    for name, work in calls.items():
        work()
        print(name, "same" if current_context() == green else "another", sep=": ")
        call("cuCtxSetCurrent", green)
"""


def test_entry_points_keep_a_green_context_current() -> None:
    found = in_a_process(PROGRAM, on_gpus=True)
    assert len(found) == 24
    others = [line.split(":")[0] for line in found if not line.endswith(": same")]
    assert others == ["a guard of PyTorch"] * 2


WITH_LANE = """
import threading, torch, greenlane as gl
from compat.driver_calls import call, current_context, green_context

torch.cuda.set_device(0)
lanes = [gl.partition(f"cuda:{device}", {"lane": 16})["lane"] for device in range(2)]
green = green_context(lanes[0].stream)

def is_in(lane):
    stream = torch.cuda.current_stream()
    return stream.cuda_stream == lane.stream and stream.device == lane.device

def is_out():
    return current_context() == green and torch.cuda.current_stream() == torch.cuda.default_stream(0)
"""


def test_a_block_of_a_lane_gives_the_context_back_at_every_depth_and_after_exceptions() -> None:
    program = """
call("cuCtxPushCurrent", green)
seen = []
with lanes[1]:
    inside = current_context()
    seen += [is_in(lanes[1]), inside != green]
    for lane in lanes:
        with lane:
            seen += [is_in(lane)]
        seen += [is_in(lanes[1]), current_context() == inside]
    with lanes[1], lanes[1]:
        seen += [is_in(lanes[1])]
    seen += [is_in(lanes[1]), current_context() == inside]
seen += [is_out()]
for error in (ValueError, KeyboardInterrupt):
    try:
        with lanes[1], lanes[0], lanes[1]:
            raise error
    except error:
        seen += [is_out()]
with lanes[1]:
    torch.cuda.set_device(0)
seen += [is_out()]
print(len(seen), all(seen))
"""
    assert in_a_process(WITH_LANE + program, on_gpus=True) == ["15 True"]


def test_threads_leave_their_own_blocks_of_one_lane() -> None:
    """The second thread enters while the first is inside, and leaves after it."""
    program = """
entered, left = threading.Event(), threading.Event()
seen = []

def second():
    torch.cuda.set_device(1)
    former = torch.cuda.current_stream(), current_context()
    with lanes[1]:
        entered.set()
        left.wait(60)
        seen.append(is_in(lanes[1]))
    seen.append((torch.cuda.current_stream(), current_context()) == former)

call("cuCtxPushCurrent", green)
thread = threading.Thread(target=second)
with lanes[1]:
    thread.start()
    entered.wait(60)
seen.append(is_out())
left.set()
thread.join()
print(*seen)
"""
    assert in_a_process(WITH_LANE + program, on_gpus=True) == ["True True True"]
