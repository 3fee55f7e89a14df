"""Gates of bound modules: sliced graphs compute the same, and urgent modules pass."""

import threading
import time

import greenlane as gl
import pytest
import torch
from graph_checks import report
from torch import Tensor, nn


class Chain(nn.Module):
    """Sixteen products of matrices, one after another."""

    def forward(self, x: Tensor) -> Tensor:
        """Returns a power of x; every element is 1 for ones."""
        y = x
        for _ in range(16):
            y = y @ x / x.shape[0]
        return y


class Affine(nn.Module):
    """One small kernel."""

    def forward(self, x: Tensor) -> Tensor:
        """Doubles and adds one."""
        return 2 * x + 1


def constant(value: float) -> Tensor:
    return torch.full((2048, 2048), value, dtype=torch.float16, device="cuda")


@torch.inference_mode()
def test_slices_of_a_module_compute_the_same_as_the_whole_graph() -> None:
    model, lane = Chain(), gl.lane("cuda:0")
    inputs = [torch.rand(2048, 2048, device="cuda").half() for _ in range(4)]
    gl.bind(model, lane, graphs="resident")
    for _ in range(3):
        model(inputs[0])
    wanted = [model(x) for x in inputs]
    assert report(model).graphs[0].slices == 1
    for gates in ("auto", "1us", "100us"):
        gl.bind(model, lane, graphs="resident", gates=gates)
        for x, y in zip(inputs, wanted, strict=True):
            assert torch.equal(model(x), y)
    gl.bind(model, lane, graphs="resident", gates="1us")
    model(inputs[0])
    assert report(model).graphs[0].slices >= 8
    gl.bind(model, lane, graphs="resident")
    assert torch.equal(model(inputs[1]), wanted[1])
    assert report(model).graphs[0].slices == 1
    gl.clear_external_stream(model)


@pytest.mark.parametrize("graphs", ["resident", "off"])
def test_urgent_and_best_effort_modules_give_right_results(graphs: gl.Graphs) -> None:
    """An urgent module needs no graphs."""
    best_effort, urgent = Chain(), Chain()
    gl.bind(best_effort, gl.lane("cuda:0"), graphs="resident", gates="50us")
    gl.bind(urgent, gl.lane("cuda:0", priority=-1), graphs=graphs, urgent=5.0)
    before = gl.gate_report()
    stop = threading.Event()
    errors: list[BaseException] = []
    runs = 0

    @torch.inference_mode()
    def back_to_back() -> None:
        nonlocal runs
        try:
            x = constant(0.5)
            while not stop.is_set():
                assert float(best_effort(x).float().max()) == pytest.approx(0.5**17, rel=1e-1)
                runs += 1
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=back_to_back)
    thread.start()
    x = constant(1.0)
    with torch.inference_mode():
        for _ in range(200):
            assert torch.equal(urgent(x), x)
            time.sleep(0.001)
    stop.set()
    thread.join()
    after = gl.gate_report()
    assert errors == []
    assert runs > 0
    assert after.passes - before.passes == 200
    assert after.held > before.held
    gl.clear_external_stream(best_effort)
    gl.clear_external_stream(urgent)


@torch.inference_mode()
def test_an_urgent_module_opens_the_gate_when_it_fails() -> None:
    class Fails(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise ValueError("it fails")

    best_effort, urgent = Affine(), Fails()
    gl.bind(best_effort, gl.lane("cuda:0"), graphs="resident", gates="auto")
    x = torch.ones(8, device="cuda")
    for graphs in ("resident", "off"):
        gl.bind(urgent, gl.lane("cuda:0", priority=-1), graphs=graphs, urgent=60_000.0)
        with pytest.raises(ValueError, match="it fails"):
            urgent(x)
        for _ in range(4):
            assert torch.equal(best_effort(x), 2 * x + 1)
        gl.clear_external_stream(urgent)


@torch.inference_mode()
def test_a_binding_restores_the_former_options() -> None:
    model, x = Affine(), torch.ones(8, device="cuda")
    lane = gl.lane("cuda:0")
    gl.bind(model, lane, graphs="resident", gates="50us")
    with gl.bind(model, lane, urgent=1.0):
        assert gl.graph_report(model) is None
        before = gl.gate_report().passes
        model(x)
        assert gl.gate_report().passes == before + 1
    before = gl.gate_report().passes
    for _ in range(3):
        model(x)
    assert gl.gate_report().passes == before
    assert report(model).graphs[0].replays == 2
    gl.clear_external_stream(model)


def test_gates_need_graphs() -> None:
    with pytest.raises(ValueError, match="gates cut CUDA graphs: pass graphs='resident', too"):
        gl.bind(Affine(), gl.lane("cuda:0"), gates="auto")
