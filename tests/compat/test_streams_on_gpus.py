"""The handle of the stream that a Torch-TensorRT engine runs on: both runtimes, on GPUs of bookkeeping.

The cases follow upstream's test for pytorch/TensorRT#4232: swap, clear, one binding for each engine, validation, and
the routes of the passthrough.
"""

from pathlib import Path

import pytest

from compat import gpu_runtimes
from compat.stand_in import FAKE_CUDA, in_a_process

pytestmark = pytest.mark.skipif(not FAKE_CUDA.exists(), reason=f"{FAKE_CUDA} is not built")
both = pytest.mark.parametrize("runtime", gpu_runtimes.RUNTIMES)


def on_gpus(runtime: str, code: str) -> list[str]:
    """Returns the lines that the code prints after the set-up."""
    return in_a_process(gpu_runtimes.setup(runtime) + code, on_gpus=True)


@both
def test_an_unbound_engine_runs_on_stocks_stream(runtime: str) -> None:
    assert on_gpus(
        runtime,
        """
engine = new_engine()
print(named(ran(engine)))  # from the default stream: stock's own
with torch.cuda.stream(mine):
    print(named(ran(engine)))
with lanes["second"]:
    print(named(ran(engine)))
""",
    ) == ["another", "mine", "second"]


@both
def test_streams_can_be_swapped_and_cleared(runtime: str) -> None:
    """Each change takes effect at the next call, whatever the caller's stream is."""
    assert (
        on_gpus(
            runtime,
            """
engine = new_engine()
own = ran(engine)
for caller in (torch.cuda.default_stream(), mine, lanes["second"].torch_stream):
    with torch.cuda.stream(caller):
        seen = []
        for stream in (lanes["first"], lanes["second"], mine, lanes["first"]):
            gl.set_external_stream(engine, stream)
            seen += [named(ran(engine)), named(gl.get_external_stream(engine))]
        gl.clear_external_stream(engine)
        print(*seen, gl.get_external_stream(engine), gl.is_external_stream_set(engine))
        assert torch.cuda.current_stream() == caller
        assert ran(engine) == {0: own}.get(caller.cuda_stream, caller.cuda_stream)
""",
        )
        == ["first first second second mine mine first first 0 False"] * 3
    )


@both
def test_each_engine_runs_on_its_stream(runtime: str) -> None:
    assert on_gpus(
        runtime,
        """
inner = torch.nn.ModuleDict({"deep": Accelerated(new_engine("two"))})
model = torch.nn.Sequential(Accelerated(new_engine("one")), inner)
one, two = model[0].engine, model[1]["deep"].engine
with gl.set_external_stream(model, {"0.engine": lanes["first"], "1.deep.engine": mine}):
    print(named(ran(one)), named(ran(two)))
    with gl.set_external_stream(model, {"two": lanes["second"]}):
        print(named(ran(one)), named(ran(two)))
    print(named(ran(one)), named(ran(two)))
print(named(ran(one)), named(ran(two)))
""",
    ) == ["first mine", "first second", "first mine", "another another"]


@both
def test_every_kind_of_stream_can_be_bound(runtime: str) -> None:
    assert on_gpus(
        runtime,
        """
engine = new_engine()
class Foreign:
    def __cuda_stream__(self):
        return (0, mine.cuda_stream)
generic = torch.Stream(device="cuda:0")
with generic:
    streams[torch.cuda.current_stream().cuda_stream] = "generic"
for stream in (lanes["first"], mine, mine.cuda_stream, numpy.int64(first), numpy.uint64(second), Foreign(), generic,
               torch.cuda.ExternalStream(first), lanes["second"].torch_stream):
    gl.set_external_stream(engine, stream)
    print(named(ran(engine)), named(gl.get_external_stream(engine)))
""",
    ) == [
        f"{name} {name}" for name in ("first", "mine", "mine", "first", "second", "mine", "generic", "first", "second")
    ]


@both
def test_an_invalid_stream_is_refused(runtime: str) -> None:
    lines = on_gpus(
        runtime,
        """
model = torch.nn.Sequential(Accelerated(new_engine("one")), Accelerated(new_engine("two")))
gl.set_external_stream(model, {"one": mine, "two": mine})
closed = gl.lane("cuda:0", "gone")
closed_stream = closed.stream
closed.close()
elsewhere = gl.partition("cuda:1", {"elsewhere": 24})["elsewhere"]
for stream in (0, 1, 2, torch.cuda.default_stream(), closed, closed_stream, elsewhere, elsewhere.stream,
               torch.cuda.Stream("cuda:1")):
    print(attempt(lambda: gl.set_external_stream(model, {"one": lanes["first"], "two": stream})))
    assert [named(ran(each.engine)) for each in model] == ["mine", "mine"]
""",
    )
    reasons = ["it is null", "legacy default", "per-thread default", "it is null", "closed", "closed"]
    reasons += ["cuda:1", "cuda:1", "cuda:1"]
    assert len(lines) == len(reasons)
    for line, reason in zip(lines, reasons, strict=True):
        assert line.startswith("RuntimeError: nothing was bound: the stream for 'two' is refused: "), line
        assert reason in line


@both
def test_a_bare_engine_keeps_its_lane(runtime: str) -> None:
    assert on_gpus(
        runtime,
        """
import gc
engine = new_engine()
lane = gl.lane("cuda:0", "kept")
handle = lane.stream
gl.set_external_stream(engine, lane)
del lane
gc.collect()
others = [gl.lane("cuda:0") for _ in range(3)]  # would get its handle
print(ran(engine) == handle, handle not in [each.stream for each in others])
""",
    ) == ["True True"]


@both
def test_an_engine_runs_on_the_second_gpu(runtime: str) -> None:
    """The stream is on the engine's device whatever the current device is, which stays current."""
    assert (
        on_gpus(
            runtime,
            """
engine = new_engine(device=1)
there = gl.partition("cuda:1", {"there": 24})["there"]
gl.set_external_stream(engine, there)
for device in (0, 1):
    torch.cuda.set_device(device)
    refused = attempt(lambda: gl.set_external_stream(engine, lanes["first"]))
    print(refused[:12], gl.get_external_stream(engine) == there.stream)
    with torch.cuda.device(1):
        print(ran(engine) == there.stream)
    assert torch.cuda.current_device() == device
""",
        )
        == ["RuntimeError True", "True"] * 2
    )


@pytest.mark.parametrize("mode", [0, 1, 2])
def test_stock_graphs_do_not_prevent_a_binding(mode: int) -> None:
    """pytorch/TensorRT#4232 refuses here, both when it binds and when it calls."""
    assert on_gpus(
        "C++",
        f"""
engine = new_engine()
torch.ops.tensorrt.set_cudagraphs_mode({mode})
for lane in (lanes["first"], lanes["second"], lanes["first"]):
    engine.set_external_stream(lane.stream)
    print(named(ran(engine)), named(ran(engine)), torch.ops.tensorrt.get_cudagraphs_mode())
engine.clear_external_stream()
print(named(ran(engine)))
""",
    ) == [f"first first {mode}", f"second second {mode}", f"first first {mode}", "another"]


def test_an_engine_may_be_rebound_during_its_call() -> None:
    """A plugin may call back into Python: no deadlock, and the running call stays where it is."""
    assert on_gpus(
        "Python",
        """
class Rebinds(TRTEngine):
    target = None
    def execute(self, tensors):
        if self.target is not None:
            gl.set_external_stream(self, self.target)
        return super().execute(tensors)

register_opaque_type(Rebinds, typ="reference")
engine = Rebinds()
gl.set_external_stream(engine, lanes["first"])
engine.target = lanes["second"]
print(named(ran(engine)), named(gl.get_external_stream(engine)))
engine.target = None
print(named(ran(engine)))
""",
    ) == ["first second", "second"]


# The passthrough


@both
def test_a_binding_takes_precedence_over_passthrough(runtime: str) -> None:
    """Every call asks for the setting anew. From another stream than the default one it makes no difference."""
    assert on_gpus(
        runtime,
        """
engine = new_engine()
for on in (True, False, True):
    gl.set_engine_stream_passthrough(on)
    for lane in (lanes["first"], None):
        gl.set_external_stream(engine, lane) if lane else gl.clear_external_stream(engine)
        with torch.cuda.stream(mine):
            print(on, named(ran(engine)))
""",
    ) == [f"{on} {where}" for on in (True, False, True) for where in ("first", "mine")]


def test_passthrough_avoids_pool_streams() -> None:
    """Stock Torch-TensorRT takes pool streams. With passthrough all share one that CUDA orders as the default one."""
    assert on_gpus(
        "C++",
        """
engines = [new_engine("never bound"), new_engine("bound before")]
with gl.set_external_stream(engines[1], mine):
    pass
own = [ran(engine) for engine in engines]
gl.set_engine_stream_passthrough(True)
through = [ran(engine) for engine in engines]
assert torch.cuda.current_stream() == torch.cuda.default_stream()
gl.set_engine_stream_passthrough(False)
print(own[0] != own[1], through[0] == through[1], through[0] in own, [ran(engine) for engine in engines] == own)
print(torch.ops.tensorrt.execute_engine([], engines[0])[0].item() == own[0])
print(torch._C._cuda_getCurrentRawStream(0))
""",
    ) == ["True True False True", "True", "0"]


def test_passthrough_works_without_inputs_and_on_the_second_gpu() -> None:
    assert on_gpus(
        "C++",
        """
engine, other = new_engine(), new_engine(device=1)
own = ran(engine)
with torch.cuda.device(1):
    own_there = ran(other)
gl.set_engine_stream_passthrough(True)
here = ran(engine)
print(here != own, stream_of(torch.ops.tensorrt.execute_engine([], engine)) == here)
with torch.cuda.device(1):
    there = ran(other)
    print(there not in (here, own, own_there), torch.cuda.current_device())
    print(torch.cuda.current_stream() == torch.cuda.default_stream())
""",
    ) == ["True True", "True 1", "True"]


@pytest.mark.parametrize("mode", [1, 2])
def test_passthrough_does_not_change_stock_graphs(mode: int) -> None:
    """Stock Torch-TensorRT's graphs cannot be captured on a stream that CUDA orders as the default stream."""
    assert on_gpus(
        "C++",
        f"""
engine = new_engine()
own = ran(engine)
gl.set_engine_stream_passthrough(True)
torch.ops.tensorrt.set_cudagraphs_mode({mode})
print(ran(engine) == own)
with torch.cuda.stream(mine):
    print(named(ran(engine)))
torch.ops.tensorrt.set_cudagraphs_mode(0)
print(ran(engine) == own)
""",
    ) == ["True", "mine", "False"]


def test_passthrough_ignores_python_runtime_engines() -> None:
    """greenlane cannot see these engines' graphs."""
    assert on_gpus(
        "Python",
        """
engine = new_engine()
own = ran(engine)
gl.set_engine_stream_passthrough(True)
print(ran(engine) == own)
""",
    ) == ["True"]


def test_the_current_stream_is_restored_after_an_exception() -> None:
    assert on_gpus(
        "C++",
        """
broken = stand_in.new_engine("broken", "broken", "0")
gl.set_engine_stream_passthrough(True)
print(attempt(lambda: ran(broken)), torch.cuda.current_stream() == torch.cuda.default_stream())
""",
    ) == ["RuntimeError: this engine is broken True"]


def test_passthrough_works_for_pytorchs_packages(tmp_path: Path) -> None:
    """pytorch/TensorRT#4232 added the switch for this case."""
    assert on_gpus(
        "C++",
        f"""
import logging
logging.disable(logging.WARNING)
path = {str(tmp_path / "model.pt2")!r}
program = torch.export.export(Accelerated(new_engine("inner")), (X,), strict=False)
torch._inductor.aoti_compile_and_package(program, package_path=path)
model = torch._inductor.aoti_load_package(path)
own = stream_of(model(X))
gl.set_engine_stream_passthrough(True)
for lane in ("first", "second"):
    with lanes[lane]:
        print(named(stream_of(model(X))))
print(stream_of(model(X)) == own)
gl.set_external_stream(model, {{"inner": lanes["second"]}})
with lanes["first"]:
    print(named(stream_of(model(X))))  # a binding comes first
""",
    )[-4:] == ["first", "second", "False", "second"]
