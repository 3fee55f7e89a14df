"""Gates: sliced graphs compute the same, stay in their lane, and let urgent engines pass."""

import threading
import time
from pathlib import Path

import greenlane as gl
import pytest
import torch
from torch import Tensor
from where import sms_of


def constant(value: float) -> Tensor:
    """Returns an input of the chain."""
    return torch.full((2048, 2048), value, dtype=torch.float16, device="cuda")


def slices_of(engine: gl.Engine) -> int:
    """Returns the number of slices of the engine's graph."""
    report = engine.graphs
    assert report is not None
    return report.graphs[0].slices


def test_slices_compute_the_same_as_the_whole_graph(models: Path) -> None:
    lane = gl.lane("cuda:0")
    engine = gl.load(models / "chain.pt2", lane=lane, graphs="resident")
    inputs = [torch.rand(2048, 2048, device="cuda").half() for _ in range(4)]
    for _ in range(3):
        engine(inputs[0])
    wanted = [engine(x) for x in inputs]
    assert slices_of(engine) == 1
    for gates in ("auto", "1us", "100us"):
        engine.set_gates(gates)
        for x, y in zip(inputs, wanted, strict=True):
            assert torch.equal(engine(x), y)
    engine.set_gates("1us")
    engine(inputs[0])
    assert slices_of(engine) >= 7
    engine.set_gates("off")
    assert torch.equal(engine(inputs[1]), wanted[1])
    assert slices_of(engine) == 1


def test_slices_stay_in_the_lane_after_a_rebind(models: Path) -> None:
    lanes = gl.partition("cuda:0", {"small": 16, "large": 48})
    engine = gl.load(models / "where.pt2", graphs="resident", gates="1us")
    x = torch.zeros(1, dtype=torch.int32, device="cuda")
    for name in ("small", "large", "small"):
        engine.bind(lanes[name])
        assert len(set().union(*(sms_of(engine(x)) for _ in range(5)))) == lanes[name].units


def test_urgent_and_best_effort_results_are_right(models: Path) -> None:
    before = gl.gate_report()
    best_effort = gl.load(models / "chain.pt2", lane=gl.lane("cuda:0"), graphs="resident", gates="50us")
    urgent = gl.load(models / "affine.pt2", lane=gl.lane("cuda:0", priority=-1), graphs="resident", urgent=5.0)
    stop = threading.Event()
    errors: list[BaseException] = []
    runs = 0

    def back_to_back() -> None:
        nonlocal runs
        try:
            x = constant(0.5)
            while not stop.is_set():
                assert float(best_effort(x).float().max()) == pytest.approx(0.5**8, rel=1e-2)
                runs += 1
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=back_to_back)
    thread.start()
    x = torch.arange(256, dtype=torch.float32, device="cuda")
    for turn in range(200):
        torch.testing.assert_close(urgent(x + turn), 2 * (x + turn) + 1)
        time.sleep(0.001)
    stop.set()
    thread.join()
    after = gl.gate_report()
    assert errors == []
    assert runs > 0
    assert after.passes - before.passes == 200


def test_the_gate_opens_after_its_limit(models: Path) -> None:
    before = gl.gate_report()
    best_effort = gl.load(models / "affine.pt2", lane=gl.lane("cuda:0"), graphs="resident", gates="auto")
    urgent = gl.load(models / "chain.pt2", lane=gl.lane("cuda:0"), graphs="resident", urgent=0.01)
    x, y = torch.arange(256, dtype=torch.float32, device="cuda"), constant(0.5)
    for _ in range(4):
        best_effort(x)
        urgent(y)
    torch.cuda.synchronize()
    for _ in range(20):
        urgent(y)
        torch.testing.assert_close(best_effort(x), 2 * x + 1)
    assert gl.gate_report().limits_hit > before.limits_hit


def test_an_engine_without_graphs_has_no_gates(models: Path) -> None:
    with pytest.raises(RuntimeError, match="cannot have gates"):
        gl.load(models / "affine.pt2", gates="auto")


def test_an_urgent_engine_does_not_wait_for_itself(models: Path) -> None:
    engine = gl.load(models / "chain.pt2", lane=gl.lane("cuda:0"), graphs="resident", urgent=1000.0, gates="50us")
    for _ in range(3):
        engine(constant(1.0))
    torch.cuda.synchronize()
    before = gl.gate_report()
    start = time.monotonic()
    engine(constant(1.0))
    torch.cuda.synchronize()
    assert time.monotonic() - start < 1, "the urgent engine waited for its own gate"
    assert gl.gate_report().held == before.held
    assert slices_of(engine) == 1
