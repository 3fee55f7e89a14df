"""Pipelines on a GPU from Python: captured modules, modules in Python, and packages."""

import asyncio
import ctypes
import gc
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import greenlane as gl
import pytest
import torch
from graph_checks import Where, number
from module_pipeline import serving
from torch import Tensor, nn
from where import sms_of

LONG = 60.0


class Scale(nn.Module):
    """A module that counts its calls, with nested arguments and results."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((1,), 3.0))

    def forward(self, given: dict[str, Tensor], *, offset: float) -> tuple[Tensor, dict[str, Any]]:
        """Returns two tensors and a number."""
        calls.append(1)
        y = given["x"] * self.weight + offset
        return y, {"twice": 2 * y, "offset": offset}


calls: list[int] = []
"""The calls of all modules here; an attribute of a module would be a change that a graph does not make."""


class Keeps(nn.Module):
    """A module that writes to a buffer and to its input."""

    def __init__(self) -> None:
        super().__init__()
        self.sum = nn.Buffer(torch.zeros(4))

    def forward(self, x: Tensor) -> Tensor:
        """Returns the sum of all inputs."""
        self.sum.add_(x)
        x.mul_(2)
        return self.sum.clone()


def test_a_captured_module_is_replayed_without_a_call(tmp_path: Path) -> None:
    model = Scale().cuda()
    recorded = (({"x": torch.ones(4)},), {"offset": 1.0})
    with serving(tmp_path, model, recorded) as pipeline:
        net = pipeline["net"]
        before = len(calls)
        for i in range(5):
            x = torch.full((4,), float(i), device="cuda")
            for y, more in (net({"x": x}, offset=1.0), net.submit({"x": x}, offset=1.0).result(LONG)):
                torch.testing.assert_close(y, 3 * x + 1)
                torch.testing.assert_close(more["twice"], 2 * y)
                assert more["offset"] == 1.0
                assert not y.requires_grad
        assert len(calls) == before
        stats = pipeline.stats().engines["net"]
        assert not stats.in_python
        assert stats.graphs is not None
        assert stats.graphs.replays >= 10
        assert stats.graphs.obstacle == ""
        assert (stats.figures.runs, stats.figures.calls) == (5, 5)
        with pytest.raises(RuntimeError, match=r"it is float32 \[5\], and the recorded input is float32 \[4\]"):
            net({"x": torch.ones(5, device="cuda")}, offset=1.0)
        with pytest.raises(RuntimeError, match="it is on cpu, and the engine is on cuda:0; move the tensor"):
            net({"x": torch.ones(4)}, offset=1.0)


def test_a_module_stays_on_its_lane(tmp_path: Path) -> None:
    with serving(tmp_path, Where().cuda(), [number()]) as pipeline:
        net = pipeline["net"]
        assert len(sms_of(net(number()))) == net.lane.units
        assert len(sms_of(net.submit(number()).result(LONG))) == net.lane.units


def test_a_frozen_module_follows_changes_at_recapture(tmp_path: Path) -> None:
    model = Scale().cuda()
    x = torch.ones(4, device="cuda")
    with serving(tmp_path, model, (({"x": torch.ones(4)},), {"offset": 0.0})) as pipeline:
        net = pipeline["net"]
        model.weight = nn.Parameter(torch.full((1,), 5.0, device="cuda"))
        torch.full((1 << 20,), 7.0, device="cuda")  # takes the memory of the former weight if that was freed
        torch.testing.assert_close(net({"x": x}, offset=0.0)[0], 3 * x)
        pipeline.recapture("net")
        torch.testing.assert_close(net({"x": x}, offset=0.0)[0], 5 * x)
        torch.testing.assert_close(net.submit({"x": x}, offset=0.0).result(LONG)[0], 5 * x)
        with torch.no_grad():
            model.weight.fill_(6.0)
        torch.testing.assert_close(net({"x": x}, offset=0.0)[0], 6 * x)


def test_a_recapture_that_fails_keeps_the_graph(tmp_path: Path) -> None:
    class Turns(nn.Module):
        waits = False

        def forward(self, x: Tensor) -> Tensor:
            return x * 2 if not Turns.waits or x.sum().item() > 0 else x

    x = torch.ones(4, device="cuda")
    with serving(tmp_path, Turns(), [torch.ones(4)]) as pipeline:
        Turns.waits = True
        with pytest.raises(RuntimeError, match=r"module 'net' cannot be captured: .*set `python = true`"):
            pipeline.recapture("net")
        torch.testing.assert_close(pipeline["net"](x), 2 * x)
        Turns.waits = False
        pipeline.recapture("net")
        torch.testing.assert_close(pipeline["net"](x), 2 * x)


def test_a_module_that_waits_for_the_device_is_refused(tmp_path: Path) -> None:
    class Waits(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * 2 if x.sum().item() > 0 else x

    message = "engine 'net' cannot run on lane 'net'.*module 'net' cannot be captured: .*set `python = true`"
    with pytest.raises(RuntimeError, match=message), serving(tmp_path, Waits(), [torch.ones(4)]):
        pass
    x = torch.ones(4, device="cuda")
    with serving(tmp_path, Waits(), [torch.ones(4)], keys="python = true") as pipeline:
        net = pipeline["net"]
        torch.testing.assert_close(net(x), 2 * x)
        torch.testing.assert_close(net.submit(-x).result(LONG), -x)
        assert pipeline.stats().engines["net"].in_python


def test_writes_are_kept_true(tmp_path: Path) -> None:
    model = Keeps().cuda()
    with serving(tmp_path, model, [torch.ones(4)]) as pipeline:
        assert model.sum.sum() == 0
        x = torch.ones(4, device="cuda")
        torch.testing.assert_close(pipeline["net"](x), torch.ones_like(x))
        torch.testing.assert_close(x, torch.full_like(x, 2))  # the call wrote to it
        torch.testing.assert_close(pipeline["net"].submit(x).result(LONG), torch.full_like(x, 3))
        torch.testing.assert_close(x, torch.full_like(x, 2))  # the request wrote to its copy
        pipeline.recapture("net")
        torch.testing.assert_close(model.sum, torch.full_like(x, 3))
    torch.testing.assert_close(model.sum, torch.full_like(x, 3))


def test_inputs_of_other_strides_are_taken(tmp_path: Path) -> None:
    with serving(tmp_path, nn.Linear(4, 2).cuda(), [torch.randn(3, 4)]) as pipeline:
        x = torch.randn(4, 3, device="cuda").t()
        torch.testing.assert_close(pipeline["net"](x), pipeline["net"](x.contiguous()))
        torch.testing.assert_close(pipeline["net"].submit(x).result(LONG), pipeline["net"](x))


@pytest.mark.parametrize("python", ["", "python = true"])
def test_an_urgent_module_passes_through_the_gates(tmp_path: Path, python: str) -> None:
    torch.save([torch.randn(512, 512)], tmp_path / "inputs.pt")
    file = tmp_path / "pipeline.toml"
    file.write_text(
        "device = 'cuda:0'\n"
        f"[engine.urgent]\nmodule = 'urgent'\ninputs = 'inputs.pt'\nrate_hz = 100\ndeadline_ms = 5\n{python}\n"
        "[engine.bulk]\nmodule = 'bulk'\ninputs = 'inputs.pt'\n"
    )
    layers = [nn.Linear(512, 512) for _ in range(64)]
    modules = {"urgent": nn.Linear(512, 512).cuda(), "bulk": nn.Sequential(*layers).cuda()}
    x = torch.randn(512, 512, device="cuda")
    with gl.Pipeline(file, modules=modules, mode="gates") as pipeline, torch.no_grad():
        for _ in range(50):
            bulk = pipeline["bulk"].submit(x)
            torch.testing.assert_close(pipeline["urgent"].submit(x).result(LONG), modules["urgent"](x))
            torch.testing.assert_close(bulk.result(LONG), modules["bulk"](x))
        stats = pipeline.stats()
        gate = stats.devices["cuda:0"].gate
        assert gate is not None
        assert gate.passes >= 50
        graphs = stats.engines["bulk"].graphs
        assert graphs is not None
        assert graphs.slices > 1


def test_a_captured_module_needs_no_lock_of_pythons(tmp_path: Path) -> None:
    with serving(tmp_path, nn.Linear(4, 2).cuda(), [torch.randn(3, 4)]) as pipeline:
        x = torch.randn(3, 4, device="cuda")
        pipeline["net"].submit(x).result(LONG)
        runs = [pipeline["net"].submit(x) for _ in range(20)]
        ctypes.PyDLL(None).usleep(500_000)  # with the lock
        assert all(run.done() for run in runs)


def test_runs_are_awaited(models: Path, tmp_path: Path) -> None:
    torch.save([torch.arange(256.0)], tmp_path / "inputs.pt")
    file = tmp_path / "pipeline.toml"
    package = f"model = '{models / 'affine.pt2'}'\ninputs = 'inputs.pt'\n"
    file.write_text(f"device = 'cuda:0'\n[engine.policy]\n{package}[lane.policy]\nunits = 64\n")

    async def main(pipeline: gl.Pipeline) -> None:
        inputs = [torch.full((256,), float(i), device="cuda") for i in range(20)]
        results = await asyncio.gather(*map(pipeline["policy"].submit, inputs))
        for x, result in zip(inputs, results, strict=True):
            torch.testing.assert_close(result, pipeline["policy"](x))

    with gl.Pipeline(file) as pipeline:
        asyncio.run(main(pipeline))


def test_close_returns_the_units(tmp_path: Path) -> None:
    for _ in range(3):
        with serving(tmp_path, nn.Linear(4, 2).cuda(), [torch.randn(3, 4)], lane="units = 'rest'") as pipeline:
            pipeline["net"](torch.randn(3, 4, device="cuda"))
        time.sleep(0.1)  # units return on a thread of greenlane's
        free = gl.partition("cuda:0", {"all": gl.REST})
        assert free["all"].units > 0
        del free


def test_modules_are_profiled_and_planned(tmp_path: Path) -> None:
    torch.save([torch.randn(64, 64)], tmp_path / "inputs.pt")
    file = tmp_path / "pipeline.toml"
    file.write_text(
        "device = 'cuda:0'\n[engine.urgent]\nmodule = 'urgent'\ninputs = 'inputs.pt'\nrate_hz = 50\n"
        "[engine.bulk]\nmodule = 'bulk'\ninputs = 'inputs.pt'\n"
    )
    modules = {"urgent": nn.Linear(64, 64).cuda(), "bulk": nn.Linear(64, 64).cuda()}
    profile = gl.profile(file, seconds=0.05, modules=modules)
    assert len(profile.engines["urgent"].curve) > 2
    for point in profile.engines["urgent"].curve:
        assert point.device_us is not None
        assert 0 < point.device_us <= point.mean_us
    plan = gl.plan(file, profile, seconds=0.2, budget=10, modules=modules)
    x = torch.randn(64, 64, device="cuda")
    with gl.Pipeline(file, plan, modules=modules) as pipeline, torch.no_grad():
        torch.testing.assert_close(pipeline["urgent"](x), modules["urgent"](x))


class LongKernel:
    """A kernel with more blocks than the device holds at once, each of which ends soon. A product of matrices is not
    like that: its blocks may stay until its end."""

    def __init__(self) -> None:
        """Measures its time."""
        self.x = torch.rand(1 << 30, device="cuda")
        self.y = torch.lgamma(self.x)
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        self.launch()
        end.record()
        end.synchronize()
        self.seconds = begin.elapsed_time(end) / 1e3

    def launch(self) -> None:
        """Launches it on the current stream."""
        torch.lgamma(self.x, out=self.y)


@pytest.mark.parametrize("other_caller", ["none", "with work left", "of best effort"])
def test_an_urgent_requests_inputs_do_not_wait_for_kernels_of_others(
    models: Path, tmp_path: Path, other_caller: str
) -> None:
    # A copy on the default stream would begin when the kernel before it has begun all its blocks.
    file = tmp_path / "pipeline.toml"
    table = f"model = '{models / 'affine.pt2'}'\ninputs = '{models / 'affine.inputs.pt'}'\n"
    keys = {"affine": "rate_hz = 10\ndeadline_ms = 50\n", "other": "rate_hz = 10\ndeadline_ms = 50\n", "best": ""}
    engines = "".join(f"[engine.{name}]\n{table}{keys[name]}" for name in keys)
    file.write_text(f"device = 'cuda:0'\n{engines}")
    kernel = LongKernel()
    stream = torch.cuda.Stream()
    times = []
    with gl.Pipeline(file, mode="priority") as pipeline:
        x = torch.ones(256, device="cuda")
        for name in keys:
            pipeline[name].submit(x).result(LONG)
        for _ in range(9):
            with torch.cuda.stream(stream):
                for _ in range(3):
                    kernel.launch()
                # These inputs are ready when the kernels are done.
                other = pipeline["other"].submit(x) if other_caller == "with work left" else None
            if other_caller == "of best effort":  # from the urgent request's stream
                other = pipeline["best"].submit(x)
            time.sleep(kernel.seconds / 10)
            asked = time.perf_counter()
            y = pipeline["affine"].submit(x).result(LONG)
            times.append(time.perf_counter() - asked)
            torch.cuda.synchronize()
            assert y.equal(2 * x + 1)
            assert other is None or other.result(LONG).equal(y)
    assert sorted(times)[4] < kernel.seconds / 2


def test_a_late_request_of_a_busy_stream_delays_no_other(models: Path, tmp_path: Path) -> None:
    # There is memory for one request, and a copy to it is still to come when that request is dropped.
    file = affine_file(tmp_path, models, "")
    kernel = LongKernel()
    stream = torch.cuda.Stream()
    with gl.Pipeline(file, mode="priority") as pipeline:
        engine = pipeline["affine"]
        for value in range(5):
            x = torch.full((256,), float(value), device="cuda")
            assert engine.submit(x).result(LONG).equal(2 * x + 1)
            wrong = torch.full((256,), -1.0, device="cuda")
            inputs = [x + i for i in range(12)]
            torch.cuda.synchronize()
            with torch.cuda.stream(stream):
                for _ in range(3):
                    kernel.launch()
                late = engine.submit(wrong, deadline_ms=1e-6)
            with pytest.raises(gl.RequestError):
                late.result(LONG)
            del late
            asked = time.perf_counter()
            outputs = [run.result(LONG) for run in [engine.submit(each) for each in inputs]]
            assert time.perf_counter() - asked < 2 * kernel.seconds
            torch.cuda.synchronize()
            for y, each in zip(outputs, inputs, strict=True):
                assert y.equal(2 * each + 1)


def test_a_request_in_a_capture_is_refused(models: Path, tmp_path: Path) -> None:
    with gl.Pipeline(affine_file(tmp_path, models, "")) as pipeline:
        engine = pipeline["affine"]
        x = torch.ones(256, device="cuda")
        for _ in range(2):
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                y = x + 1
                with pytest.raises(RuntimeError, match=r"in a capture.*make the request before or after the capture"):
                    engine.submit(x)
            graph.replay()
            assert y.sum().item() == 512
            assert engine.submit(x).result(LONG).equal(2 * x + 1)


def affine_file(folder: Path, models: Path, keys: str) -> Path:
    """Writes a pipeline of one package, with more keys of its engine or tables."""
    file = folder / "pipeline.toml"
    table = f"[engine.affine]\nmodel = '{models / 'affine.pt2'}'\ninputs = '{models / 'affine.inputs.pt'}'\n"
    file.write_text(f"device = 'cuda:0'\n{table}{keys}")
    return file


def test_tensors_on_the_cpu_go_to_the_gpu_and_back(models: Path, tmp_path: Path) -> None:
    file = affine_file(tmp_path, models, "request_queue = 200\n")
    with gl.Pipeline(file) as pipeline:
        engine = pipeline["affine"]
        x = torch.zeros(256)
        with torch.inference_mode():  # other requests use its memory again
            assert engine.submit(x).result(LONG).equal(torch.ones(256))
        runs = []
        for value in range(50):
            x.fill_(value)  # the former values may be overwritten at once
            runs.append(engine.submit(x))
        outputs = [run.result(LONG) for run in runs]
        for value, y in enumerate(outputs):
            assert y.device.type == "cpu"
            assert y.equal(torch.full((256,), 2.0 * value + 1)), value
        assert engine.submit(x.cuda()).result(LONG).equal(outputs[-1].cuda())
        with pytest.raises(RuntimeError, match=r"affine"):
            engine.submit(torch.ones(255))
        with pytest.raises(RuntimeError, match="it is on cpu"):
            engine(x)


def test_tensors_on_the_cpu_may_have_gaps_for_a_module(tmp_path: Path) -> None:
    with serving(tmp_path, nn.ReLU(), [torch.ones(3, 4)]) as pipeline:
        whole = torch.arange(24.0).reshape(4, 6)
        for x in (whole.t()[::2], whole[1:, 1:5], torch.arange(4.0).expand(3, 4)):
            y = pipeline["net"].submit(x).result(LONG)
            assert y.device.type == "cpu"
            assert y.equal(x)


def test_outputs_on_the_cpu_outlive_the_pipeline(
    models: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = affine_file(tmp_path, models, "[lane.affine]\nunits = 32\n")
    with gl.Pipeline(file) as pipeline:
        y = pipeline["affine"].submit(torch.ones(256)).result(LONG)
        left = pipeline["affine"].submit(torch.ones(256))
    gc.collect()
    assert y.equal(torch.full((256,), 3.0))
    del y, left  # page-locked memory is given back to the lane's stream
    assert torch.ones(4).pin_memory().sum() == 4
    assert "pinned" not in capfd.readouterr().err  # PyTorch only warns of a stream that is gone


def test_requests_from_the_cpu_and_calls_do_not_mix(models: Path, tmp_path: Path) -> None:
    file = affine_file(tmp_path, models, "check_outputs = true\n")
    with gl.Pipeline(file) as pipeline, ThreadPoolExecutor(1) as other:
        engine = pipeline["affine"]

        def call() -> list[float]:
            wrong = []
            for value in range(500):
                y = engine(torch.full((256,), float(value), device="cuda"))
                wrong.extend(y[y != 2 * value + 1].tolist())
            return wrong

        calls_wrong = other.submit(call)
        wrong = []
        for value in range(1000, 1500):
            y = engine.submit(torch.full((256,), float(value))).result(LONG)
            wrong.extend(y[y != 2 * value + 1].tolist())
        assert not calls_wrong.result(LONG)
    assert not wrong


def test_late_requests_from_the_cpu_leave_no_trace(models: Path, tmp_path: Path) -> None:
    file = affine_file(tmp_path, models, "request_queue = 200\n")
    with gl.Pipeline(file) as pipeline:
        for value in range(20):
            late = [pipeline["affine"].submit(torch.full((256,), -1.0), deadline_ms=1e-6) for _ in range(5)]
            run = pipeline["affine"].submit(torch.full((256,), float(value)))
            assert run.result(LONG).equal(torch.full((256,), 2.0 * value + 1))
            for each in late:
                with pytest.raises(gl.RequestError):
                    each.result(LONG)
