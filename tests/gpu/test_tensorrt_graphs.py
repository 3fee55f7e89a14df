"""CUDA graphs of Torch-TensorRT engines on lanes: stock Torch-TensorRT's own, and the caller's."""

import gc
from collections.abc import Callable

import greenlane as gl
import pytest
import torch
from raw_streams import GreenContext, destroy
from tensorrt_checks import MARKS, SLOW, bind, callers, constant, extremes, units, units_on, whole
from tensorrt_runtime import SUBGRAPH, WHOLE_GRAPH, Accelerated, Model, graphs, new_engine, run
from torch import Tensor
from where import sms_of

pytestmark = MARKS


@pytest.mark.parametrize("mode", [0, WHOLE_GRAPH])
def test_a_callers_graph_stays_in_the_lanes(lanes: dict[str, gl.Lane], mode: int) -> None:
    """The graph is captured as by CudaGraphsTorchTensorRTModule, and replayed on streams of every kind."""
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


def test_a_callers_graph_keeps_its_lanes_alive(lanes: dict[str, gl.Lane], capfd: pytest.CaptureFixture[str]) -> None:
    """Nobody else has the lanes: no binding and no handle is left."""
    model = Model(new_engine("first"), new_engine("second"))
    gl.set_external_stream(model, {"first": lanes["small"], "second": lanes["large"]})
    x = constant(0.0)
    graph = torch.cuda.CUDAGraph()
    with graphs(WHOLE_GRAPH):
        model(x)
        torch.cuda.synchronize()
        with torch.cuda.graph(graph):
            first, second, y = model(x)
    capfd.readouterr()
    gl.clear_external_stream(model)
    said = capfd.readouterr().err
    for name in ("first", "second"):
        assert said.count(f"'{name}' is not bound any more") == 1
    lanes.clear()
    gc.collect()
    free = gl.partition("cuda:0", {"free": gl.REST})["free"]
    assert free.units <= whole() - 24 - 40
    other = new_engine("other")
    bind(other, free)
    for value in (1.0, 2.0):
        x.fill_(value)
        graph.replay()
        elsewhere = sms_of(run(other, constant(1.0))[0])
        assert extremes(y).tolist() == [4 * value + 2] * 2
        assert (len(sms_of(first)), len(sms_of(second))) == (24, 40)
        assert not (sms_of(first) | sms_of(second)) & elsewhere


def test_stock_graphs_follow_a_rebind(lanes: dict[str, gl.Lane], x: Tensor) -> None:
    engine = new_engine()
    with graphs(SUBGRAPH):
        for name in ("small", "large", "small"):
            bind(engine, lanes[name])
            for stream in callers(lanes):
                assert units_on(stream, engine, x) == lanes[name].units
        engine.clear_external_stream()
        assert [units(engine, x) for _ in range(3)] == [whole()] * 3


# Handles that the driver gives out again: stock Torch-TensorRT knows streams by their handles.


def recycled(use: Callable[[int], None]) -> int:
    """Returns the handle of a stream on 40 SMs. While `use` ran, the same handle was that of a stream on 24 SMs."""
    try:
        small, large = GreenContext(24), GreenContext(40)
    except RuntimeError as error:
        pytest.skip(f"no green contexts: {error}")
    for _ in range(20):
        # If many handles are returned at once, most of them are given out again.
        those = [small.new_stream() for _ in range(64)]
        old = those[32]
        use(old)
        # PyTorch's allocator must be done with the stream before it is destroyed.
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        for stream in those:
            destroy(stream)
        others = [large.new_stream() for _ in range(64)]
        if old in others:
            return old
        for stream in others:
            destroy(stream)
    pytest.fail("the driver reused no stream handle in 20 tries")


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ("bound", "bound"),
        ("bound", "unbound"),
        ("bound", "module"),
        ("unbound", "bound"),
        ("unbound", "module"),
        ("module", "bound"),
        ("module", "unbound"),
        ("module", "module"),
    ],
)
def test_no_stock_graph_outlives_a_change(x: Tensor, first: str, then: str) -> None:
    """Calls of one kind record the graph on a stream. The engine is then called on another with the same handle."""
    engine = new_engine()

    def where_on(kind: str, stream: int) -> list[int]:
        """Returns the number of SMs that each of three calls uses. Clears the binding afterwards."""
        own = torch.cuda.ExternalStream(stream)
        if kind == "unbound":
            with torch.cuda.stream(own):
                return [units(engine, x.clone()) for _ in range(3)]
        if kind == "module":
            module = Accelerated(engine)
            gl.set_external_stream(module, {"": own})
            engine.clear_external_stream()  # leaves the binding of the module alone
            used = [len(sms_of(module(x.clone())[0])) for _ in range(3)]
            gl.clear_external_stream(module)
            return used
        engine.set_external_stream(stream)
        used = [units(engine, x.clone()) for _ in range(3)]
        engine.clear_external_stream()
        return used

    def use(stream: int) -> None:
        bind_and_clear = first == "unbound"  # else greenlane would not know the engine
        if bind_and_clear:
            engine.set_external_stream(stream)
            engine.clear_external_stream()
        assert where_on(first, stream) == [24] * 3

    with graphs(SUBGRAPH):
        stream = recycled(use)
        assert where_on(then, stream) == [40] * 3
    torch.cuda.synchronize()
