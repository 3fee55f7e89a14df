"""Modules that are engines of pipelines, on the CPU, where they run in Python."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import greenlane as gl
import pytest
import torch
from cli.program import config, engine
from torch import Tensor, nn

from python.children import run_program
from python.pipelines import LONG, eventually
from python.probes import this_thread

X = torch.arange(6.0).reshape(2, 3)
UNLIKE = (
    r"input 0 does not fit engine 'detector': it is float32 \[1, 3\], and the recorded input is float32 \[2, 3\]; pass "
    r"a tensor like the recorded one, record other inputs, or set `python = true`"
)


class Detector(nn.Module):
    """A module with nested arguments and results."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2.0))
        self.threads: list[str] = []

    def forward(self, x: Tensor, options: dict[str, Any], *, bias: Tensor | None = None) -> dict[str, Any]:
        self.threads.append(this_thread())
        scaled = x * self.scale + options["offset"]
        return {"boxes": scaled if bias is None else scaled + bias, "info": (x.sum(), "v1", 3)}


class Counter(nn.Module):
    """A module with a buffer that each call changes."""

    def __init__(self) -> None:
        super().__init__()
        self.count = nn.Buffer(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.count.add_(1)
        return x + self.count


class Checks(nn.Module):
    """A module that fails for negative numbers."""

    def forward(self, x: Tensor) -> Tensor:
        if x.min() < 0:
            raise ValueError("a number is negative")
        return x.sqrt()


def table(name: str, inputs: Path, **keys: Any) -> str:
    lines = [f"[engine.{name}]", f"module = '{keys.pop('module', name)}'", f"inputs = '{inputs}'"]
    return "\n".join([*lines, *(f"{key} = {str(value).lower()}" for key, value in keys.items())]) + "\n"


def save(folder: Path, value: Any, name: str = "inputs") -> Path:
    torch.save(value, folder / f"{name}.pt")
    return folder / f"{name}.pt"


@contextlib.contextmanager
def serving(folder: Path, module: nn.Module, inputs: Any, **keys: Any) -> Iterator[gl.Pipeline]:
    file = config(folder, table("detector", save(folder, inputs), **keys))
    with gl.Pipeline(file, mode="shared", modules={"detector": module}) as pipeline:
        yield pipeline


@pytest.fixture
def detector(tmp_path: Path) -> Iterator[tuple[gl.PipelineEngine, Detector]]:
    module = Detector()
    with serving(tmp_path, module, ((X, {"offset": 1}), {"bias": torch.ones(3)})) as pipeline:
        yield pipeline["detector"], module


def test_a_module_is_called_and_submitted_as_it_is_nested(detector: tuple[gl.PipelineEngine, Detector]) -> None:
    served, module = detector
    bias = torch.arange(3.0)
    for result in (served(X, {"offset": 1}, bias=bias), served.submit(X, {"offset": 1}, bias=bias).result(LONG)):
        assert torch.equal(result["boxes"], X * 2 + 1 + bias)
        assert not result["boxes"].requires_grad
        total, version, number = result["info"]
        assert (total, version, number) == (X.sum(), "v1", 3)
    assert module.threads[-2:] == ["detector", "detector"]


def test_changes_of_a_module_in_python_count_at_once(detector: tuple[gl.PipelineEngine, Detector]) -> None:
    served, module = detector
    module.scale.data.fill_(5.0)
    assert torch.equal(served(X, {"offset": 1}, bias=torch.zeros(3))["boxes"], X * 5 + 1)


@pytest.mark.parametrize(
    ("args", "kwargs", "error", "message"),
    [
        ((X, {"offset": 1}), {}, TypeError, "nested otherwise than its recorded inputs.*; pass them as recorded, or"),
        ((X, {"other": 1}), {"bias": X[0]}, TypeError, "nested otherwise than its recorded inputs"),
        ((X, {"offset": 1}), {"bias": X[0], "more": 1}, TypeError, "nested otherwise than its recorded inputs"),
        ((X, {"offset": 2}), {"bias": X[0]}, TypeError, "is 2, and the recorded one is 1: arguments that are no tens"),
        ((X, {"offset": X}), {"bias": X[0]}, TypeError, "is a tensor, and the recorded one is 1"),
        ((X, {"offset": 1}), {"bias": None}, TypeError, "is None, and the recorded one is a tensor"),
        ((X, {"offset": object()}), {"bias": X[0]}, TypeError, "it was given a object; use tensors, numbers, texts"),
        ((X[:1], {"offset": 1}), {"bias": X[0]}, RuntimeError, UNLIKE),
        ((X.int(), {"offset": 1}), {"bias": X[0]}, RuntimeError, r"it is int32 \[2, 3\], and the recorded input is"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("way", ["call", "submit"])
def test_arguments_unlike_the_recorded_ones_are_refused(
    detector: tuple[gl.PipelineEngine, Detector],
    way: str,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    served: Callable[..., Any] = detector[0] if way == "call" else detector[0].submit
    with pytest.raises(error, match=message):
        served(*args, **kwargs)


def test_python_true_takes_other_shapes(tmp_path: Path) -> None:
    with serving(tmp_path, Checks(), [X], python=True) as pipeline:
        assert torch.equal(pipeline["detector"](torch.full((5,), 4.0)), torch.full((5,), 2.0))
        with pytest.raises(RuntimeError, match="input 0 does not fit engine 'detector': it is on meta, and the engine"):
            pipeline["detector"](torch.empty(5, device="meta"))


def test_a_module_that_fails_fails_its_run_alone(tmp_path: Path) -> None:
    with serving(tmp_path, Checks(), [X]) as pipeline:
        served = pipeline["detector"]
        message = "the module of engine 'detector' failed: ValueError: a number is negative; call the module on these"
        with pytest.raises(RuntimeError, match=message):
            served(X - 9)
        with pytest.raises(RuntimeError, match=message):
            served.submit(X - 9).result(LONG)
        assert pipeline.stats().engines["detector"].figures.failed == 2
        assert torch.equal(served(X), X.sqrt())


def test_a_module_that_fails_on_its_recorded_inputs_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(
            RuntimeError, match=r"pipeline.toml: engine.detector: the module of engine 'detector' failed: Val"
        ),
        serving(tmp_path, Checks(), [X - 9]),
    ):
        pass


def test_opening_puts_back_what_calls_write_to(tmp_path: Path) -> None:
    counter = Counter()
    with serving(tmp_path, counter, [X]) as pipeline:
        assert counter.count == 0
        assert torch.equal(pipeline["detector"](X), X + 1)
        assert torch.equal(pipeline["detector"].submit(X).result(LONG), X + 2)
    assert counter.count == 2, "closing leaves the program's state alone"


def test_a_stateful_module_runs_as_often_as_it_is_called(tmp_path: Path) -> None:
    calls: list[int] = []

    class Counts(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            calls.append(1)
            return x

    with serving(tmp_path, Counts(), [X], stateful=True) as pipeline:
        assert calls == []
        pipeline["detector"](X)
        assert calls == [1]


def test_stats_list_a_module_as_in_python(detector: tuple[gl.PipelineEngine, Detector], tmp_path: Path) -> None:
    with serving(tmp_path, Checks(), [X]) as pipeline:
        stats = pipeline.stats().engines["detector"]
        assert stats.in_python
        assert stats.graphs is None


def test_recapture_of_a_module_in_python_does_nothing(tmp_path: Path, models: Path) -> None:
    file = config(tmp_path, table("detector", save(tmp_path, [X])), engine("policy", models / "affine.pt2"))
    counter = Counter()
    pipeline = gl.Pipeline(file, mode="shared", modules={"detector": counter})
    pipeline.recapture("detector")
    assert counter.count == 0
    with pytest.raises(RuntimeError, match="'policy' cannot be captured again: it is a package, which does not change"):
        pipeline.recapture("policy")
    with pytest.raises(KeyError, match="has no engine 'nobody'"):
        pipeline.recapture("nobody")
    pipeline.close()
    with pytest.raises(gl.RequestError) as error:
        pipeline.recapture("detector")
    assert error.value.reason == "closed"


@pytest.mark.parametrize(
    ("value", "args", "kwargs"),
    [
        ([X, X], (X, X), {}),
        ((X, X), (X, X), {}),
        (X, (X,), {}),
        ({"x": X, "y": X}, (), {"x": X, "y": X}),
        (((X,), {"y": X}), (X,), {"y": X}),
        ([[X, 2.0], {"k": None}], ([X, 2.0], {"k": None}), {}),
    ],
)
def test_recorded_inputs_have_these_forms(tmp_path: Path, value: Any, args: Any, kwargs: Any) -> None:
    seen: list[Any] = []

    class Sees(nn.Module):
        def forward(self, *args: Any, **kwargs: Any) -> Tensor:
            seen.append((args, kwargs))
            return X

    with serving(tmp_path, Sees(), value) as pipeline:
        pipeline["detector"](*args, **kwargs)
    assert repr(seen[0]) == repr(seen[-1]) == repr((args, kwargs))


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ("text", ValueError, "inputs.pt' holds no arguments: it is a str; save the arguments with torch.save: a list"),
        ([object], TypeError, "its recorded inputs hold a .*; use tensors, numbers, texts and None"),
        ([Path("x")], ValueError, "inputs.pt' cannot be read: .*; save the arguments with torch.save"),
        ([torch.float32], TypeError, "its recorded inputs hold a dtype"),
    ],
)
def test_wrong_recorded_inputs_are_refused(tmp_path: Path, value: Any, error: type[Exception], message: str) -> None:
    with pytest.raises((error, ValueError), match=f"{message}|cannot be read"), serving(tmp_path, Checks(), value):
        pass


def test_a_damaged_file_of_inputs_is_refused(tmp_path: Path) -> None:
    file = config(tmp_path, table("detector", tmp_path / "inputs.pt"))
    (tmp_path / "inputs.pt").write_bytes(b"nothing")
    with pytest.raises(
        ValueError, match=r"the recorded inputs in '.*inputs.pt' cannot be read: .*; save the arguments"
    ):
        gl.Pipeline(file, modules={"detector": Checks()})


def test_a_module_must_return_tensors_in_one_nesting(tmp_path: Path) -> None:
    class Grows(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.calls = 0

        def forward(self, x: Tensor) -> Any:
            self.calls += 1
            return [x, self.calls]

    with (
        pytest.raises(RuntimeError, match="other values that are no tensors, than at its first call; return tensors"),
        serving(tmp_path, Grows(), [X]),
    ):
        pass


@pytest.mark.parametrize(
    ("modules", "error", "message"),
    [
        (None, ValueError, "'detector' is missing in modules; the file's modules are: 'detector'. Give"),
        ({"other": Checks()}, ValueError, "'detector' is missing in modules; 'other' is in modules, and no"),
        ({"detector": Checks(), "b": Checks()}, ValueError, r"'.*pipeline.toml': 'b' is in modules, and no"),
        ([Checks()], TypeError, "give a mapping from names to modules, or None"),
        ({"detector": torch.sin}, TypeError, r"modules\['detector'\] is .*: give a torch.nn.Module"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("function", [gl.Pipeline, gl.plan, gl.profile])
def test_the_names_of_modules_must_fit(
    tmp_path: Path, function: Callable[..., Any], modules: Any, error: type[Exception], message: str
) -> None:
    file = config(tmp_path, table("detector", save(tmp_path, [X])))
    with pytest.raises(error, match=message):
        function(file, modules=modules)


def test_modules_for_a_file_without_modules_are_refused(tmp_path: Path, models: Path) -> None:
    file = config(tmp_path, engine("policy", models / "affine.pt2"))
    with pytest.raises(
        ValueError, match=r"'detector' is in modules, and no engine is that module; the file's .*: none"
    ):
        gl.Pipeline(file, modules={"detector": Checks()})


def test_a_bound_module_is_refused(tmp_path: Path) -> None:
    file = config(tmp_path, table("detector", save(tmp_path, [X])))
    inner, outer = Checks(), nn.Sequential(Checks())
    gl.bind(inner, gl.lane("cpu"))
    gl.bind(outer, {"0": gl.lane("cpu")})
    for module, name in ((inner, r"modules\['detector'\]"), (outer, r"'0' in modules\['detector'\]")):
        with pytest.raises(ValueError, match=f"{name} is bound to a lane, .*: clear the binding first"):
            gl.Pipeline(file, modules={"detector": module})


def test_a_module_on_another_device_is_refused(tmp_path: Path) -> None:
    file = config(tmp_path, table("detector", save(tmp_path, [X])))
    with pytest.raises(RuntimeError, match=r"module 'detector' is on meta: the lane of its engine is on cpu; move the"):
        gl.Pipeline(file, modules={"detector": nn.Linear(3, 3, device="meta")})
    mixed = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3, device="meta"))
    with pytest.raises(ValueError, match=r"modules\['detector'\] is on several devices \(cpu, meta\): move it to one"):
        gl.Pipeline(file, modules={"detector": mixed})


def test_two_engines_may_share_a_module(tmp_path: Path) -> None:
    inputs = save(tmp_path, [X])
    file = config(tmp_path, table("one", inputs, module="m"), table("two", inputs, module="m"))
    with gl.Pipeline(file, mode="shared", modules={"m": Checks()}) as pipeline:
        assert torch.equal(pipeline["one"](X), pipeline["two"](X))


def test_a_pipeline_with_modules_is_profiled_and_planned(tmp_path: Path, models: Path) -> None:
    policy = engine("policy", models / "affine.pt2", rate_hz=20, deadline_ms=1000)
    file = config(tmp_path, policy, table("detector", save(tmp_path, [X])))
    counter = Counter()
    modules = {"detector": counter}
    profile = gl.profile(file, seconds=0.02, modules=modules)
    assert list(profile.engines) == ["policy", "detector"]
    plan = gl.plan(file, profile, seconds=0.05, budget=5, modules=modules)
    assert plan.engines["detector"].measured_p99_us is not None
    assert counter.count == 0, "profiling and planning put the state back"
    assert gl.plan(file, profile, verify=False).engines.keys() == plan.engines.keys()
    with gl.Pipeline(file, plan, modules=modules) as pipeline:
        assert torch.equal(pipeline["detector"](X), X + 1)


def test_a_timer_runs_a_module_without_inputs(tmp_path: Path) -> None:
    class Clock(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.ticks = nn.Buffer(torch.zeros(()))

        def forward(self) -> Tensor:
            self.ticks.add_(1)
            return self.ticks.clone()

    clock = Clock()
    with serving(tmp_path, clock, [], rate_hz=200) as pipeline:
        assert clock.ticks == 0
        pipeline.start()
        assert eventually(lambda: clock.ticks >= 3)
        pipeline.stop()
        ticks = clock.ticks.clone()
        figures = pipeline.stats().engines["detector"].figures
        assert figures.runs == ticks
        assert pipeline["detector"]() == ticks + 1


def test_modules_do_not_hold_the_lock_that_a_waiting_thread_needs(tmp_path: Path) -> None:
    """A module waits for a thread of Python's, which waits for the module's run."""
    go = threading.Event()

    class Waits(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            if x.sum() == 0:
                assert go.wait(LONG)
            return x

    with serving(tmp_path, Waits(), [X]) as pipeline:
        run = pipeline["detector"].submit(torch.zeros(2, 3))
        threading.Timer(0.05, go.set).start()
        assert torch.equal(run.result(LONG), torch.zeros(2, 3))
        go.clear()
        threading.Timer(0.05, go.set).start()
        assert torch.equal(pipeline["detector"](torch.zeros(2, 3)), torch.zeros(2, 3))


@pytest.mark.parametrize("code", ["runs = [served.submit(x) for _ in range(20)]", "del pipeline, served"])
def test_a_program_with_a_module_ends(tmp_path: Path, code: str) -> None:
    program = f"""
import sys, time, torch, greenlane as gl

class Model(torch.nn.Module):
    def forward(self, x):
        time.sleep(0.02)
        return x

pipeline = gl.Pipeline(sys.argv[1], mode="shared", modules={{"detector": Model()}})
served = pipeline["detector"]
x = torch.ones(2, 3)
{code}
"""
    done = run_program(program, config(tmp_path, table("detector", save(tmp_path, [X]))))
    assert (done.returncode, done.stderr) == (0, "")


def test_late_requests_may_be_dropped_while_others_run(tmp_path: Path) -> None:
    """Inputs that a module has seen need the lock of Python to be freed, and a dropped request gives its own back."""
    program = """
import sys, torch, greenlane as gl

with gl.Pipeline(sys.argv[1], mode="shared", modules={"detector": torch.nn.Identity()}) as pipeline:
    served, x, late = pipeline["detector"], torch.ones(2, 3), []
    for _ in range(50):
        runs = [served.submit(x) for _ in range(30)]
        late.extend(served.submit(x, deadline_ms=1e-6) for _ in range(30))
        while len(late) > 30:
            late.pop(0)
            for _ in range(200):
                pass  # the engine's thread waits for Python's lock
        for run in runs:
            assert run.result(20).equal(x)
"""
    keys = {"python": True, "request_queue": 100}
    done = run_program(program, config(tmp_path, table("detector", save(tmp_path, [X]), **keys)))
    assert (done.returncode, done.stderr) == (0, "")
