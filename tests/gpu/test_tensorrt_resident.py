"""Resident graphs and gates of Torch-TensorRT engines: ours, around the calls of stock Torch-TensorRT."""

import threading
from pathlib import Path
from typing import Any

import greenlane as gl
import pytest
import torch
from module_pipeline import serving
from tensorrt_checks import MARKS, extremes
from tensorrt_runtime import SUBGRAPH, Accelerated, Engine, Model, graphs, new_engine, run
from torch import Tensor
from where import sms_of

pytestmark = MARKS

KERNELS = 24


def engine_of_many_kernels(name: str = "engine", **options: Any) -> Engine:
    """Returns an engine of 24 kernels, with a count of its calls."""
    return new_engine(name, **{"kernels": KERNELS, "hold": 5_000, "count": 1, **options})


def bind(engine: Engine, lane: gl.Lane, **options: Any) -> gl.Binding:
    """Binds an engine with graphs."""
    return gl.bind(Accelerated(engine), {"engine": lane}, **{"graphs": "resident", **options})


def graph_of(engine: Engine) -> gl.GraphReport:
    report = gl.graph_report(Accelerated(engine), "engine")
    assert report is not None
    return report


def ramp(size: int) -> Tensor:
    return torch.arange(size, dtype=torch.float32, device="cuda")


def test_an_engine_is_replayed_in_its_lane(lanes: dict[str, gl.Lane]) -> None:
    engine, x = engine_of_many_kernels(), ramp(1000)
    for name in ("small", "large", "small"):
        bind(engine, lanes[name])
        used: set[int] = set()
        for turn in range(6):
            where, twice, _ = run(engine, x + turn)
            torch.testing.assert_close(twice, 2 * (x + turn))
            used |= sms_of(where)
        assert len(used) == lanes[name].units
        assert graph_of(engine).graphs[0].replays == 5
        assert graph_of(engine).obstacle == ""


def test_each_call_counts_once(lanes: dict[str, gl.Lane]) -> None:
    engine, x = engine_of_many_kernels(), ramp(64)
    bind(engine, lanes["small"], tune_kernels=False)
    assert [int(run(engine, x)[2]) for _ in range(20)] == list(range(1, 21))


def test_two_shapes_take_turns(lanes: dict[str, gl.Lane]) -> None:
    """The engine has one execution context, so a change of shape makes what was captured before invalid."""
    engine = engine_of_many_kernels()
    bind(engine, lanes["small"])
    for repeats in (1, 2, 3, 4, 5):
        for size in (100_000, 10, 5000):
            for turn in range(repeats):
                x = ramp(size) + turn
                assert torch.equal(run(engine, x)[1], 2 * x), f"size {size}, call {turn} of {repeats}"
    assert len(graph_of(engine).graphs) == 1


def test_an_eager_call_comes_between_replays(lanes: dict[str, gl.Lane]) -> None:
    engine, x = engine_of_many_kernels(), ramp(50_000)
    binding = bind(engine, lanes["small"])
    for turn in range(40):
        assert torch.equal(run(engine, x + turn)[1], 2 * (x + turn))
        if turn % 4 == 3:
            with gl.bind(Accelerated(engine), {"engine": lanes["small"]}):  # without graphs
                assert torch.equal(run(engine, ramp(7))[1], 2 * ramp(7))
    binding.restore()
    assert torch.equal(run(engine, ramp(9))[1], 2 * ramp(9))


def test_a_rebind_under_load(lanes: dict[str, gl.Lane]) -> None:
    engine = engine_of_many_kernels(hold=2000)
    bind(engine, lanes["small"])
    stop = threading.Event()
    errors: list[BaseException] = []

    def call(size: int) -> None:
        try:
            with torch.cuda.stream(torch.cuda.Stream()):
                x, turn = ramp(size), 0
                while not stop.is_set():
                    turn += 1
                    assert torch.equal(run(engine, x + turn)[1], 2 * (x + turn))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=call, args=(size,)) for size in (1000, 1000, 30_000)]
    for thread in threads:
        thread.start()
    for turn in range(60):
        bind(engine, lanes[("small", "large")[turn % 2]])
        stop.wait(0.02)
    stop.set()
    for thread in threads:
        thread.join()
    assert errors == []


def test_gates_cut_an_engine(lanes: dict[str, gl.Lane]) -> None:
    engine, x = engine_of_many_kernels(), ramp(5000)
    bind(engine, lanes["large"], gates="50us")
    urgent = engine_of_many_kernels("urgent", kernels=2)
    bind(urgent, lanes["large"], urgent=5.0)
    before = gl.gate_report()
    for turn in range(100):
        assert torch.equal(run(urgent, x - turn)[1], 2 * (x - turn))
        assert torch.equal(run(engine, x + turn)[1], 2 * (x + turn))
    assert graph_of(engine).graphs[0].slices > 1
    assert graph_of(urgent).graphs[0].slices == 1
    assert gl.gate_report().passes == before.passes + 100
    where = run(engine, x)[0]
    assert len(sms_of(where)) == lanes["large"].units


def test_options_are_restored(lanes: dict[str, gl.Lane]) -> None:
    engine = engine_of_many_kernels()
    outer = bind(engine, lanes["small"], gates="50us", urgent=3.0)
    with gl.bind(Accelerated(engine), {"engine": lanes["small"]}):
        assert gl.graph_report(Accelerated(engine), "engine") is None
    assert gl.graph_report(Accelerated(engine), "engine") is not None
    outer.restore()
    assert gl.graph_report(Accelerated(engine), "engine") is None
    with pytest.raises(ValueError, match="gates cut CUDA graphs: pass graphs='resident', too"):
        gl.bind(Accelerated(engine), {"engine": lanes["small"]}, gates="auto")


def test_an_output_allocator_is_not_captured(lanes: dict[str, gl.Lane], x: Tensor) -> None:
    engine = engine_of_many_kernels()
    engine.use_output_allocator_outputs = True
    bind(engine, lanes["small"])
    for _ in range(5):
        torch.testing.assert_close(run(engine, x)[1], 2 * x)
    assert graph_of(engine).graphs == ()
    assert "output allocator" in graph_of(engine).obstacle


def test_an_engine_that_writes_to_its_input_is_not_captured(lanes: dict[str, gl.Lane]) -> None:
    engine = engine_of_many_kernels(kernels=1, alias=1)
    bind(engine, lanes["small"])
    for turn in range(5):
        x = ramp(100) + turn
        run(engine, x)
        assert torch.equal(x, 2 * (ramp(100) + turn))
    assert graph_of(engine).graphs == ()
    assert "it writes to its inputs" in graph_of(engine).obstacle


def test_stock_graphs_come_first(lanes: dict[str, gl.Lane], x: Tensor) -> None:
    engine = engine_of_many_kernels()
    with graphs(SUBGRAPH):
        bind(engine, lanes["small"])
        for turn in range(5):
            torch.testing.assert_close(run(engine, x + turn)[1], 2 * (x + turn))
    assert graph_of(engine).graphs == ()
    for turn in range(5):
        torch.testing.assert_close(run(engine, x + turn)[1], 2 * (x + turn))
    assert graph_of(engine).graphs[0].replays == 4


@torch.inference_mode()
def test_a_graph_of_a_module_notices_its_engines_shape(lanes: dict[str, gl.Lane]) -> None:
    """The engines inside are called with another shape between two calls of the module."""
    engines = [engine_of_many_kernels(name, count=0) for name in ("first", "second")]
    model, x = Model(*engines), ramp(20_000)
    gl.bind(model, {"": lanes["small"]}, graphs="resident")
    for turn in range(24):
        first, second, y = model(x + turn)
        assert torch.equal(y, 4 * (x + turn) + 2)
        assert sms_of(first) | sms_of(second) <= sms_of(run(new_engine(), x)[0])
        if turn % 6 == 5:
            assert torch.equal(run(engines[0], ramp(3))[1], 2 * ramp(3))
    report = gl.graph_report(model)
    assert report is not None
    assert report.obstacle == ""
    gl.clear_external_stream(model)


def test_a_pipeline_serves_an_engine_without_python(tmp_path: Path) -> None:
    model, x = Accelerated(engine_of_many_kernels(count=0)), ramp(3000)
    with serving(tmp_path, model, [x.cpu()]) as pipeline:
        for turn in range(20):
            where, twice = pipeline["net"](x + turn)
            assert extremes(twice - 2 * (x + turn)).tolist() == [0, 0]
            assert len(sms_of(where)) <= 64
        stats = pipeline.stats().engines["net"]
        assert not stats.in_python
        assert stats.graphs is not None
        assert stats.graphs.replays >= 20
