"""A module on a lane of the CPU finds the settings of the thread that calls it."""

import contextvars
import decimal
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import greenlane as gl
import pytest
import torch
import torch._dynamo
from torch import nn

VARIABLE = contextvars.ContextVar("VARIABLE", default="default")


class Asks(nn.Module):
    """A module whose forward returns what a function returns."""

    def __init__(self, ask: Callable[[], object]) -> None:
        super().__init__()
        self.ask = ask

    def forward(self) -> object:
        return self.ask()


def asked(lane: gl.Lane, ask: Callable[[], object]) -> object:
    """Returns what `ask` returns in a module on the lane."""
    module = Asks(ask)
    gl.set_external_stream(module, lane)
    return module()


def test_context_variables_reach_the_lane(a: gl.Lane) -> None:
    token = VARIABLE.set("caller")
    try:
        assert asked(a, VARIABLE.get) == "caller"
    finally:
        VARIABLE.reset(token)
    assert asked(a, VARIABLE.get) == "default"


def test_the_caller_sees_context_variables_of_the_module(a: gl.Lane) -> None:
    def set_it() -> None:
        VARIABLE.set("module")

    def in_a_context() -> str:
        asked(a, set_it)
        return VARIABLE.get()

    assert contextvars.copy_context().run(in_a_context) == "module"
    assert VARIABLE.get() == "default"


def test_context_variables_pass_from_lane_to_lane(a: gl.Lane, b: gl.Lane) -> None:
    inner = Asks(VARIABLE.get)
    gl.set_external_stream(inner, b)
    token = VARIABLE.set("caller")
    try:
        assert asked(a, inner) == "caller"
    finally:
        VARIABLE.reset(token)


def test_context_variables_of_threads_are_separate(a: gl.Lane) -> None:
    def call(name: str) -> None:
        VARIABLE.set(name)
        found.add((name, asked(a, VARIABLE.get)))

    found: set[tuple[str, object]] = set()
    threads = [threading.Thread(target=call, args=(str(i),)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == {(str(i), str(i)) for i in range(4)}


def test_context_variables_are_set_when_the_module_raises(a: gl.Lane) -> None:
    def fail() -> None:
        raise ValueError(VARIABLE.get())

    token = VARIABLE.set("caller")
    try:
        with pytest.raises(ValueError, match=r"^caller$"):
            asked(a, fail)
    finally:
        VARIABLE.reset(token)


def test_patched_configuration_reaches_the_lane(a: gl.Lane) -> None:
    with torch._dynamo.config.patch(recompile_limit=3):
        assert asked(a, lambda: torch._dynamo.config.recompile_limit) == 3


def flush_denormal() -> AbstractContextManager[None]:
    class Flush(nullcontext[None]):
        def __enter__(self) -> None:
            torch.set_flush_denormal(True)

        def __exit__(self, *_: object) -> None:
            torch.set_flush_denormal(False)

    return Flush()


def rounded() -> AbstractContextManager[object]:
    return decimal.localcontext(decimal.Context(prec=5))


def new(*_: object) -> torch.Tensor:
    return torch.ones(2)


def saved_shape() -> object:
    """Returns the shape of the tensor that autograd saves for the backward of exp()."""
    node: Any = torch.ones(1, requires_grad=True).exp().grad_fn
    return node._saved_result.shape


SETTINGS: dict[str, tuple[Callable[[], AbstractContextManager[object]], Callable[[], object]]] = {
    "no_grad": (torch.no_grad, torch.is_grad_enabled),
    "enable_grad in no_grad": (torch.enable_grad, torch.is_grad_enabled),
    "inference_mode": (torch.inference_mode, torch.is_inference_mode_enabled),
    "autocast": (lambda: torch.autocast("cpu", dtype=torch.float16), lambda: (new() @ new().reshape(2, 1)).dtype),
    "autocast's dtype": (lambda: torch.autocast("cpu", dtype=torch.float16), lambda: torch.get_autocast_dtype("cpu")),
    "autocast's cache": (lambda: torch.autocast("cpu", cache_enabled=False), torch.is_autocast_cache_enabled),
    "autocast of another device": (
        lambda: torch.autocast("cuda", enabled=False),
        lambda: (torch.is_autocast_enabled("cuda"), torch.get_autocast_dtype("cuda")),
    ),
    "default device": (lambda: torch.device("meta"), lambda: (torch.get_default_device().type, new().device.type)),
    "saved tensors' hooks": (
        lambda: torch.autograd.graph.saved_tensors_hooks(lambda x: "packed", lambda x: torch.ones(())),
        saved_shape,
    ),
    "torch function disabled": (torch._C.DisableTorchFunctionSubclass, torch._C._is_torch_function_enabled),
    "denormal numbers": (flush_denormal, lambda: (torch.full((1,), 1e-40) * 1.0).item() == 0),
    "decimal context": (rounded, lambda: decimal.getcontext().prec),
}


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("is_partition", [False, True], ids=["device", "partition"])
def test_settings_of_the_caller_apply_during_the_call(name: str, is_partition: bool) -> None:
    enter, ask = SETTINGS[name]
    lane = gl.partition("cpu", {"a": 1})["a"] if is_partition else gl.lane("cpu", "a")
    with torch.no_grad() if name == "enable_grad in no_grad" else nullcontext():
        before = ask()
        assert asked(lane, ask) == before
        with enter():
            expected = ask()
            assert expected != before or name == "autocast of another device"
            assert asked(lane, ask) == expected
        assert asked(lane, ask) == before, "the lane kept the caller's setting after the call"


def test_the_default_dtype_applies_on_the_lane(a: gl.Lane) -> None:
    torch.set_default_dtype(torch.float64)
    try:
        assert asked(a, lambda: torch.ones(1).dtype) == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


def test_an_unpinned_lane_has_the_callers_number_of_threads(a: gl.Lane) -> None:
    before = torch.get_num_threads()
    asked(a, torch.get_num_threads)
    torch.set_num_threads(1)
    try:
        assert asked(a, torch.get_num_threads) == 1
    finally:
        torch.set_num_threads(before)
    assert asked(a, torch.get_num_threads) == before


def test_a_partitions_lane_has_one_thread_per_core() -> None:
    lane = gl.partition("cpu", {"all": gl.REST})["all"]
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert asked(lane, torch.get_num_threads) == lane.units
    finally:
        torch.set_num_threads(before)
