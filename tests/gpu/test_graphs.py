"""Resident graphs: they stay on their lane's SMs, and give the results of eager calls."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import greenlane as gl
import pytest
import torch
from graph_checks import CALLS, Where, bind, number, report, sms
from raw_streams import GreenContext
from torch import nn
from where import sms_of


@pytest.fixture
def lanes() -> dict[str, gl.Lane]:
    """Three partitions."""
    return gl.partition("cuda:0", {"small": 16, "middle": 48, "large": gl.REST})


@pytest.fixture(params=["package", "module"])
def engine(request: pytest.FixtureRequest, models: Path) -> Iterator[nn.Module]:
    """An engine that reports where it runs. It is not bound."""
    made: nn.Module = gl.load(models / "where.pt2", graphs="resident") if request.param == "package" else Where().cuda()
    yield made
    gl.clear_external_stream(made)


def test_replays_stay_in_the_lane_for_every_caller(engine: nn.Module, lanes: dict[str, gl.Lane]) -> None:
    bind(engine, lanes["small"])
    for stream in (torch.cuda.default_stream(), torch.cuda.Stream(), lanes["large"].torch_stream):
        with torch.cuda.stream(stream):
            assert len(sms(engine)) == 16
    graphs = report(engine)
    assert [graph.units for graph in graphs.graphs] == [16]
    assert graphs.graphs[0].replays >= 2 * CALLS
    assert graphs.bytes > 0
    assert graphs.obstacle == ""


def test_a_rebind_never_replays_an_old_graph(engine: nn.Module, lanes: dict[str, gl.Lane]) -> None:
    sms_of_runs = []
    for name in ("small", "middle", "small", "large"):
        bind(engine, lanes[name])
        sms_of_runs.append(sms(engine))
        assert [graph.units for graph in report(engine).graphs] == [lanes[name].units]
    assert [len(used) for used in sms_of_runs] == [16, 48, 16, lanes["large"].units]
    assert sms_of_runs[0] == sms_of_runs[2]
    assert not sms_of_runs[0] & sms_of_runs[1]


def test_a_rebind_releases_the_units_of_graphs(engine: nn.Module) -> None:
    """The engine's graphs held the units."""
    lanes = gl.partition("cuda:0", {"first": 64, "second": 16})
    bind(engine, lanes["first"])
    assert len(sms(engine)) == 64
    bind(engine, lanes["second"])
    del lanes["first"]
    again = gl.partition("cuda:0", {"again": 100})["again"]
    assert again.units >= 100
    assert len(sms(engine)) == 16


def test_two_engines_alternate_on_one_lane(models: Path, lanes: dict[str, gl.Lane]) -> None:
    engines = [gl.load(models / "where.pt2", lane=lanes["small"], graphs="resident") for _ in range(2)]
    for _ in range(10):
        for engine in engines:
            assert len(sms(engine, 1)) == 16
    assert all(report(engine).graphs[0].replays > 5 for engine in engines)


def test_a_foreign_green_stream_has_graphs(engine: nn.Module) -> None:
    """The engine is captured beside the stream, in the stream's green context."""
    try:
        green = GreenContext(24)
    except RuntimeError as error:
        pytest.skip(f"no green contexts: {error}")
    stream = torch.cuda.ExternalStream(green.new_stream())
    bind(engine, stream)
    assert len(sms(engine)) == 24
    assert [graph.units for graph in report(engine).graphs] == [24]
    replays = report(engine).graphs[0].replays
    bind(engine, torch.cuda.ExternalStream(green.new_stream()))  # another stream of the same green context
    assert len(sms(engine, 2)) == 24
    assert report(engine).graphs[0].replays == replays + 2


def test_an_unbound_engine_runs_without_graphs(engine: nn.Module, lanes: dict[str, gl.Lane]) -> None:
    whole = torch.cuda.get_device_properties(0).multi_processor_count
    assert len(sms(engine)) == whole
    bind(engine, lanes["small"])
    sms(engine)
    gl.clear_external_stream(engine)
    assert len(sms(engine)) == whole


def test_every_call_has_separate_inputs_and_outputs(engine: nn.Module, lanes: dict[str, gl.Lane]) -> None:
    bind(engine, lanes["small"])
    with torch.no_grad():
        outputs = [engine(number(1000 * value)) for value in range(8)]
    for value, output in enumerate(outputs):
        assert 1000 * value <= int(output.min()) <= int(output.max()) < 1000 * value + 132


def test_views_are_overwritten_by_the_next_call(models: Path, lanes: dict[str, gl.Lane]) -> None:
    engine = gl.load(models / "affine.pt2", lane=lanes["small"], graphs="resident", outputs="views")
    x = torch.arange(256, dtype=torch.float32, device="cuda")
    for _ in range(3):
        engine(x)
    one, other = engine(x), engine(x + 1)
    assert one.data_ptr() == other.data_ptr()
    torch.testing.assert_close(one, 2 * (x + 1) + 1)


def test_captures_do_not_disturb_other_threads(models: Path, lanes: dict[str, gl.Lane]) -> None:
    """Another thread allocates, multiplies, draws numbers and waits, on a lane of its own and on the same lane."""
    stop = threading.Event()
    errors: list[BaseException] = []

    def work(lane: gl.Lane) -> None:
        try:
            with lane:
                rounds = 0
                while not stop.is_set() or rounds < 20:
                    n = 64 + 64 * (rounds % 5)
                    a = torch.rand(n, n, device="cuda")
                    b = a @ torch.eye(n, device="cuda")
                    torch.testing.assert_close(a, b, rtol=1e-2, atol=1e-2)
                    if rounds % 10 == 0:
                        torch.cuda.empty_cache()
                    rounds += 1
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(lanes[name],)) for name in ("large", "small")]
    for thread in threads:
        thread.start()
    engine = gl.load(models / "affine.pt2", graphs="resident")
    z = torch.arange(256, dtype=torch.float32, device="cuda")
    for _ in range(30):
        for name in ("small", "middle"):
            engine.bind(lanes[name])
            for _ in range(4):
                torch.testing.assert_close(engine(z), 2 * z + 1)
    stop.set()
    for thread in threads:
        thread.join()
    assert errors == []


def test_every_call_runs_on_a_bound_lane_under_load(models: Path, lanes: dict[str, gl.Lane]) -> None:
    """Every call is replayed, or runs, on a lane that was bound."""
    engine = gl.load(models / "where.pt2", lane=lanes["small"], graphs="resident")
    allowed = {16, 48, lanes["large"].units}
    errors: list[object] = []

    def call() -> None:
        with torch.cuda.stream(torch.cuda.Stream()):
            for _ in range(60):
                count = len(sms_of(engine(number())))
                if count not in allowed:
                    errors.append(count)

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for turn in range(60):
        engine.bind(lanes[("small", "middle", "large")[turn % 3]])
        torch.cuda._sleep(100_000)
    for thread in threads:
        thread.join()
    assert errors == []


def test_an_engine_joins_a_callers_capture(engine: nn.Module, lanes: dict[str, gl.Lane]) -> None:
    bind(engine, lanes["small"])
    sms(engine)
    x = number()
    graph = torch.cuda.CUDAGraph()
    with torch.no_grad(), torch.cuda.graph(graph):
        y = engine(x)
    for stream in (torch.cuda.Stream(), lanes["large"].torch_stream):
        with torch.cuda.stream(stream):
            y.zero_()
            graph.replay()
            assert len(sms_of(y)) == 16


def test_an_engine_joins_a_capture_on_the_lanes_stream(engine: nn.Module, lanes: dict[str, gl.Lane]) -> None:
    bind(engine, lanes["small"])
    sms(engine)
    replays = report(engine).graphs[0].replays
    x = number()
    graph = torch.cuda.CUDAGraph()
    with torch.no_grad(), torch.cuda.graph(graph, stream=lanes["small"].torch_stream):
        y = engine(x)
    assert report(engine).graphs[0].replays == replays
    y.zero_()
    graph.replay()
    assert len(sms_of(y)) == 16


def test_captures_of_two_threads_do_not_deadlock(models: Path, lanes: dict[str, gl.Lane]) -> None:
    """One thread captures a pipeline of an engine, while the other makes that engine's second call."""
    engine = gl.load(models / "affine.pt2", graphs="resident")
    x = torch.arange(256, dtype=torch.float32, device="cuda")
    for turn in range(20):
        engine.bind(lanes[("small", "middle")[turn % 2]])
        engine(x)
        # Its first call there runs as it is.
        thread = threading.Thread(target=lambda: (engine(x), engine(x)))
        thread.start()
        graph = gl.capture(engine, x)
        thread.join(60)
        assert not thread.is_alive()
        torch.testing.assert_close(graph(x + turn), 2 * (x + turn) + 1)


# cuDNN makes a handle on each thread, which allocates memory; a process of its own, because threads that ended leave
# theirs to others.
CONVOLUTION = """
import threading
import greenlane as gl
import torch

model = torch.nn.Conv2d(3, 8, 3).cuda().half()
gl.bind(model, gl.partition("cuda:0", {"lane": 32})["lane"], graphs="resident")
x = torch.ones(1, 3, 32, 32, device="cuda").half()

def call():
    with torch.no_grad():
        model(x)
        torch.cuda.synchronize()

call()
thread = threading.Thread(target=call)
thread.start()
thread.join()
call()
call()
report = gl.graph_report(model)
assert report.obstacle == "", report.obstacle
assert len(report.graphs) == 1
"""


def test_calls_from_two_threads_end_in_a_graph() -> None:
    done = subprocess.run([sys.executable, "-c", CONVOLUTION], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "runs without a CUDA graph" not in done.stderr
