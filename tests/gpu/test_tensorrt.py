"""Torch-TensorRT engines on lanes of a GPU: its unmodified runtime over a double of TensorRT's (tensorrt_runtime)."""

import gc
import io
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import greenlane as gl
import pytest
import torch
from raw_streams import GreenContext, destroy
from tensorrt_runtime import (
    SUBGRAPH,
    VARIABLE,
    WHOLE_GRAPH,
    Accelerated,
    Engine,
    Inlined,
    Model,
    graphs,
    load,
    load_for_export,
    new_engine,
    run,
)
from torch import Tensor, nn
from torch.export import ExportedProgram
from where import sms_of

pytestmark = pytest.mark.skipif(
    VARIABLE not in os.environ, reason=f"{VARIABLE} does not name a folder with Torch-TensorRT's runtime"
)

HERE = Path(__file__).resolve().parent
SLOW = 2_000_000  # clock cycles: about a millisecond
SIZE = 1 << 20
ROUNDS = 200
VALUES = [float(i % 7 + 1) for i in range(ROUNDS)]


@pytest.fixture(scope="module", autouse=True)
def _runtime() -> None:
    load()


@pytest.fixture(autouse=True)
def _settings_are_left_alone() -> Iterator[None]:
    yield
    gl.set_engine_stream_passthrough(False)
    gc.collect()
    time.sleep(0.1)  # greenlane frees bound engines a little later, which must not be while the next test captures


@pytest.fixture
def lanes() -> dict[str, gl.Lane]:
    """Two partitions."""
    return gl.partition("cuda:0", {"small": 24, "large": 40})


@pytest.fixture
def x() -> Tensor:
    """An input, which is there."""
    made = torch.arange(64, dtype=torch.float32, device="cuda")
    torch.cuda.synchronize()
    return made


def whole() -> int:
    """The SMs of the device."""
    return gl.devices()[0].units


def bind(engine: Engine, stream: gl.StreamLike) -> None:
    """As a compiled module's."""
    gl.set_external_stream(Accelerated(engine), {"engine": stream})


def units(engine: Engine, *inputs: Tensor) -> int:
    """How many SMs it runs on when it is called now; fails where its other output is wrong."""
    outputs = run(engine, *inputs)
    if inputs:
        torch.testing.assert_close(outputs[1], inputs[0].to(outputs[1].device) * 2)
    return len(sms_of(outputs[0]))


def units_on(stream: torch.cuda.Stream, engine: Engine, *inputs: Tensor) -> int:
    """The same, called from a stream."""
    with torch.cuda.stream(stream):
        return units(engine, *inputs)


def callers(lanes: dict[str, gl.Lane]) -> list[torch.cuda.Stream]:
    """Streams of every kind."""
    return [torch.cuda.default_stream(), torch.cuda.Stream(), *(lane.torch_stream for lane in lanes.values())]


# Engines that are not bound


def test_an_unbound_engine_takes_all_sms_on_plain_streams(x: Tensor) -> None:
    engine = new_engine()
    assert units(engine, x) == whole()
    assert units_on(torch.cuda.Stream(), engine, x) == whole()


@pytest.mark.parametrize("output_allocator", [False, True])
def test_an_unbound_engine_follows_the_caller(lanes: dict[str, gl.Lane], x: Tensor, output_allocator: bool) -> None:
    """As stock does it."""
    engine = new_engine(output_allocator=output_allocator)
    streams = [lanes[name].torch_stream for name in ("small", "large")]
    assert [units_on(stream, engine, x) for stream in streams * 3] == [24, 40] * 3


def test_unbound_graphs_are_recorded_anew_for_another_stream(lanes: dict[str, gl.Lane], x: Tensor) -> None:
    engine = new_engine()
    small, large = (lanes[name].torch_stream for name in ("small", "large"))
    with graphs(SUBGRAPH):
        used = [units_on(stream, engine, x) for stream in (small, small, large, small, torch.cuda.default_stream())]
    assert used == [24, 24, 40, 24, whole()]


@pytest.mark.parametrize("bound", [False, True])
def test_an_auxiliary_stream_leaves_the_lane(lanes: dict[str, gl.Lane], x: Tensor, bound: bool) -> None:
    """Which is why greenlane warns of it."""
    engine = new_engine(aux=1)
    if bound:
        bind(engine, lanes["small"])
        assert units(engine, x) > 24
    else:
        assert units_on(lanes["small"].torch_stream, engine, x) > 24


def test_passthrough_follows_a_stream_guard(lanes: dict[str, gl.Lane], x: Tensor) -> None:
    """Also for an engine that was bound before; a binding comes first."""
    gl.set_engine_stream_passthrough(True)
    engine = new_engine()
    for _ in range(2):
        assert units_on(lanes["small"].torch_stream, engine, x) == 24
        bind(engine, lanes["large"])
        assert units_on(lanes["small"].torch_stream, engine, x) == 40
        engine.clear_external_stream()


# Engines that are bound


@pytest.mark.parametrize("way", ["facade", "method"])
@pytest.mark.parametrize("output_allocator", [False, True])
def test_bound_engines_stay_in_their_lanes(
    lanes: dict[str, gl.Lane], x: Tensor, way: str, output_allocator: bool
) -> None:
    """Whatever the caller's stream is, and everywhere again when they are let go."""
    first, second = (new_engine(name, output_allocator=output_allocator) for name in ("first", "second"))
    model = Model(first, second)
    if way == "facade":
        gl.set_external_stream(model, {"_run_on_acc_0.engine": lanes["small"], "second": lanes["large"]})
    else:
        first.set_external_stream(lanes["small"].stream)
        second.set_external_stream(lanes["large"].stream)
    assert (first.get_external_stream(), second.get_external_stream()) == (lanes["small"].stream, lanes["large"].stream)
    for stream in callers(lanes):
        with torch.cuda.stream(stream):
            one, two, y = model(x)
            assert (len(sms_of(one)), len(sms_of(two))) == (24, 40)
            assert not sms_of(one) & sms_of(two)
            torch.testing.assert_close(y, 4 * x + 2)
            assert torch.cuda.current_stream() == stream
    first.clear_external_stream()
    assert (units(first, x), units(second, x)) == (whole(), 40)


def test_rebinding_moves_an_engine(lanes: dict[str, gl.Lane], x: Tensor) -> None:
    engine = new_engine()
    for lane in [lanes["small"], lanes["large"]] * 3:
        bind(engine, lane)
        assert units(engine, x) == lane.units


@pytest.mark.parametrize("output_allocator", [False, True])
def test_users_may_ask_for_an_output_allocator(lanes: dict[str, gl.Lane], x: Tensor, output_allocator: bool) -> None:
    engine = new_engine(output_allocator=output_allocator)
    bind(engine, lanes["small"])
    engine.use_output_allocator_outputs = True
    assert [units(engine, x), units(engine, x[:16])] == [24, 24]


def test_resources_may_be_dynamic(lanes: dict[str, gl.Lane], x: Tensor) -> None:
    engine = new_engine()
    bind(engine, lanes["small"])
    for dynamic in (True, False):
        engine.use_dynamically_allocated_resources(dynamic)
        assert units(engine, x) == 24


@pytest.mark.parametrize("bound", [False, True])
def test_a_shape_tensor_says_the_size_of_an_output(lanes: dict[str, gl.Lane], x: Tensor, bound: bool) -> None:
    """The host reads it during the call, however late it was made."""
    engine = new_engine(shape=1)
    if bound:
        bind(engine, lanes["small"])
    n = torch.zeros(1, dtype=torch.int64, device="cuda")
    torch.cuda.synchronize()
    with torch.cuda.stream(torch.cuda.Stream()):
        for size in (512, 700, 512):
            torch.cuda._sleep(SLOW)
            n.fill_(size)
            where, twice = run(engine, x, n)
            assert where.numel() == size
            assert len(sms_of(where)) == (24 if bound else whole())
            torch.testing.assert_close(twice, 2 * x)
        where, _ = run(engine, x, n.cpu())
        assert where.numel() == 512


def test_an_engine_without_inputs(lanes: dict[str, gl.Lane]) -> None:
    engine = new_engine(input=0)
    assert units(engine) == whole()
    for stream in callers(lanes):
        with torch.cuda.stream(stream), gl.set_external_stream(Accelerated(engine), {"engine": lanes["small"]}):
            assert units(engine) == 24
    assert units(engine) == whole()


def test_inputs_on_the_cpu_are_moved(lanes: dict[str, gl.Lane], x: Tensor) -> None:
    """Stock does it."""
    engine = new_engine()
    assert units(engine, x.cpu()) == whole()
    bind(engine, lanes["small"])
    for stream in callers(lanes):
        assert units_on(stream, engine, x.cpu()) == 24


def test_optimization_profiles(lanes: dict[str, gl.Lane], x: Tensor) -> None:
    """One that is chosen by stock, on the lane, and one by the caller, on its own stream."""
    engine = new_engine(profiles="1-16,17-64")
    bind(engine, lanes["small"])
    engine._auto_select_profiles = True
    for size in (64, 8, 64):
        assert units(engine, x[:size]) == 24
    assert engine._active_profile_index == 1
    engine.set_active_profile(0)
    assert units(engine, x[:8]) == 24


def test_an_engine_that_throws_leaves_the_caller_alone(lanes: dict[str, gl.Lane], x: Tensor) -> None:
    """And works afterwards."""
    engine = new_engine(profiles="1-64")
    needs_allocator = new_engine(output_allocator=True)
    for each in (engine, needs_allocator):
        bind(each, lanes["small"])
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        with pytest.raises(RuntimeError, match="Expected input tensors to have type"):
            run(engine, x.double())
        with pytest.raises(RuntimeError, match="The shapes of the inputs"):
            run(engine, torch.ones(65, device="cuda"))
        with graphs(SUBGRAPH), pytest.raises(RuntimeError, match="incompatible with CUDA Graphs"):
            run(needs_allocator, x)
        assert torch.cuda.current_stream() == stream
        assert [units(each, x) for each in (engine, needs_allocator)] == [24, 24]


# Joins: what one test must see fail when an event or a record is taken out. See test_joins for how.


@pytest.fixture
def slow(lanes: dict[str, gl.Lane]) -> Model:
    """Two engines in two lanes, each of which reads and writes a third of a millisecond late: 4 x + 2."""
    first, second = (new_engine(name, blocks=256, hold=300_000) for name in ("first", "second"))
    model = Model(first, second)
    gl.set_external_stream(model, {"first": lanes["small"], "second": lanes["large"]})
    model(constant(0.0))
    torch.cuda.synchronize()
    return model


def constant(value: float) -> Tensor:
    """An input."""
    return torch.full((SIZE,), value, device="cuda")


def spoil_free_memory() -> None:
    """Takes the blocks that were just freed on the current stream, and overwrites them."""
    for _ in range(3):
        constant(-77.0)


def extremes(y: Tensor) -> Tensor:
    """What is wrong anywhere shows in them."""
    return torch.stack([y.min(), y.max()])


def wrong(results: list[Tensor], values: list[float]) -> int:
    """How many results are not 4 x + 2."""
    torch.cuda.synchronize()
    return sum(result.tolist() != [4 * value + 2] * 2 for result, value in zip(results, values, strict=True))


@pytest.mark.parametrize("mode", [0, SUBGRAPH])
@pytest.mark.parametrize("caller", ["default", "plain", "lane"])
def test_a_delayed_producer_is_waited_for(slow: Model, lanes: dict[str, gl.Lane], caller: str, mode: int) -> None:
    """And the input is not overwritten while it is read, and what lies between two engines is kept."""
    stream = {"default": torch.cuda.default_stream(), "plain": torch.cuda.Stream(), "lane": lanes["large"].torch_stream}
    x = constant(0.0)
    torch.cuda.synchronize()
    results = []
    with torch.cuda.stream(stream[caller]), graphs(mode):
        for value in VALUES:
            torch.cuda._sleep(SLOW // 2)
            x.fill_(value)
            results.append(extremes(slow(x)[2]))
            spoil_free_memory()
    assert wrong(results, VALUES) == 0


@pytest.mark.parametrize("step", [1, 2])
def test_the_memory_of_an_input_is_kept(slow: Model, step: int) -> None:
    """It was made on a third stream and is dropped at once; stock makes a copy of one that is not contiguous."""
    producer, caller = torch.cuda.Stream(), torch.cuda.Stream()
    results = []
    for value in VALUES:
        with torch.cuda.stream(producer):
            x = torch.full((SIZE * step,), value, device="cuda")[::step]
        caller.wait_stream(producer)
        with torch.cuda.stream(caller):
            torch.cuda._sleep(SLOW)
            results.append(extremes(slow(x)[2]))
        del x
        with torch.cuda.stream(producer):
            for _ in range(3):
                torch.full((SIZE * step,), -77.0, device="cuda")
        caller.synchronize()
    assert wrong(results, VALUES) == 0


@pytest.mark.parametrize("kind", ["standard", "output allocator", "preallocated"])
def test_the_memory_of_an_output_is_kept(lanes: dict[str, gl.Lane], kind: str) -> None:
    """One caller reads late and has dropped it; another makes the engine write its next output."""
    engine = new_engine(blocks=256, hold=100_000, output_allocator=kind == "output allocator")
    engine.use_pre_allocated_outputs = kind == "preallocated"
    bind(engine, lanes["small"])
    reader, writer = torch.cuda.Stream(), torch.cuda.Stream()
    inputs = {value: constant(value) for value in {*VALUES, 50.0}}
    for _ in range(3):
        run(engine, inputs[50.0])
    torch.cuda.synchronize()
    results = []
    for value in VALUES:
        with torch.cuda.stream(reader):
            y = run(engine, inputs[value])[1]
            if kind != "preallocated":  # its owner is the engine, whose next call overwrites it
                torch.cuda._sleep(3 * SLOW)
            results.append(extremes(2 * y + 2))
        del y
        with torch.cuda.stream(writer):
            if kind == "preallocated":
                writer.wait_stream(reader)
            run(engine, inputs[50.0])
            run(engine, inputs[50.0])
        torch.cuda.synchronize()
    assert wrong(results, VALUES) == 0


def test_preallocated_outputs_are_reused_in_order(lanes: dict[str, gl.Lane]) -> None:
    """Of one caller, who reads each before the next call."""
    engine = new_engine(blocks=256, hold=100_000)
    engine.use_pre_allocated_outputs = True
    bind(engine, lanes["small"])
    x = constant(0.0)
    results, places = [], []
    with torch.cuda.stream(torch.cuda.Stream()):
        for value in VALUES:
            x.fill_(value)
            where, y = run(engine, x)
            torch.cuda._sleep(SLOW // 4)
            results.append(extremes(2 * y + 2))
            places.append(y.data_ptr())
    assert wrong(results, VALUES) == 0
    assert len(set(places[2:])) == 1
    assert len(sms_of(where)) == 24


def test_an_aliased_output_is_the_input(lanes: dict[str, gl.Lane]) -> None:
    """Doubled in place, in the lane, between two writes of the caller's."""
    engine = new_engine(blocks=256, hold=100_000, alias=1)
    bind(engine, lanes["small"])
    x = constant(0.0)
    results = []
    with torch.cuda.stream(torch.cuda.Stream()):
        for value in VALUES:
            torch.cuda._sleep(SLOW // 4)
            x.fill_(value)
            where, y = run(engine, x)
            assert y.data_ptr() == x.data_ptr()
            results.append(extremes(2 * x + 2))
    assert wrong(results, VALUES) == 0
    assert len(sms_of(where)) == 24


def test_after_a_rebind_work_waits_for_the_former_stream(lanes: dict[str, gl.Lane], x: Tensor) -> None:
    """Callers that wait for nobody, and memory of the engine's own, which every call reads and later writes."""
    engine = new_engine(blocks=64, hold=200_000, count=1)
    run(engine, x)
    torch.cuda.synchronize()
    streams = [torch.cuda.Stream(), torch.cuda.Stream()]
    for i in range(ROUNDS):
        bind(engine, lanes["small" if i % 2 else "large"])
        with torch.cuda.stream(streams[i // 2 % 2]):
            count = run(engine, x)[2]
    torch.cuda.synchronize()
    assert count.item() == ROUNDS + 1


def test_threads_may_call_an_engine_while_another_rebinds_it(lanes: dict[str, gl.Lane], x: Tensor) -> None:
    """Each call is in exactly one lane, and none overlaps another."""
    engine = new_engine(count=1)
    bind(engine, lanes["small"])
    run(engine, x)
    seen: set[int] = set()
    counts: list[int] = []
    errors: list[Exception] = []

    def serve(i: int) -> None:
        try:
            with torch.cuda.stream(torch.cuda.Stream()):
                for j in range(50):
                    value = x + 100 * i + j
                    where, twice, count = run(engine, value)
                    assert torch.equal(twice, 2 * value)
                    seen.add(len(sms_of(where)))
                    counts.append(int(count.item()))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=serve, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        bind(engine, lanes["large"])
        bind(engine, lanes["small"])
    for thread in threads:
        thread.join()
    assert not errors
    assert seen <= {24, 40}
    assert sorted(counts) == list(range(2, 202))


def test_calling_does_not_grow_memory(lanes: dict[str, gl.Lane], x: Tensor) -> None:
    """Thousands of calls across streams leave what they found."""
    engine = new_engine(blocks=1, hold=0)
    bind(engine, lanes["small"])

    def calls(count: int) -> None:
        for _ in range(count):
            run(engine, x)
        torch.cuda.synchronize()

    calls(500)
    before, free = torch.cuda.memory_reserved(), torch.cuda.mem_get_info()[0]
    calls(5000)
    assert torch.cuda.memory_reserved() == before
    assert free - torch.cuda.mem_get_info()[0] <= 2 << 20


# Graphs


@pytest.mark.parametrize("mode", [0, WHOLE_GRAPH])
def test_a_graph_of_the_callers_keeps_the_lanes(lanes: dict[str, gl.Lane], mode: int) -> None:
    """Captured as CudaGraphsTorchTensorRTModule does it, and replayed on streams of every kind."""
    model = Model(new_engine("first"), new_engine("second"))
    gl.set_external_stream(model, {"first": lanes["small"], "second": lanes["large"]})
    x = constant(0.0)
    graph = torch.cuda.CUDAGraph()
    with graphs(mode):
        model(x)
        torch.cuda.synchronize()
        with torch.cuda.graph(graph):
            first, second, y = model(x)
    for stream in callers(lanes):
        with torch.cuda.stream(stream):
            for value in (1.0, 2.0, 3.0):
                first.zero_()
                second.zero_()
                torch.cuda._sleep(SLOW)
                x.fill_(value)
                graph.replay()
                assert extremes(y).tolist() == [4 * value + 2] * 2
                assert (len(sms_of(first)), len(sms_of(second))) == (24, 40)


def test_stocks_graphs_follow_a_rebind(lanes: dict[str, gl.Lane], x: Tensor) -> None:
    engine = new_engine()
    with graphs(SUBGRAPH):
        for name in ("small", "large", "small"):
            bind(engine, lanes[name])
            for stream in callers(lanes):
                assert units_on(stream, engine, x) == lanes[name].units
        engine.clear_external_stream()
        assert units(engine, x) == whole()


def test_stocks_graphs_notice_a_new_stream_with_an_old_handle(x: Tensor) -> None:
    """The driver gives it out again, and stock knows streams by their handles."""
    try:
        small, large = GreenContext(24), GreenContext(40)
    except RuntimeError as error:
        pytest.skip(f"no green contexts: {error}")
    engine = new_engine()
    old = small.new_stream()
    with graphs(SUBGRAPH):
        engine.set_external_stream(old)
        assert [units(engine, x.clone()) for _ in range(3)] == [24, 24, 24]
        # PyTorch's allocator must have done with it before it goes.
        engine.clear_external_stream()
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        destroy(old)
        others = [large.new_stream()]
        while others[-1] != old and len(others) < 200:
            others.append(large.new_stream())
        if others[-1] != old:
            pytest.skip("no handle came back")
        engine.set_external_stream(old)
        assert [units(engine, x.clone()) for _ in range(3)] == [40, 40, 40]
        engine.clear_external_stream()
    torch.cuda.synchronize()


# Where engines are, and how long they live


class Forms:
    """What a model becomes."""

    @staticmethod
    def scripted(model: nn.Module) -> nn.Module:
        """Torch-TensorRT's older output format."""
        script: nn.Module = torch.jit.script(model)
        return script

    @staticmethod
    def traced(model: nn.Module) -> nn.Module:
        """What torch_tensorrt.save makes of that format."""
        script: nn.Module = torch.jit.trace(model, torch.ones(64, device="cuda"), check_trace=False)
        return script

    @staticmethod
    def script_reloaded(script: nn.Module) -> nn.Module:
        """Saved and loaded."""
        file = io.BytesIO()
        torch.jit.save(script, file)
        file.seek(0)
        loaded: nn.Module = torch.jit.load(file)
        return loaded

    @staticmethod
    def exported(model: nn.Module) -> ExportedProgram:
        """Its newer one."""
        load_for_export()
        return torch.export.export(model, (torch.ones(64, device="cuda"),), strict=False)

    @staticmethod
    def reloaded(program: ExportedProgram) -> ExportedProgram:
        """Saved and loaded."""
        file = io.BytesIO()
        torch.export.save(program, file)
        file.seek(0)
        return torch.export.load(file)


FORMS: dict[str, Callable[[nn.Module], Any]] = {
    "module": lambda model: model,
    "script": Forms.scripted,
    "saved script": lambda model: Forms.script_reloaded(Forms.scripted(model)),
    "saved trace": lambda model: Forms.script_reloaded(Forms.traced(model)),
    "program": Forms.exported,
    "program's module": lambda model: Forms.exported(model).module(),
    "saved program": lambda model: Forms.reloaded(Forms.exported(model)),
    "saved program's module": lambda model: Forms.reloaded(Forms.exported(model)).module(),
}


@pytest.mark.filterwarnings("ignore:.*torch.jit.*deprecated")
@pytest.mark.parametrize("kind", [Model, Inlined])
@pytest.mark.parametrize("form", FORMS)
def test_engines_in_models_of_every_form(
    lanes: dict[str, gl.Lane], x: Tensor, kind: type[Model] | type[Inlined], form: str
) -> None:
    """Bound by their names, and let go."""
    root = FORMS[form](kind(new_engine("first"), new_engine("second")))
    called = root.module() if isinstance(root, ExportedProgram) else root

    def used() -> tuple[int, int]:
        first, second, y = called(x)
        torch.testing.assert_close(y, 4 * x + 2)
        return len(sms_of(first)), len(sms_of(second))

    assert used() == (whole(), whole())
    with gl.set_external_stream(root, {"first": lanes["small"], "second": lanes["large"]}):
        for stream in callers(lanes):
            with torch.cuda.stream(stream):
                assert used() == (24, 40)
    assert used() == (whole(), whole())


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether it comes true within a second."""
    end = time.monotonic() + 1
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def test_an_engine_that_goes_while_it_is_bound_gives_back_memory_and_lane(x: Tensor) -> None:
    most = whole() - 28
    engine = new_engine(memory=1 << 30)
    bind(engine, gl.partition("cuda:0", {"mine": most})["mine"])
    assert units(engine, x) == most
    free = torch.cuda.mem_get_info()[0]
    with pytest.raises(RuntimeError, match="'mine' holds"):
        gl.partition("cuda:0", {"other": most})
    del engine

    def is_free() -> bool:
        try:
            return gl.partition("cuda:0", {"other": most})["other"].units == most
        except RuntimeError:
            return False

    assert eventually(is_free)
    assert eventually(lambda: torch.cuda.mem_get_info()[0] > free + (1 << 29))


@pytest.mark.parametrize("order", ["import greenlane as gl; load()", "load(); import greenlane as gl"])
def test_either_library_may_be_loaded_first(order: str) -> None:
    code = f"""
import sys
sys.path.insert(0, {str(HERE)!r})
import torch
from tensorrt_runtime import Accelerated, load, new_engine, run
from where import sms_of
{order}
engine = new_engine()
lane = gl.partition("cuda:0", {{"lane": 24}})["lane"]
engine.set_external_stream(lane.stream)
print(len(sms_of(run(engine, torch.zeros(1, device="cuda"))[0])))
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(gl.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stdout) == (0, "24\n"), done.stderr


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="one GPU here")
def test_engines_on_two_gpus() -> None:
    """Each on its own, whatever the current device is."""
    model = Model(new_engine("first", device=0), new_engine("second", device=1))
    lanes = [gl.partition(f"cuda:{i}", {"lane": size})["lane"] for i, size in enumerate((16, 48))]
    gl.set_external_stream(model, {"first": lanes[0], "second": lanes[1]})
    assert torch.cuda.current_device() == 0
    one, y = model._run_on_acc_0(torch.ones(8, device="cuda:0"))
    two, z = model._run_on_acc_1(torch.ones(8, device="cuda:1"))
    assert (y.device.index, z.device.index) == (0, 1)
    assert (len(sms_of(one)), len(sms_of(two))) == (16, 48)
    assert torch.cuda.current_device() == 0
