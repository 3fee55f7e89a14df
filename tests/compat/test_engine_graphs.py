"""Stock Torch-TensorRT's own CUDA graphs (mode SUBGRAPH): no graph outlives a change of a binding.

All streams look alike to the stand-in, as two streams do to stock Torch-TensorRT if the driver has given both the same
handle. A graph runs where it was recorded, so an engine reports the thread of the recording.
"""

import threading
from collections.abc import Iterator

import greenlane as gl
import pytest
import torch
from python.probes import CALLER, lane_of
from torch import nn

from compat.stand_in import (
    STANDARD,
    SUBGRAPH,
    WHOLE_GRAPH,
    Accelerated,
    Engine,
    Model,
    graphs,
    lanes_of,
    new_engine,
    run,
    where,
)


@pytest.fixture
def _subgraph() -> Iterator[None]:
    with graphs(SUBGRAPH):
        yield


pytestmark = pytest.mark.usefixtures("_subgraph")


def locations(engine: Engine) -> list[str]:
    """Returns where three calls run: the first drops the graph, the second records, the third replays."""
    return [where(engine) for _ in range(3)]


def test_the_stand_in_replays_graphs() -> None:
    """Shows that the stand-in replays graphs; otherwise the other tests would prove nothing."""
    engine = new_engine()
    seen: list[int] = []
    thread = threading.Thread(target=lambda: seen.append(run(engine, torch.ones(3))))
    thread.start()
    thread.join()
    assert run(engine, torch.ones(3)) == seen[0] != threading.get_native_id()


def test_a_bound_engine_follows_every_change(a: gl.Lane, b: gl.Lane) -> None:
    engine = new_engine()
    root = Accelerated(engine)
    assert locations(engine) == [CALLER] * 3
    for lane in (a, b, a):
        gl.set_external_stream(root, {"engine": lane})
        assert locations(engine) == [lane.name] * 3
        engine.clear_external_stream()
        assert locations(engine) == [CALLER] * 3


def test_a_cleared_engine_replays_no_graph_of_the_lane(a: gl.Lane) -> None:
    engine = new_engine()
    with gl.set_external_stream(Accelerated(engine), {"engine": a}):
        assert locations(engine) == ["a"] * 3
    assert where(engine) == CALLER


def test_a_bound_engine_replays_no_unbound_graph(a: gl.Lane) -> None:
    """The graphs of unbound calls were recorded between two bindings."""
    engine = new_engine()
    root = Accelerated(engine)
    for _ in range(2):
        with gl.set_external_stream(root, {"engine": a}):
            assert where(engine) == "a"
        assert locations(engine) == [CALLER] * 3
    gl.set_external_stream(root, {"engine": a})
    assert where(engine) == "a"


def test_a_failed_call_does_not_replay_an_old_graph_later(a: gl.Lane, b: gl.Lane) -> None:
    engine = new_engine()
    root = Accelerated(engine)
    gl.set_external_stream(root, {"engine": a})
    assert locations(engine) == ["a"] * 3
    gl.set_external_stream(root, {"engine": b})
    with pytest.raises(RuntimeError, match="unlucky"):
        run(engine, torch.ones(13))
    assert locations(engine) == ["b"] * 3


@pytest.mark.parametrize("mode", [STANDARD, WHOLE_GRAPH])
def test_a_rebind_in_another_mode_takes_effect(a: gl.Lane, b: gl.Lane, mode: int) -> None:
    engine = new_engine()
    root = Accelerated(engine)
    gl.set_external_stream(root, {"engine": a})
    assert locations(engine) == ["a"] * 3
    with graphs(mode):
        gl.set_external_stream(root, {"engine": b})
    torch.ops.tensorrt.set_cudagraphs_mode(SUBGRAPH)
    assert locations(engine) == ["b"] * 3


def test_every_engine_of_a_model_follows_a_rebind(a: gl.Lane, b: gl.Lane) -> None:
    model = Model()
    for first, second in ((a, b), (b, a), (a, a)):
        gl.set_external_stream(model, {"first": first, "second": second})
        assert [lanes_of(model) for _ in range(3)] == [(first.name, second.name)] * 3
    gl.clear_external_stream(model)
    assert [lanes_of(model) for _ in range(3)] == [(CALLER, CALLER)] * 3


class Lazy(nn.Module):
    """A module that sets up its engine at the first call, as some of Torch-TensorRT's do."""

    def __init__(self) -> None:
        super().__init__()
        self.engine: Engine = None

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if self.engine is None:
            self.engine = new_engine()
        y, thread = torch.ops.tensorrt.execute_engine([x], self.engine)
        return y, thread


def test_a_late_engine_follows_its_modules_binding(a: gl.Lane, b: gl.Lane) -> None:
    module = Lazy()

    def three() -> list[str]:
        return [lane_of(int(module(torch.ones(3))[1])) for _ in range(3)]

    with gl.set_external_stream(module, a):
        assert three() == ["a"] * 3
    assert three() == [CALLER] * 3
    module.engine = None
    gl.set_external_stream(module, a)
    assert three() == ["a"] * 3
    gl.set_external_stream(module, b)
    assert three() == ["b"] * 3
    gl.clear_external_stream(module)
    assert three() == [CALLER] * 3


@pytest.mark.parametrize("asked_for", ["compiled with it", "by the user"])
def test_stock_still_refuses_graphs_with_output_allocators(a: gl.Lane, asked_for: str) -> None:
    engine = new_engine(output_allocator=asked_for == "compiled with it")
    engine.use_output_allocator_outputs = asked_for == "by the user"
    gl.set_external_stream(Accelerated(engine), {"engine": a})
    for _ in range(2):
        with pytest.raises(RuntimeError, match="incompatible with CUDA Graphs"):
            where(engine)
    torch.ops.tensorrt.set_cudagraphs_mode(STANDARD)
    assert where(engine) == "a"
    torch.ops.tensorrt.set_cudagraphs_mode(SUBGRAPH)


def test_concurrent_calls_run_on_their_bound_lane(a: gl.Lane, b: gl.Lane) -> None:
    """No call runs elsewhere while nobody changes its engine's binding, and graphs stay on."""
    engines = [new_engine(f"engine {i}") for i in range(3)]
    wrong: list[str] = []

    def work(engine: Engine, order: list[gl.Lane]) -> None:
        root = Accelerated(engine)
        for _ in range(60):
            for lane in order:
                with gl.set_external_stream(root, {"engine": lane}):
                    wrong.extend(location for location in locations(engine) if location != lane.name)
                wrong.extend(location for location in locations(engine) if location in ("a", "b"))

    threads = [
        threading.Thread(target=work, args=(engine, order))
        for engine, order in zip(engines, ([a, b], [b, a], [a]), strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert torch.ops.tensorrt.get_cudagraphs_mode() == SUBGRAPH
