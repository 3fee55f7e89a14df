"""Joins of calls of Torch-TensorRT engines on lanes: with the caller's work, and with each other."""

import threading

import greenlane as gl
import pytest
import torch
from tensorrt_checks import MARKS, SIZE, SLOW, bind, constant, extremes
from tensorrt_runtime import SUBGRAPH, Model, graphs, new_engine, run
from torch import Tensor
from where import sms_of

pytestmark = MARKS

ROUNDS = 200
VALUES = [float(i % 7 + 1) for i in range(ROUNDS)]

# Joins. Each event and each record has a test that must fail without it. See test_joins for the method.


@pytest.fixture
def slow(lanes: dict[str, gl.Lane]) -> Model:
    """Two engines in two lanes, each of which reads and writes a third of a millisecond late. The result is 4 x + 2."""
    first, second = (new_engine(name, blocks=256, hold=300_000) for name in ("first", "second"))
    model = Model(first, second)
    gl.set_external_stream(model, {"first": lanes["small"], "second": lanes["large"]})
    model(constant(0.0))
    torch.cuda.synchronize()
    return model


def spoil_free_memory() -> None:
    """Takes the blocks that were just freed on the current stream, and overwrites them."""
    for _ in range(3):
        constant(-77.0)


def wrong(results: list[Tensor], values: list[float]) -> int:
    """Returns how many results are not 4 x + 2."""
    torch.cuda.synchronize()
    return sum(result.tolist() != [4 * value + 2] * 2 for result, value in zip(results, values, strict=True))


@pytest.mark.parametrize("mode", [0, SUBGRAPH])
@pytest.mark.parametrize("caller", ["default", "plain", "lane"])
def test_an_engine_waits_for_a_delayed_producer(slow: Model, lanes: dict[str, gl.Lane], caller: str, mode: int) -> None:
    """The input is not overwritten while it is read, and the tensor between the two engines is kept."""
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
    """The input was made on a third stream, and is dropped at once. Stock Torch-TensorRT copies a strided input."""
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
    """One caller reads late and has dropped the output. Another one makes the engine write its next output."""
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
            if kind != "preallocated":  # the engine owns a preallocated output, and its next call overwrites it
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
    """One caller reads each output before its next call."""
    engine = new_engine(blocks=256, hold=100_000)
    engine.use_pre_allocated_outputs = True
    bind(engine, lanes["small"])
    x = constant(0.0)
    results, addresses = [], []
    with torch.cuda.stream(torch.cuda.Stream()):
        for value in VALUES:
            x.fill_(value)
            where, y = run(engine, x)
            torch.cuda._sleep(SLOW // 4)
            results.append(extremes(2 * y + 2))
            addresses.append(y.data_ptr())
    assert wrong(results, VALUES) == 0
    assert len(set(addresses[2:])) == 1
    assert len(sms_of(where)) == 24


def test_an_aliased_output_is_the_input(lanes: dict[str, gl.Lane]) -> None:
    """The engine doubles the tensor in place, in the lane, between two writes of the caller's."""
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


def test_a_rebound_engine_waits_for_the_former_stream(lanes: dict[str, gl.Lane], x: Tensor) -> None:
    """The callers wait for nobody, and every call reads the engine's own memory and writes it later."""
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


def test_threads_may_call_an_engine_during_rebinds(lanes: dict[str, gl.Lane], x: Tensor) -> None:
    """Each call runs in exactly one lane, and no two calls overlap."""
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


def test_calls_do_not_leak_memory(lanes: dict[str, gl.Lane], x: Tensor) -> None:
    """Thousands of calls across streams leave no memory in use."""
    engine = new_engine(blocks=1, hold=0)
    bind(engine, lanes["small"])

    def calls(count: int) -> None:
        for _ in range(count):
            run(engine, x)
        torch.cuda.synchronize()

    def free() -> int:
        # The allocator keeps more memory if the host gets further ahead of the device than before.
        return torch.cuda.mem_get_info()[0] + torch.cuda.memory_reserved()

    calls(500)
    allocated, before = torch.cuda.memory_allocated(), free()
    calls(5000)
    assert torch.cuda.memory_allocated() == allocated
    assert before - free() <= 2 << 20
