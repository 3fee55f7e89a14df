"""CUDA graphs of Torch-TensorRT engines on lanes: stock's own and the caller's."""

import greenlane as gl
import pytest
import torch
from raw_streams import GreenContext, destroy
from tensorrt_checks import MARKS, SLOW, bind, callers, constant, extremes, units, units_on, whole
from tensorrt_runtime import SUBGRAPH, WHOLE_GRAPH, Model, graphs, new_engine
from torch import Tensor
from where import sms_of

pytestmark = MARKS


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
    with graphs(SUBGRAPH):
        for _ in range(20):
            # Of many handles that are given back at once, most are given out again.
            those = [small.new_stream() for _ in range(64)]
            old = those[32]
            engine.set_external_stream(old)
            assert [units(engine, x.clone()) for _ in range(3)] == [24, 24, 24]
            # PyTorch's allocator must have done with it before it goes.
            engine.clear_external_stream()
            torch.cuda.synchronize()
            torch.cuda.empty_cache()
            for stream in those:
                destroy(stream)
            others = [large.new_stream() for _ in range(64)]
            if old in others:
                break
            for stream in others:
                destroy(stream)
        else:
            pytest.fail("no handle came back in 20 tries")
        engine.set_external_stream(old)
        assert [units(engine, x.clone()) for _ in range(3)] == [40, 40, 40]
        engine.clear_external_stream()
    torch.cuda.synchronize()
