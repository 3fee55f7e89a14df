"""One engine has one binding: all its handles share it, copies do not have it, and it ends with the engine."""

import copy
import gc
import io
import pickle
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import greenlane as gl
import pytest
import torch
from greenlane._native import ops
from python.probes import CALLER

from compat.stand_in import (
    Accelerated,
    Engine,
    Model,
    another_handle,
    eventually,
    in_a_process,
    lanes_of,
    live_engines,
    new_engine,
    where,
)


def bind(engine: Engine, lane: gl.Lane) -> None:
    gl.set_external_stream(Accelerated(engine), {"engine": lane})


def test_all_handles_of_an_engine_share_one_binding(engine: Engine, a: gl.Lane, b: gl.Lane) -> None:
    handles = [engine, another_handle(engine), another_handle(engine)]
    for lane in (a, b):
        for each in handles:
            bind(each, lane)
            assert [where(other) for other in handles] == [lane.name] * 3
            assert all(other.is_external_stream_set() for other in handles)
            each.clear_external_stream()
            assert not any(other.is_external_stream_set() for other in handles)
    assert ops.binding_of(handles[1], True).identity() == ops.binding_of(engine, False).identity()


def test_a_binding_outlives_its_handle(engine: Engine, a: gl.Lane) -> None:
    other = another_handle(engine)
    bind(other, a)
    del other
    gc.collect()
    assert where(engine) == "a"


@pytest.mark.filterwarnings("ignore:.*torch.jit.*deprecated")
def test_module_script_and_program_share_their_engines(model: Model, a: gl.Lane) -> None:
    script = torch.jit.script(model)
    program = torch.export.export(model, (torch.ones(4),), strict=False)
    handles = [model.engines[0], script._run_on_acc_0.engine, program.constants["_run_on_acc_0.engine"]]
    for root in (model, script, program):
        with gl.set_external_stream(root, {"_run_on_acc_0.engine": a}):
            assert [each.is_external_stream_set() for each in handles] == [True] * 3
            assert [where(each) for each in handles] == ["a"] * 3
        assert not any(each.is_external_stream_set() for each in handles)


def saved(value: Any) -> Any:
    file = io.BytesIO()
    torch.save(value, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


@pytest.mark.parametrize("way", [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value)), saved])
def test_a_copy_of_an_engine_is_unbound(model: Model, a: gl.Lane, b: gl.Lane, way: Callable[[Any], Any]) -> None:
    gl.set_external_stream(model, {"first": a})
    engine = model.engines[0]
    for other in (way(engine), way(model).engines[0]):
        assert (other.is_external_stream_set(), where(other)) == (False, CALLER)
        bind(other, b)
        assert (where(engine), where(other)) == ("a", "b")
    assert b"greenlane" not in pickle.dumps(model)


@pytest.mark.parametrize("bound", [False, True])
def test_an_engine_is_freed_after_its_last_handle(a: gl.Lane, before: int, bound: bool) -> None:
    engine = new_engine()
    other, module = another_handle(engine), Accelerated(engine)
    if bound:
        gl.set_external_stream(module, {"engine": a})
    del engine, module
    gc.collect()
    assert not eventually(lambda: live_engines() == before, seconds=0.2)
    assert where(other) == ("a" if bound else CALLER)
    del other
    assert eventually(lambda: live_engines() == before)


def test_a_former_binding_does_not_keep_an_engine(a: gl.Lane, before: int) -> None:
    module = Accelerated(new_engine())
    with gl.set_external_stream(module, a):
        pass
    del module
    gc.collect()
    assert eventually(lambda: live_engines() == before)


@pytest.mark.usefixtures("before")
def test_a_freed_engine_releases_its_lane() -> None:
    lanes = gl.partition("cpu", {"engine's": gl.REST})
    engine, units = new_engine(), lanes["engine's"].units
    bind(engine, lanes.pop("engine's"))
    gc.collect()
    assert where(engine) == "engine's"
    with pytest.raises(RuntimeError, match=f"\"engine's\" holds {units}|'engine's' holds {units}"):
        gl.partition("cpu", {"other": units})
    del engine

    def are_free() -> bool:
        try:
            return gl.partition("cpu", {"other": units})["other"].units == units
        except RuntimeError:
            return False

    assert eventually(are_free)


def test_no_engine_inherits_a_binding(a: gl.Lane, before: int) -> None:
    """New engines get the addresses of old ones."""
    inherited = 0
    for i in range(1000):
        engine = new_engine(str(i))
        inherited += engine.is_external_stream_set() or where(engine) != CALLER
        bind(engine, a)
        assert where(engine) == "a"
        if i % 100 == 99:
            del engine
            assert eventually(lambda: live_engines() == before)
    assert inherited == 0


@pytest.mark.usefixtures("before")
def test_concurrent_first_binds_make_one_binding() -> None:
    everyone = threading.Barrier(4)
    engines = [new_engine() for _ in range(2000)]

    def identities(handles: list[Engine]) -> list[int]:
        everyone.wait(60)
        return [ops.binding_of(each, True).identity() for each in handles]

    with ThreadPoolExecutor(4) as threads:
        one, *others = threads.map(
            identities, [engines, engines, *[list(map(another_handle, engines))] * 2], timeout=60
        )
    assert others == [one] * 3
    assert len(set(one)) == 2000


@pytest.mark.usefixtures("before")
@pytest.mark.parametrize("clearing", [False, True])
def test_threads_may_call_an_engine_during_rebinds(a: gl.Lane, b: gl.Lane, clearing: bool) -> None:
    engine, done = new_engine(), threading.Event()
    bind(engine, a)

    def rebind(lane: gl.Lane) -> None:
        handle = another_handle(engine)
        while not done.is_set():
            bind(handle, lane)
            if clearing:
                handle.clear_external_stream()

    def call(_: int) -> set[str]:
        return {where(engine) for _ in range(100)}

    with ThreadPoolExecutor(8) as threads:
        rebinding = [threads.submit(rebind, lane) for lane in (a, b, a, b)]
        try:
            seen = set().union(*threads.map(call, range(4), timeout=120))
        finally:
            done.set()
        for each in rebinding:
            each.result(60)
    assert seen <= ({"a", "b", CALLER} if clearing else {"a", "b"})


@pytest.mark.parametrize("keep", ["engine", "None"])
def test_a_process_with_bound_engines_ends_normally(keep: str) -> None:
    code = f"""
from compat import stand_in
import greenlane as gl
stand_in.load()
lane = gl.lane("cpu", "a")
for _ in range(50):
    engine = stand_in.new_engine()
    gl.set_external_stream(stand_in.Accelerated(engine), {{"engine": lane}})
    assert stand_in.where(engine) == "a"
engine = {keep}
print("done")
"""
    assert in_a_process(code) == ["done"]


def test_refitting_keeps_only_module_bindings(a: gl.Lane, b: gl.Lane) -> None:
    """Refitting puts new engines into the modules."""
    by_module, by_engine = Model(), Model()
    gl.set_external_stream(by_module, {"_run_on_acc_0": a, "_run_on_acc_1": b})
    gl.set_external_stream(by_engine, {"_run_on_acc_0.engine": a, "second": b})
    for model in (by_module, by_engine):
        assert lanes_of(model) == ("a", "b")
        model._run_on_acc_0.engine, model._run_on_acc_1.engine = new_engine("first"), new_engine("second")
    assert (lanes_of(by_module), lanes_of(by_engine)) == (("a", "b"), (CALLER, CALLER))
