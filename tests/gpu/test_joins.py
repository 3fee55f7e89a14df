"""Joins: a bound engine waits for its caller's earlier work, later work waits for the engine, and memory is kept.

The caching allocator is under pressure: freed memory is given out again and overwritten at once. Each of these tests
was seen to fail without the one event or record that it tests: see tools/mutants.py.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import greenlane as gl
import pytest
import torch
from export_models import Chain
from torch import Tensor, nn

ROUNDS = 40
SIZE = 2048
SLOW = 2_000_000  # clock cycles: about a millisecond

Engine = Callable[[Tensor], Tensor]
"""Takes an input of the constant v, and gives v to the 8th everywhere, after about a millisecond."""


@pytest.fixture(params=["package", "module", "package with graphs", "module with graphs"])
def engine(request: pytest.FixtureRequest, models: Path) -> Iterator[gl.Engine | nn.Module]:
    """An engine of each kind, on 16 SMs, enqueued kernel by kernel or replayed."""
    kind, _, graphs = request.param.partition(" with ")
    choice: gl.Graphs = "resident" if graphs else "off"
    made: nn.Module = gl.load(models / "chain.pt2", graphs=choice) if kind == "package" else Chain().cuda()
    gl.set_external_stream(made, lane(16), graphs=choice if kind == "module" else "off")
    for _ in range(3):
        made(constant(1.0))
    torch.cuda.synchronize()
    yield made
    torch.cuda.synchronize()
    gl.clear_external_stream(made)


def lane(units: int) -> gl.Lane:
    """Returns a lane on a partition of its own."""
    return gl.partition("cuda:0", {"lane": units})["lane"]


def constant(value: float) -> Tensor:
    """Returns an input."""
    return torch.full((SIZE, SIZE), value, dtype=torch.float16, device="cuda")


def delay(milliseconds: int = 1) -> None:
    """Keeps the current stream busy."""
    torch.cuda._sleep(milliseconds * SLOW)


def spoil_free_memory() -> None:
    """Takes the blocks that were just freed on the current stream, and overwrites them."""
    for _ in range(3):
        constant(77.0)


def extremes(y: Tensor) -> Tensor:
    """Returns the least and the greatest element, which show any wrong element."""
    return torch.stack([y.min(), y.max()])


def wrong(results: list[Tensor], values: list[float]) -> int:
    """Returns how many results are not the 8th power of their inputs."""
    torch.cuda.synchronize()
    return sum(
        not torch.allclose(result.float().cpu(), torch.full((2,), value**8), rtol=2e-2, atol=1e-4)
        for result, value in zip(results, values, strict=True)
    )


VALUES = [1.0 if i % 2 else 0.5 for i in range(ROUNDS)]


def test_an_engine_waits_for_a_delayed_producer(engine: Engine) -> None:
    """Inputs are made late on the caller's stream."""
    x = constant(0.0)
    torch.cuda.synchronize()
    results = []
    with torch.cuda.stream(torch.cuda.Stream()):
        for value in VALUES:
            delay()
            x.fill_(value)
            results.append(extremes(engine(x)))
    assert wrong(results, VALUES) == 0


def test_the_caller_waits_for_the_results(engine: Engine) -> None:
    """The caller reads at once, and the engine takes a millisecond."""
    inputs = {value: constant(value) for value in set(VALUES)}
    torch.cuda.synchronize()
    results = []
    with torch.cuda.stream(torch.cuda.Stream()):
        for value in VALUES:
            results.append(extremes(engine(inputs[value])))
            torch.cuda.current_stream().synchronize()
    assert wrong(results, VALUES) == 0


def test_the_memory_of_an_input_is_kept(engine: Engine) -> None:
    """The input was made on a third stream and is dropped at once, and its owner's stream waits for nobody."""
    producer, caller = torch.cuda.Stream(), torch.cuda.Stream()
    results = []
    for value in VALUES:
        with torch.cuda.stream(producer):
            x = constant(value)
        caller.wait_stream(producer)
        with torch.cuda.stream(caller):
            delay(2)
            y = engine(x)
            results.append(extremes(y))
        del x, y
        with torch.cuda.stream(producer):
            spoil_free_memory()
        caller.synchronize()
    assert wrong(results, VALUES) == 0


def test_the_memory_of_an_output_is_kept(engine: Engine) -> None:
    """One caller reads late and has dropped the output. Another one makes the engine write its next output."""
    reader, writer = torch.cuda.Stream(), torch.cuda.Stream()
    inputs = {value: constant(value) for value in (0.5, 0.9, 1.0)}
    torch.cuda.synchronize()
    results = []
    for value in VALUES:
        with torch.cuda.stream(reader):
            y = engine(inputs[value])
            delay(8)
            results.append(extremes(y))
        del y
        with torch.cuda.stream(writer):
            engine(inputs[0.9])
            engine(inputs[0.9])
        torch.cuda.synchronize()
    assert wrong(results, VALUES) == 0


class Counter(nn.Module):
    """A module that owns memory. Every call reads it, and writes it a millisecond later."""

    def __init__(self) -> None:
        super().__init__()
        self.total = nn.Buffer(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """Adds x to the total, and returns the total before that."""
        before = self.total.clone()
        delay()
        self.total.copy_(before + x)
        return before


def test_a_rebound_engine_waits_for_the_former_stream() -> None:
    """Two callers wait for nobody, and the engine has its own memory."""
    lanes = [lane(16), lane(16)]
    callers = [torch.cuda.Stream(), torch.cuda.Stream()]
    counter = Counter().cuda()
    one = torch.ones(1, device="cuda")
    torch.cuda.synchronize()
    for i in range(ROUNDS):
        gl.set_external_stream(counter, lanes[i % 2])
        with torch.cuda.stream(callers[i % 2]):
            counter(one)
    torch.cuda.synchronize()
    assert counter.total.item() == ROUNDS


def test_consecutive_engines_on_two_lanes_are_ordered(models: Path) -> None:
    """The output of one is the input of the next, on another lane."""
    first = gl.load(models / "chain.pt2", lane=lane(16))
    second = gl.load(models / "chain.pt2", lane=lane(64))
    x = constant(0.98)
    results = []
    for _ in range(ROUNDS):
        middle = first(x)
        results.append(extremes(second(middle)))
        del middle
        spoil_free_memory()
    torch.cuda.synchronize()
    for result in results:
        torch.testing.assert_close(result.float(), torch.full_like(result, 0.98**64).float(), rtol=5e-2, atol=0)


def test_calls_do_not_leak_memory(models: Path) -> None:
    """Thousands of calls across streams leave no memory in use."""
    engine = gl.load(models / "affine.pt2", lane=lane(16))
    x = torch.zeros(256, device="cuda")

    def calls(count: int) -> None:
        for _ in range(count):
            engine(x)
        torch.cuda.synchronize()

    def free() -> int:
        # The allocator keeps more memory if the host gets further ahead of the device than before.
        return torch.cuda.mem_get_info()[0] + torch.cuda.memory_reserved()

    calls(500)
    allocated, before = torch.cuda.memory_allocated(), free()
    calls(5000)
    assert torch.cuda.memory_allocated() == allocated
    assert before - free() <= 2 << 20
