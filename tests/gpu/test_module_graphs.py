"""Resident graphs of modules: what a graph keeps as it was, and what is not captured."""

from pathlib import Path
from typing import Any, cast

import greenlane as gl
import pytest
import torch
from graph_checks import CALLS, Where, number, report
from torch import Tensor, nn
from where import sms_of, where


@pytest.fixture
def lanes() -> dict[str, gl.Lane]:
    """Three partitions."""
    return gl.partition("cuda:0", {"small": 16, "middle": 48, "large": gl.REST})


class Scale(nn.Module):
    """A module with a parameter, nested arguments and results, and a constant."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((1,), 3.0))

    def forward(self, given: dict[str, Tensor], *, offset: float = 0.0) -> tuple[Tensor, dict[str, Tensor | float]]:
        """Returns two tensors and a number."""
        y = given["x"] * self.weight + offset
        return y, {"twice": 2 * y, "offset": offset}


def test_each_shape_has_its_own_graph(lanes: dict[str, gl.Lane]) -> None:
    model = Scale().cuda()
    gl.set_external_stream(model, lanes["middle"], graphs="resident")
    with torch.inference_mode():
        for size in (4, 8, 4, 16, 8, 4):
            for _ in range(CALLS):
                x = torch.randn(size, device="cuda")
                y, more = model({"x": x}, offset=1.0)
                torch.testing.assert_close(y, 3 * x + 1)
                torch.testing.assert_close(more["twice"], 2 * y)
                assert more["offset"] == 1.0
        assert len(report(model).graphs) == 3
        for offset in (2.0, 3.0, 2.0):
            for _ in range(3):
                x = torch.randn(4, device="cuda")
                torch.testing.assert_close(model({"x": x}, offset=offset)[0], 3 * x + offset)
    gl.clear_external_stream(model)


def test_changed_weights_are_used(lanes: dict[str, gl.Lane]) -> None:
    """The weights change in place, or are replaced."""
    model = Scale().cuda()
    gl.set_external_stream(model, lanes["middle"], graphs="resident")
    x = torch.ones(4, device="cuda")
    with torch.inference_mode():
        for _ in range(CALLS):
            model({"x": x})
    with torch.no_grad():
        model.weight.fill_(5.0)
        torch.testing.assert_close(model({"x": x})[0], 5 * x)
        model.weight.data = torch.full((1,), 7.0, device="cuda")
        for _ in range(CALLS):
            torch.testing.assert_close(model({"x": x})[0], 7 * x)
    gl.clear_external_stream(model)


def test_a_counting_module_counts_each_call_once(lanes: dict[str, gl.Lane]) -> None:
    """Runs that time kernels change the count, which is then put back."""

    class Counter(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.count = nn.Buffer(torch.zeros(1))

        def forward(self, x: Tensor) -> Tensor:
            self.count.add_(1)
            return x + self.count

    model = Counter().cuda()
    gl.set_external_stream(model, lanes["small"], graphs="resident")
    with torch.no_grad():
        for call in range(1, 20):
            assert float(model(torch.zeros(1, device="cuda"))) == call
    assert report(model).graphs[0].replays == 18
    gl.clear_external_stream(model)


def test_gradients_are_recorded_eagerly(lanes: dict[str, gl.Lane]) -> None:
    model = Scale().cuda()
    gl.set_external_stream(model, lanes["small"], graphs="resident")
    x = torch.ones(4, device="cuda")
    with pytest.warns(UserWarning, match="gradients are recorded"):
        model({"x": x})
    for _ in range(CALLS):
        y, _ = model({"x": x})
    y.sum().backward()
    assert model.weight.grad is not None
    assert float(model.weight.grad) == 4
    gl.clear_external_stream(model)


class WaitsForTheDevice(nn.Module):
    """A module that cannot be captured."""

    def forward(self, x: Tensor) -> Tensor:
        """Reads a value on the host."""
        return x * float(x.sum())


class DrawsNumbers(nn.Module):
    """A module that cannot be captured either."""

    def forward(self, x: Tensor) -> Tensor:
        """Returns numbers between x and x + 1."""
        return x + torch.rand_like(x)


@pytest.mark.parametrize("kind", [WaitsForTheDevice, DrawsNumbers])
def test_an_uncapturable_module_runs_eagerly(
    kind: type[nn.Module], models: Path, lanes: dict[str, gl.Lane], capfd: pytest.CaptureFixture[str]
) -> None:
    model = kind().cuda()
    neighbour = gl.load(models / "affine.pt2", lane=lanes["small"], graphs="resident")
    gl.set_external_stream(model, lanes["small"], graphs="resident")
    x = torch.full((4,), 2.0, device="cuda")
    for _ in range(2 * CALLS):
        y = model(x)
        if kind is WaitsForTheDevice:
            torch.testing.assert_close(y, 8 * x)
        else:
            assert bool(((y >= x) & (y <= x + 1)).all())
    z = torch.arange(256, dtype=torch.float32, device="cuda")
    for _ in range(CALLS):
        torch.testing.assert_close(neighbour(z), 2 * z + 1)
    torch.cuda.synchronize()
    assert torch.rand(8, device="cuda").min() >= 0
    assert report(model).graphs == ()
    assert report(model).obstacle
    assert capfd.readouterr().err.count("runs without a CUDA graph") == 1
    gl.clear_external_stream(model)


def test_a_failed_capture_is_tried_again(lanes: dict[str, gl.Lane]) -> None:
    class Fails(nn.Module):
        failures = 0

        def forward(self, x: Tensor) -> Tensor:
            y = x * 2
            if Fails.failures:
                Fails.failures -= 1
                raise ValueError("the engine's own")
            return y + 1

    model = Fails().cuda()
    gl.set_external_stream(model, lanes["middle"], graphs="resident")
    x = torch.arange(64.0, device="cuda")
    model(x)
    Fails.failures = 2  # one in the capture, and one in the eager call after it
    with pytest.raises(ValueError, match="the engine's own"):
        model(x)
    for call in range(1000):
        torch.testing.assert_close(model(x + call), 2 * (x + call) + 1)
    assert report(model).graphs[0].replays >= 999
    gl.clear_external_stream(model)


class Outer(nn.Module):
    """A module with a part that is bound elsewhere, and with work of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Where()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the SMs of the part, and those of the rest."""
        return self.inner(x), where(x)


def test_a_rebound_inner_engine_moves(lanes: dict[str, gl.Lane]) -> None:
    """The engine is rebound, cleared, and bound for the first time after the module was captured."""
    model = Outer().cuda()
    gl.set_external_stream(model, {"": lanes["large"]}, graphs="resident")

    def units() -> tuple[int, int]:
        with torch.no_grad():
            used = [[len(sms_of(y)) for y in model(number())] for _ in range(CALLS)]
        assert all(each == used[0] for each in used)
        return used[0][0], used[0][1]

    large = lanes["large"].units
    assert units() == (large, large)
    for name in ("small", "middle", "small"):
        gl.set_external_stream(model, {"inner": lanes[name]})
        assert units() == (lanes[name].units, large)
    gl.clear_external_stream(model, ["inner"])
    assert units() == (large, large)
    assert report(model).graphs
    gl.clear_external_stream(model)


def test_every_replay_converts_autocast_weights(lanes: dict[str, gl.Lane]) -> None:
    model = nn.Sequential(nn.Linear(64, 64), nn.Linear(64, 64)).cuda()
    wanted = nn.Sequential(nn.Linear(64, 64), nn.Linear(64, 64)).cuda()
    wanted.load_state_dict(model.state_dict())
    gl.set_external_stream(model, lanes["middle"], graphs="resident")
    for _ in range(CALLS):
        with torch.no_grad(), torch.autocast("cuda", torch.float16):
            for _ in range(2):
                x = torch.randn(8, 64, device="cuda")
                torch.testing.assert_close(model(x), wanted(x), rtol=1e-2, atol=1e-2)
        for _ in range(4):
            torch.full((64, 64), 77.0, device="cuda")  # here the converted weights may have been
    assert report(model).graphs
    gl.clear_external_stream(model)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_an_input_is_changed_in_place(mode: type, lanes: dict[str, gl.Lane]) -> None:
    class Doubles(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.mul_(2) + 0

    model = Doubles().cuda()
    gl.set_external_stream(model, lanes["small"], graphs="resident")
    with mode():
        x = torch.ones(4, device="cuda")
        for turn in range(1, 8):
            assert float(model(x)[0]) == 2**turn
            assert float(x[0]) == 2**turn
    assert report(model).graphs[0].replays == 6
    gl.clear_external_stream(model)


def test_a_module_that_replaces_its_state_runs_eagerly(lanes: dict[str, gl.Lane]) -> None:
    class Adds(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.sum = nn.Buffer(torch.zeros(4))

        def forward(self, x: Tensor) -> Tensor:
            self.register_buffer("sum", self.sum + x)
            return self.sum

    model = Adds().cuda()
    gl.set_external_stream(model, lanes["small"], graphs="resident")
    x = torch.ones(4, device="cuda")
    with torch.no_grad(), pytest.warns(UserWarning, match="a call replaces the tensor 'sum'"):
        assert [float(model(x)[0]) for _ in range(7)] == list(range(1, 8))
    gl.clear_external_stream(model)


def test_a_capture_does_not_recompile_a_compiled_module(lanes: dict[str, gl.Lane]) -> None:
    compiled = cast(nn.Module, torch.compile(nn.Sequential(nn.Linear(32, 32), nn.ReLU()).cuda()))
    gl.set_external_stream(compiled, lanes["middle"], graphs="resident")
    with torch.inference_mode():
        for _ in range(CALLS):
            x = torch.randn(8, 32, device="cuda")
            y = compiled(x)
    assert report(compiled).obstacle == ""
    assert report(compiled).graphs[0].replays >= 3
    with torch.inference_mode():
        torch.testing.assert_close(y, cast(Any, compiled)._orig_mod(x))
    gl.clear_external_stream(compiled)


def test_graphs_of_inductor_are_refused(lanes: dict[str, gl.Lane]) -> None:
    """Such graphs were measured to run on all SMs whatever stream is current."""
    compiled = cast(nn.Module, torch.compile(Scale().cuda(), mode="reduce-overhead"))
    with pytest.raises(ValueError, match="CUDA graphs of its own"):
        gl.set_external_stream(compiled, lanes["small"])
