"""The SMs of Torch-TensorRT engines: the caller's if the engine is not bound, and the lane's if it is."""

import greenlane as gl
import pytest
import torch
from tensorrt_checks import MARKS, SLOW, bind, callers, units, units_on, whole
from tensorrt_runtime import SUBGRAPH, Accelerated, Model, graphs, new_engine, run
from torch import Tensor
from where import sms_of

pytestmark = MARKS

# Engines that are not bound


def test_an_unbound_engine_uses_all_sms(x: Tensor) -> None:
    engine = new_engine()
    assert units(engine, x) == whole()
    assert units_on(torch.cuda.Stream(), engine, x) == whole()


@pytest.mark.parametrize("output_allocator", [False, True])
def test_an_unbound_engine_follows_the_caller(lanes: dict[str, gl.Lane], x: Tensor, output_allocator: bool) -> None:
    """Stock Torch-TensorRT does the same."""
    engine = new_engine(output_allocator=output_allocator)
    streams = [lanes[name].torch_stream for name in ("small", "large")]
    assert [units_on(stream, engine, x) for stream in streams * 3] == [24, 40] * 3


def test_unbound_graphs_are_rerecorded_for_another_stream(lanes: dict[str, gl.Lane], x: Tensor) -> None:
    engine = new_engine()
    small, large = (lanes[name].torch_stream for name in ("small", "large"))
    with graphs(SUBGRAPH):
        used = [units_on(stream, engine, x) for stream in (small, small, large, small, torch.cuda.default_stream())]
    assert used == [24, 24, 40, 24, whole()]


@pytest.mark.parametrize("bound", [False, True])
def test_an_auxiliary_stream_leaves_the_lane(lanes: dict[str, gl.Lane], x: Tensor, bound: bool) -> None:
    """This is why greenlane warns of auxiliary streams."""
    engine = new_engine(aux=1)
    if bound:
        bind(engine, lanes["small"])
        assert units(engine, x) > 24
    else:
        assert units_on(lanes["small"].torch_stream, engine, x) > 24


def test_passthrough_follows_a_stream_guard(lanes: dict[str, gl.Lane], x: Tensor) -> None:
    """An engine that was bound before follows it, too. A binding comes first."""
    gl.set_engine_stream_passthrough(True)
    engine = new_engine()
    for _ in range(2):
        assert units_on(lanes["small"].torch_stream, engine, x) == 24
        bind(engine, lanes["large"])
        assert units_on(lanes["small"].torch_stream, engine, x) == 40
        engine.clear_external_stream()


def stream_of_memory(tensor: Tensor) -> int:
    """Returns the stream for which the caching allocator took the tensor's memory."""
    (segment,) = [
        each for each in torch.cuda.memory_snapshot() if 0 <= tensor.data_ptr() - each["address"] < each["total_size"]
    ]
    return int(segment["stream"])


def test_passthrough_works_from_the_default_stream(x: Tensor) -> None:
    """CUDA itself orders the engine's work with the default stream's: no read is torn or early."""
    engine = new_engine()
    assert stream_of_memory(run(engine, x)[1]) == 0
    gl.set_engine_stream_passthrough(True)
    assert stream_of_memory(run(engine, x)[1]) != 0
    for i in range(100):
        y = torch.empty_like(x)
        torch.cuda._sleep(SLOW)
        y.fill_(i)
        twice = run(engine, y)[1]
        y.fill_(-1)
        seen = twice + 0
        del y, twice
        torch.testing.assert_close(seen, torch.full_like(seen, 2.0 * i))
    assert torch.cuda.current_stream() == torch.cuda.default_stream()


# Engines that are bound


@pytest.mark.parametrize("way", ["facade", "method"])
@pytest.mark.parametrize("output_allocator", [False, True])
def test_bound_engines_stay_in_their_lanes(
    lanes: dict[str, gl.Lane], x: Tensor, way: str, output_allocator: bool
) -> None:
    """The caller's stream does not matter, and the engines use all SMs again after the bindings are cleared."""
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
def test_an_output_allocator_may_be_requested(lanes: dict[str, gl.Lane], x: Tensor, output_allocator: bool) -> None:
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
def test_a_shape_tensor_sets_the_output_size(lanes: dict[str, gl.Lane], x: Tensor, bound: bool) -> None:
    """The host reads the shape tensor during the call, however late it was made."""
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


def test_an_engine_without_inputs_runs_on_its_lane(lanes: dict[str, gl.Lane]) -> None:
    engine = new_engine(input=0)
    assert units(engine) == whole()
    for stream in callers(lanes):
        with torch.cuda.stream(stream), gl.set_external_stream(Accelerated(engine), {"engine": lanes["small"]}):
            assert units(engine) == 24
    assert units(engine) == whole()


def test_inputs_on_the_cpu_are_moved(lanes: dict[str, gl.Lane], x: Tensor) -> None:
    """Stock Torch-TensorRT moves them."""
    engine = new_engine()
    assert units(engine, x.cpu()) == whole()
    bind(engine, lanes["small"])
    for stream in callers(lanes):
        assert units_on(stream, engine, x.cpu()) == 24


def test_optimization_profiles_may_change(lanes: dict[str, gl.Lane], x: Tensor) -> None:
    """Stock Torch-TensorRT chooses one profile, on the lane. The caller chooses one, on its own stream."""
    engine = new_engine(profiles="1-16,17-64")
    bind(engine, lanes["small"])
    engine._auto_select_profiles = True
    for size in (64, 8, 64):
        assert units(engine, x[:size]) == 24
    assert engine._active_profile_index == 1
    engine.set_active_profile(0)
    assert units(engine, x[:8]) == 24


def test_an_exception_keeps_the_callers_stream(lanes: dict[str, gl.Lane], x: Tensor) -> None:
    """The engine works afterwards."""
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
