"""Torch-TensorRT modules whose engine is not set up yet (lazy_engine_init=True)."""

import sys
import types

import greenlane as gl
import pytest
import torch
from python.probes import CALLER, lane_of
from torch import Tensor, nn

from compat.stand_in import new_engine


class TorchTensorRTModule(nn.Module):
    """A stand-in for the class of stock Torch-TensorRT: only its engine and its device."""

    def __init__(self, device: str, other: torch.device | None = None) -> None:
        super().__init__()
        self.engine = None
        self.target_device = torch.device(device)  # from its settings
        if other is not None:
            self.register_buffer("constant", torch.zeros(1, device=other))

    def setup_engine(self) -> None:
        self.engine = new_engine("lazy", device=str(self.target_device))

    def forward(self, x: Tensor) -> str:
        if self.engine is None:
            self.setup_engine()
        _, thread = torch.ops.tensorrt.execute_engine([x], self.engine)
        return lane_of(int(thread))


@pytest.fixture(autouse=True)
def _stock(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("torch_tensorrt.dynamo.runtime._TorchTensorRTModule")
    vars(module)["TorchTensorRTModule"] = TorchTensorRTModule
    monkeypatch.setitem(sys.modules, module.__name__, module)


X = torch.ones(2)


def test_a_module_is_bound_before_its_engine_exists(a: gl.Lane, b: gl.Lane) -> None:
    module = TorchTensorRTModule("cpu")
    with gl.set_external_stream(module, a) as binding:
        assert binding.names == ("",)
        assert module(X) == "a"  # the call sets the engine up
        with gl.set_external_stream(module, b) as another:
            assert another.names == ("", "engine")
            assert module(X) == "b"
        assert module(X) == "a"
    assert module(X) == CALLER


@pytest.mark.parametrize(
    ("device", "message"),
    [("cpu", "stream 0x1234 cannot be a lane of cpu: the CPU has no streams"), ("cuda:1", "there is no CUDA device")],
)
def test_a_handle_finds_its_device_in_the_settings(device: str, message: str) -> None:
    """A module without parameters does not tell its device, and a handle does not either."""
    with pytest.raises(RuntimeError, match=message):
        gl.set_external_stream(TorchTensorRTModule(device), 0x1234)
    with pytest.raises(RuntimeError, match=message):
        gl.set_external_stream(nn.Sequential(TorchTensorRTModule(device), nn.ReLU()), 0x1234)


def test_the_settings_take_precedence_over_the_streams_device(a: gl.Lane) -> None:
    with pytest.raises(RuntimeError, match="there is no CUDA device"):  # not bound to a lane of the CPU
        gl.set_external_stream(TorchTensorRTModule("cuda:1"), a)


def test_settings_for_two_devices_are_refused(a: gl.Lane) -> None:
    modules = nn.ModuleList([TorchTensorRTModule("cuda:0"), TorchTensorRTModule("cuda:1")])
    with pytest.raises(ValueError, match="it is on cuda:0 and cuda:1: bind its submodules one by one"):
        gl.set_external_stream(modules, a)


def test_cpu_constants_do_not_decide_the_device(a: gl.Lane) -> None:
    with pytest.raises(RuntimeError, match="there is no CUDA device"):
        gl.set_external_stream(TorchTensorRTModule("cuda:0", torch.device("cpu")), a)


def test_an_existing_engine_decides_the_device(a: gl.Lane) -> None:
    module = TorchTensorRTModule("cpu")
    module.setup_engine()
    module.target_device = torch.device("cuda:1")
    assert gl.set_external_stream(module, a).names == ("", "engine")
    assert module(X) == "a"
