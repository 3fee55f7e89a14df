"""Joins: a bound engine waits for its caller's earlier work, and the caller's later work for the engine.

Both with the caching allocator under pressure: memory that is freed is given out again and overwritten at once.
"""

from pathlib import Path

import greenlane as gl
import torch

ROUNDS = 60
SIZE = 2048
SLOW = 2_000_000  # clock cycles: about a millisecond


def delay() -> None:
    """Keeps the current stream busy for about a millisecond."""
    torch.cuda._sleep(SLOW)


def overwrite_free_memory() -> None:
    """Takes the blocks that were just freed, and spoils them, on the caller's stream."""
    for _ in range(3):
        torch.full((SIZE, SIZE), 77.0, dtype=torch.float16, device="cuda")


def chain(models: Path, units: int = 16) -> gl.Engine:
    """On an input of the constant v: v to the 8th everywhere."""
    return gl.load(models / "chain.pt2", lane=gl.partition("cuda:0", {"lane": units})["lane"])


def test_a_delayed_producer_is_waited_for_and_its_memory_is_kept(models: Path) -> None:
    """Inputs are made late on the caller's stream, and dropped at once."""
    engine = chain(models)
    stream = torch.cuda.Stream()
    wrong = 0
    with torch.cuda.stream(stream):
        for i in range(ROUNDS):
            value = 1.0 if i % 2 else 0.5
            x = torch.zeros(SIZE, SIZE, dtype=torch.float16, device="cuda")
            delay()
            x.fill_(value)
            y = engine(x)
            del x  # its memory may be given out now, but not used before the engine has read it
            overwrite_free_memory()
            wrong += not torch.allclose(y, torch.full_like(y, value**8), rtol=1e-2)
    assert wrong == 0


def test_a_delayed_consumer_sees_whole_results(models: Path) -> None:
    """Outputs are read late on the caller's stream, and dropped at once."""
    engine = chain(models)
    stream = torch.cuda.Stream()
    results = []
    ones = torch.ones(SIZE, SIZE, dtype=torch.float16, device="cuda")
    halves = ones / 2
    torch.cuda.synchronize()
    with torch.cuda.stream(stream):
        for i in range(ROUNDS):
            y = engine(ones if i % 2 else halves)
            delay()
            results.append(torch.stack([y.min(), y.max()]))
            del y  # the engine's next output may take its memory, but not before it was read
            engine(halves if i % 2 else ones)
    for i, result in enumerate(results):
        expected = 1.0 if i % 2 else 0.5**8
        torch.testing.assert_close(result.cpu().float(), torch.full((2,), expected), rtol=1e-2, atol=1e-4)


def test_two_engines_in_a_row_are_ordered(models: Path) -> None:
    """The output of one is the input of the next, on another lane."""
    lanes = gl.partition("cuda:0", {"first": 16, "second": 64})
    first = gl.load(models / "chain.pt2", lane=lanes["first"])
    second = gl.load(models / "chain.pt2", lane=lanes["second"])
    x = torch.full((SIZE, SIZE), 0.98, dtype=torch.float16, device="cuda")
    results = []
    for _ in range(ROUNDS):
        middle = first(x)
        results.append(second(middle))
        del middle
        overwrite_free_memory()
    for result in results:
        torch.testing.assert_close(result.float(), torch.full_like(result, 0.98**64).float(), rtol=5e-2, atol=0)


def test_calling_does_not_grow_memory(models: Path) -> None:
    """Thousands of calls across streams leave what they found."""
    engine = gl.load(models / "affine.pt2", lane=gl.partition("cuda:0", {"lane": 16})["lane"])
    x = torch.zeros(256, device="cuda")

    def calls(count: int) -> None:
        for _ in range(count):
            engine(x)
        torch.cuda.synchronize()

    calls(500)
    before = torch.cuda.memory_reserved()
    free = torch.cuda.mem_get_info()[0]
    calls(5000)
    assert torch.cuda.memory_reserved() == before
    assert free - torch.cuda.mem_get_info()[0] <= 2 << 20
