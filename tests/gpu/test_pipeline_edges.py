"""Data that flows through a pipeline on a GPU: every value is whole, and belongs to the item that it says."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import greenlane as gl
import pytest
import torch
from graph_checks import Where, number
from torch import Tensor, nn
from where import sms_of

LONG = 60.0
SIZE = 150_000
X = torch.zeros(SIZE)
CAMERA = "device = 'cuda:0'\n[source.camera]\nrate_hz = 1000\n"
BLOCKING = "{{ output = '{}', queue = 8, overflow = 'block' }}"


class Stamps(nn.Module):
    """Adds a number to a tensor whose elements are all alike; a torn one gives NaN. Works for a while in between."""

    def __init__(self, add: float, size: int = 64) -> None:
        super().__init__()
        self.add = add
        self.weight = nn.Buffer(torch.eye(size))

    def forward(self, x: Tensor) -> Tensor:
        """Returns the sum."""
        work: Tensor = self.weight
        for _ in range(4):
            work = work @ self.weight
        whole = torch.where((x == x[0]).all(), 0.0, float("nan"))
        return x + (self.add * work[0, 0] + whole)


class Joins(nn.Module):
    """Joins two tensors; the first output is 0 everywhere if they belong to one item."""

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the difference and the sum."""
        return (x - y).abs(), x + y


class Adds(nn.Module):
    """Adds its input to its last result."""

    def forward(self, x: Tensor, last: Tensor) -> Tensor:
        """Returns the sum, small enough to stay exact."""
        return torch.remainder(x + last, 1024)


class Spoils(nn.Module):
    """Overwrites its input."""

    def forward(self, x: Tensor) -> Tensor:
        """Returns its input, which is 0 now."""
        return x.zero_()


Net = Callable[..., gl.Pipeline]


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Net]:
    """Opens pipelines of modules whose inputs are all like X."""
    opened: list[gl.Pipeline] = []

    def opens(modules: dict[str, tuple[nn.Module, str]], more: str = "", **options: Any) -> gl.Pipeline:
        tables = [CAMERA]
        for name, (module, keys) in modules.items():
            count = 2 if isinstance(module, (Joins, Adds)) else 1
            torch.save([X] * count, tmp_path / f"{name}.inputs.pt")
            tables.append(f"[engine.{name}]\nmodule = '{name}'\ninputs = '{name}.inputs.pt'\n{keys}\n")
        file = tmp_path / "net.toml"
        file.write_text("".join(tables) + more)
        pipeline = gl.Pipeline(file, modules={name: module.cuda() for name, (module, _) in modules.items()}, **options)
        opened.append(pipeline)
        return pipeline

    yield opens
    for pipeline in opened:
        pipeline.close()


def item(number: int) -> Tensor:
    """Returns an item in pageable memory, whose elements are all alike."""
    return torch.full((SIZE,), float(number % 512))


def value_of(result: Tensor) -> float:
    """Returns the value of all elements; they must be alike."""
    low, high = result.aminmax()
    assert low.item() == high.item()
    return float(low.item())


def lanes(*names: str) -> str:
    """Returns lanes of their own for these engines."""
    return "".join(f"[lane.{name}]\nunits = 32\n" for name in names)


@pytest.mark.parametrize("kind", ["pageable", "pinned", "device"])
def test_a_chain_of_three_keeps_every_item(net: Net, kind: str) -> None:
    queue = BLOCKING.format
    pipeline = net(
        {
            "a": (Stamps(1), f"from = {queue('camera')}\non = 'camera'"),
            "b": (Stamps(2, size=512), f"from = {queue('a')}\non = 'a'"),
            "c": (Stamps(4), f"from = {queue('b')}\non = 'b'\n"),
            "check": (Adds(), f"from = [{queue('c')}, {{ output = 'check', initial = 'zeros' }}]\non = 'c'"),
        },
        lanes("a", "b", "c"),
    )
    pipeline.start()
    source, sink = pipeline.source("camera"), pipeline.sink("check")
    count = 2000
    memory = item(0).pin_memory() if kind == "pinned" else item(0)
    for i in range(count):
        if kind == "device":
            source.publish(torch.full((SIZE,), float(i % 512), device="cuda")).wait_until_copied()
        else:
            memory.fill_(float(i % 512))
            source.publish(memory).wait_until_copied()
    while (result := sink.wait(LONG)).sequence < count:
        pass
    assert result.items[0].sequence == count
    # A sum of all items: one that was lost, doubled or mixed would show.
    assert value_of(result.outputs) == sum(i % 512 + 7 for i in range(count)) % 1024
    edges = [pipeline.stats().engines[name].edges[producer] for name, producer in (("b", "a"), ("c", "b"))]
    assert [(edge.taken, edge.dropped, edge.rejected) for edge in edges] == [(count, 0, 0)] * 2


def test_a_diamond_joins_one_item(net: Net) -> None:
    pipeline = net(
        {
            "slow": (Stamps(1, size=1024), f"from = {BLOCKING.format('camera')}\non = 'camera'"),
            "fast": (Stamps(1), f"from = {BLOCKING.format('camera')}\non = 'camera'"),
            "join": (Joins(), f"from = [{BLOCKING.format('slow')}, {BLOCKING.format('fast')}]\non = ['slow', 'fast']"),
            "all": (
                Adds(),
                "from = [{ output = 'join.0', queue = 8, overflow = 'block' }, "
                "{ output = 'all', initial = 'zeros' }]\non = 'join'",
            ),
        },
        lanes("slow", "fast"),
    )
    pipeline.start()
    source, sink = pipeline.source("camera"), pipeline.sink("all")
    for i in range(1000):
        source.publish(item(i))
    while (result := sink.wait(LONG)).sequence < 1000:
        pass
    assert value_of(result.outputs) == 0
    assert value_of(pipeline.sink("join").wait(LONG).outputs[1]) == 2 * (999 % 512 + 1)


def test_three_consumers_of_the_newest_value_see_whole_values_in_order(net: Net) -> None:
    latest = "from = 'producer'\non = 'producer'"
    pipeline = net(
        {
            "producer": (Stamps(0), "from = 'camera'\non = 'camera'"),
            "one": (Stamps(1), latest),
            "two": (Stamps(2, size=512), latest),
            "three": (Stamps(3, size=2048), latest),
        },
        lanes("one", "two", "three"),
    )
    pipeline.start()
    source = pipeline.source("camera")
    sinks = {i + 1: pipeline.sink(name) for i, name in enumerate(("one", "two", "three"))}
    seen = dict.fromkeys(sinks, 0)
    for i in range(500):
        source.publish(item(i))
        for add, sink in sinks.items():
            result = sink.latest()
            if result is None:
                continue
            (stamp,) = result.items
            assert stamp.sequence >= seen[add]
            seen[add] = stamp.sequence
            assert value_of(result.outputs) == (stamp.sequence - 1) % 512 + add
    for add, sink in sinks.items():
        last = sink.latest()  # it may have the last item already, and wait() returns a newer one only
        while last is None or last.items[0].sequence < 500:
            last = sink.wait(LONG)
        assert value_of(last.outputs) == 499 % 512 + add


def test_a_fast_consumer_of_a_slow_producer_reads_whole_values(net: Net) -> None:
    pipeline = net(
        {
            "slow": (Stamps(1, size=2048), "from = 'camera'\non = 'camera'"),
            "fast": (Stamps(2), "from = 'slow'\nrate_hz = 1000"),
        },
        lanes("slow", "fast"),
    )
    pipeline.start()
    source, sink = pipeline.source("camera"), pipeline.sink("fast")
    for i in range(300):
        source.publish(item(i))
        time.sleep(0.001)
        if (result := sink.latest()) is not None:
            assert value_of(result.outputs) == (result.items[0].sequence - 1) % 512 + 3
    fast = pipeline.stats().engines["fast"]
    assert fast.figures.runs > fast.edges["slow"].taken > 10


def test_feedback_keeps_its_state_until_a_reset(net: Net) -> None:
    pipeline = net(
        {
            "sum": (
                Adds(),
                f"from = [{BLOCKING.format('camera')}, {{ output = 'sum', initial = 'zeros' }}]\non = 'camera'",
            )
        }
    )
    pipeline.start()
    source, sink = pipeline.source("camera"), pipeline.sink("sum")
    for i in range(1000):
        source.publish(item(i))
    while (result := sink.wait(LONG)).sequence < 1000:
        pass
    assert value_of(result.outputs) == sum(i % 512 for i in range(1000)) % 1024
    pipeline.reset()
    source.publish(item(5))
    assert value_of(sink.wait(LONG).outputs) == 5


def test_a_consumer_that_overwrites_its_input_disturbs_nobody(net: Net) -> None:
    pipeline = net(
        {
            "spoils": (Spoils(), "from = 'camera'\non = 'camera'"),
            "keeps": (Stamps(1), f"from = {BLOCKING.format('camera')}\non = 'camera'"),
        }
    )
    pipeline.start()
    source, sink = pipeline.source("camera"), pipeline.sink("keeps")
    for i in range(100):
        source.publish(item(i))
        result = sink.wait(LONG)
        assert value_of(result.outputs) == (result.items[0].sequence - 1) % 512 + 1


def test_device_data_is_read_behind_the_callers_stream(net: Net) -> None:
    pipeline = net({"a": (Stamps(0), "from = 'camera'\non = 'camera'")})
    pipeline.start()
    source, sink = pipeline.source("camera"), pipeline.sink("a")
    stream = torch.cuda.Stream()
    x = torch.zeros(SIZE, device="cuda")
    torch.cuda.synchronize()
    for i in range(20):
        with torch.cuda.stream(stream):
            torch.cuda._sleep(2_000_000)
            x.fill_(float(i + 1))
            published = source.publish(x)
        result = sink.wait(LONG)
        assert value_of(result.outputs) == i + 1
        published.wait_until_copied()


def test_results_are_copies_on_the_callers_stream(net: Net) -> None:
    pipeline = net({"a": (Stamps(0), "from = 'camera'\non = 'camera'")})
    pipeline.start()
    source, sink = pipeline.source("camera"), pipeline.sink("a")
    kept = []
    stream = torch.cuda.Stream()
    for i in range(20):
        source.publish(item(i))
        with torch.cuda.stream(stream):
            torch.cuda._sleep(2_000_000)  # the copies come late, and the engine goes on
            kept.append(sink.wait(LONG).outputs)
    stream.synchronize()
    assert [value_of(result) for result in kept] == [float(i) for i in range(20)]


def test_engines_with_edges_stay_on_their_lanes(tmp_path: Path) -> None:
    torch.save([number()], tmp_path / "inputs.pt")
    file = tmp_path / "net.toml"
    file.write_text(
        f"{CAMERA}[engine.net]\nmodule = 'net'\ninputs = 'inputs.pt'\nfrom = 'camera'\non = 'camera'\n"
        "[lane.net]\nunits = 64\n"
    )
    with gl.Pipeline(file, modules={"net": Where().cuda()}) as pipeline:
        pipeline.start()
        source, sink = pipeline.source("camera"), pipeline.sink("net")
        used = set()
        for _ in range(3):
            source.publish(number())
            used |= sms_of(sink.wait(LONG).outputs)
        assert len(used) == pipeline["net"].lane.units


def test_an_urgent_consumer_passes_through_the_gates(net: Net) -> None:
    pipeline = net(
        {
            "urgent": (Stamps(1), "from = 'camera'\non = 'camera'\ndeadline_ms = 50"),
            "bulk": (Stamps(2, size=2048), ""),
        },
        mode="gates",
    )
    pipeline.start()
    source, sink = pipeline.source("camera"), pipeline.sink("urgent")
    for i in range(50):
        bulk = pipeline["bulk"].submit(item(i).cuda())
        source.publish(item(i))
        assert value_of(sink.wait(LONG).outputs) == i + 1
        assert value_of(bulk.result(LONG)) == i + 2
    gate = pipeline.stats().devices["cuda:0"].gate
    assert gate is not None
    assert gate.passes >= 50
