"""Modules whose calls do not reach their forward, and bound modules that are scripted."""

from collections.abc import Callable
from typing import Any

import greenlane as gl
import pytest
import torch
from torch import Tensor, nn

from python.probes import CALLER, Probe, Traceable, where, where_op


class CallsPastForward(Probe):
    """A module whose __call__ goes past forward, as in some wrappers."""

    def __call__(self, x: Tensor) -> Tensor:
        return self.compute(x)

    def compute(self, x: Tensor) -> Tensor:
        return x * 2


class CallsTheBase(Probe):
    def __call__(self, *args: Any) -> Any:
        return super().__call__(*args)


class CallsForward(Probe):
    def __call__(self, x: Tensor) -> Tensor:
        return self.forward(x)


class CallsForwardWithin(Probe):
    def __call__(self, x: Tensor) -> Tensor:
        return next(self.forward(each) for each in (x,))


def test_a_call_method_without_forward_is_refused(a: gl.Lane) -> None:
    """It is refused, rather than bound without effect."""
    module = CallsPastForward()
    for root, name in ((module, ""), (nn.Sequential(module), "0")):
        with pytest.raises(ValueError, match=r"class 'CallsPastForward' has a __call__ of its own that never calls"):
            gl.set_external_stream(root, {name: a})
    assert not gl.is_external_stream_set(module)


@pytest.mark.parametrize("kind", [CallsTheBase, CallsForward, CallsForwardWithin])
def test_other_call_methods_can_be_bound(a: gl.Lane, kind: type[Probe]) -> None:
    module = kind()
    with gl.set_external_stream(module, a):
        assert where(module) == "a"
    assert where(module) == CALLER


def test_a_submodule_of_a_refused_module_can_be_bound(a: gl.Lane) -> None:
    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = Probe()

        def __call__(self, x: Tensor) -> Any:
            return self.inner(x)

    outer = Outer()
    gl.set_external_stream(outer, {"inner": a})
    outer(torch.ones(1))
    assert outer.inner.threads == ["a"]


@pytest.mark.filterwarnings("ignore:.*torch.jit.*deprecated")
@pytest.mark.parametrize("root", [lambda: Traceable(), lambda: nn.Sequential(Traceable())])
def test_scripting_a_bound_module_is_refused_with_a_remedy(a: gl.Lane, root: Callable[[], nn.Module]) -> None:
    module = root()
    name = "0" if isinstance(module, nn.Sequential) else ""
    owner = name or "Traceable"
    gl.set_external_stream(module, {name: a})
    with pytest.raises(TypeError, match=f"torch.jit.script cannot compile '{owner}' while it is bound") as error:
        torch.jit.script(module)
    assert "clear the binding first (greenlane.clear_external_stream), script the module" in str(error.value)
    assert where_op(module) == "a"
    gl.clear_external_stream(module)
    script = torch.jit.script(module)  # as the message says
    gl.set_external_stream(script, a)
    assert where_op(script) == "a"
