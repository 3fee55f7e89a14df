"""The methods that Torch-TensorRT's engines gain, and calls of bound engines."""

import threading
from collections.abc import Callable

import greenlane as gl
import pytest
import torch
from python.probes import CALLER, lane_of, this_thread
from torch import Tensor, nn

from compat.stand_in import Accelerated, Engine, Model, in_a_process, lanes_of, new_engine, run, where


def state(engine: Engine) -> tuple[bool, int, str]:
    """Returns whether the engine is bound, the handle of its stream, and where a call runs now."""
    return engine.is_external_stream_set(), engine.get_external_stream(), where(engine)


UNBOUND = (False, 0, CALLER)


def bind(engine: Engine, lane: gl.Lane) -> gl.Binding:
    return gl.set_external_stream(Accelerated(engine), {"engine": lane})


def test_a_new_engine_is_unbound(engine: Engine) -> None:
    assert state(engine) == UNBOUND
    engine.clear_external_stream()  # not an error if it is not bound
    assert state(engine) == UNBOUND


@pytest.mark.parametrize("bound", [False, True])
@pytest.mark.parametrize(
    ("handle", "message"),
    [(0, "it is null"), (1, "legacy default"), (2, "per-thread default"), (0x1234, "the CPU has no streams")],
)
def test_an_invalid_handle_is_refused(engine: Engine, a: gl.Lane, handle: int, message: str, bound: bool) -> None:
    if bound:
        bind(engine, a)
    before = state(engine)
    with pytest.raises(RuntimeError, match=message):
        engine.set_external_stream(handle)
    assert state(engine) == before == ((True, 0, "a") if bound else UNBOUND)


def test_another_type_than_a_handle_is_refused(engine: Engine) -> None:
    for arguments in (("stream",), (None,), (), (0x1234, 0)):
        with pytest.raises(RuntimeError, match=r"set_external_stream\(\) "):
            engine.set_external_stream(*arguments)
    assert state(engine) == UNBOUND


def test_methods_and_functions_share_one_binding(engine: Engine, a: gl.Lane) -> None:
    module = Accelerated(engine)
    gl.set_external_stream(module, {"engine": a})
    assert engine.is_external_stream_set()
    assert engine.get_external_stream() == 0  # the CPU has no streams
    engine.clear_external_stream()
    assert not gl.is_external_stream_set(module, "engine")
    assert state(engine) == UNBOUND
    gl.set_external_stream(module, {"engine": a})
    gl.clear_external_stream(module)
    assert state(engine) == UNBOUND


@pytest.mark.filterwarnings("ignore:.*torch.jit.*deprecated")
def test_scripts_may_call_the_methods(engine: Engine, a: gl.Lane) -> None:
    class Asks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.engine = engine

        def forward(self) -> tuple[bool, int]:
            was_set = self.engine.is_external_stream_set()
            stream = self.engine.get_external_stream()
            self.engine.clear_external_stream()
            return was_set, stream

    asks = torch.jit.script(Asks())
    bind(engine, a)
    assert [asks(), asks()] == [(True, 0), (False, 0)]
    assert state(engine) == UNBOUND


def test_the_methods_exist_if_greenlane_is_loaded_last() -> None:
    code = """
import sys
from compat import stand_in
stand_in.load()
engine = stand_in.new_engine()
print("greenlane._native" in sys.modules, engine._has_method("is_external_stream_set"))
import greenlane as gl
print(engine.is_external_stream_set(), stand_in.where(engine))
gl.set_external_stream(stand_in.Accelerated(engine), {"engine": gl.lane("cpu", "a")})
print(engine.is_external_stream_set(), stand_in.where(engine))
"""
    assert in_a_process(code) == ["False False", f"False {CALLER}", "True a"]


def test_a_bound_engine_runs_on_its_lanes_worker(engine: Engine, a: gl.Lane) -> None:
    class Look(nn.Module):
        def forward(self) -> int:
            return threading.get_native_id()

    look = Look()
    gl.set_external_stream(look, a)
    with bind(engine, a):
        for inputs in ([], [torch.ones(2)], [torch.ones(2), torch.zeros(0), torch.tensor([[3]])]):
            assert run(engine, *inputs) == look() != threading.get_native_id()
    for inputs in ([], [torch.ones(2)], [torch.ones(2), torch.ones(1)]):
        assert run(engine, *inputs) == threading.get_native_id()


@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_a_binding_does_not_change_the_results(engine: Engine, a: gl.Lane, mode: Callable[[], object]) -> None:
    inputs = [
        torch.arange(6.0).reshape(2, 3).t(),
        torch.ones(2, dtype=torch.float16),
        torch.tensor(5, dtype=torch.int32),
        torch.ones(3, requires_grad=True),
    ]

    def look() -> list[object]:
        with mode():  # type: ignore[attr-defined]
            *outputs, thread = torch.ops.tensorrt.execute_engine(inputs, engine)
        facts: list[object] = [(each.is_inference(), each.requires_grad, each.stride(), each.dtype) for each in outputs]
        return [*facts, [each.tolist() for each in outputs], lane_of(int(thread))]

    *unbound, here = look()
    bind(engine, a)
    *bound, there = look()
    assert bound == unbound
    assert (here, there) == (CALLER, "a")


def first_line(call: Callable[[], object]) -> str:
    with pytest.raises(RuntimeError) as error:
        call()
    return str(error.value).splitlines()[0]


def test_an_engines_exception_is_unchanged(model: Model, a: gl.Lane, b: gl.Lane) -> None:
    broken = new_engine("broken", "broken")
    model._run_on_acc_0.engine = broken
    fine = model._run_on_acc_1.engine
    for lane in (None, a):
        if lane:
            gl.set_external_stream(model, {"_run_on_acc_0.engine": lane, "_run_on_acc_1.engine": b})
        for _ in range(3):
            assert first_line(lambda: model(torch.ones(4))) == "this engine is broken"
            assert first_line(lambda: run(broken)) == "this engine is broken"
        assert broken.is_external_stream_set() == bool(lane)
        assert where(fine) == ("b" if lane else CALLER)
    bind(fine, a)
    assert where(fine) == "a"  # the worker of a lane goes on after an error
    with pytest.raises(RuntimeError, match="this engine is broken"), bind(broken, b):
        run(broken)
    gl.clear_external_stream(model)
    assert this_thread() == where(fine) == CALLER


def test_an_unbound_engine_runs_on_the_callers_thread(model: Model, a: gl.Lane) -> None:
    gl.set_external_stream(model, {"_run_on_acc_0.engine": a})
    assert lanes_of(model) == ("a", CALLER)
    assert where(new_engine()) == CALLER


def test_a_rebound_engine_runs_on_its_new_lane(engine: Engine, a: gl.Lane, b: gl.Lane) -> None:
    bind(engine, a)
    assert state(engine) == (True, 0, "a")
    bind(engine, b)
    assert state(engine) == (True, 0, "b")
    with bind(engine, a):
        with bind(engine, b):
            with bind(engine, b):
                assert state(engine) == (True, 0, "b")
            assert state(engine) == (True, 0, "b")
        assert state(engine) == (True, 0, "a")
    assert state(engine) == (True, 0, "b")
    engine.clear_external_stream()
    assert state(engine) == UNBOUND


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt])
def test_a_context_restores_the_former_binding(
    engine: Engine, a: gl.Lane, b: gl.Lane, kind: type[BaseException]
) -> None:
    bind(engine, a)
    with pytest.raises(kind), bind(engine, b):
        raise kind
    assert state(engine) == (True, 0, "a")
    with bind(engine, b):
        engine.clear_external_stream()
    assert state(engine) == (True, 0, "a")


def test_an_engine_may_leave_its_modules_lane(model: Model, a: gl.Lane, b: gl.Lane) -> None:
    """The calls go from a lane's worker onto the same lane, and onto another one."""
    seen: list[str] = []
    model.register_forward_pre_hook(lambda *_: seen.append(this_thread()))
    outer = nn.Sequential(model)
    gl.set_external_stream(outer, {"": a, "0._run_on_acc_1.engine": b})
    assert lanes_of(outer) == ("a", "b")
    assert seen == ["a"]


def test_a_module_may_rebind_its_engine_during_a_call(engine: Engine, a: gl.Lane, b: gl.Lane) -> None:
    class Rebinds(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.engine = engine

        def forward(self, x: Tensor) -> list[str]:
            seen = [this_thread(), where(self.engine)]
            with gl.set_external_stream(self, {"engine": b}):
                seen.append(where(self.engine))
            self.engine.clear_external_stream()
            return [*seen, where(self.engine)]

    module = Rebinds()
    gl.set_external_stream(module, a)
    assert module(torch.ones(1)) == ["a", "a", "b", "a"]  # unbound, it runs where its caller does
    assert state(engine) == UNBOUND


@pytest.mark.parametrize("device", ["", "gpu", "-1", "cpu1"])
def test_an_engine_without_a_known_device_is_refused(model: Model, a: gl.Lane, device: str, b: gl.Lane) -> None:
    gl.set_external_stream(model, {"first": a})
    strange = model._run_on_acc_1.engine = new_engine("strange", device=device)
    for streams in (b, {"first": b, "_run_on_acc_1.engine": b}):
        with pytest.raises(RuntimeError, match="'strange' cannot be bound: its device field has an unknown format"):
            gl.set_external_stream(model, streams)
    with pytest.raises(RuntimeError, match="'strange' cannot be bound: its device field has an unknown format"):
        strange.set_external_stream(0x1234)
    gl.clear_external_stream(model, ["_run_on_acc_1.engine"])
    assert not gl.is_external_stream_set(model, "_run_on_acc_1.engine")
    assert lanes_of(model) == ("a", CALLER)
    assert state(strange) == UNBOUND
