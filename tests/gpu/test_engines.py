"""Engines on lanes of a GPU: where they run, and what they compute."""

from pathlib import Path

import greenlane as gl
import pytest
import torch
from where import sms_of

ROBOT = Path(__file__).resolve().parents[2] / "examples" / "robot" / "build"


def test_an_engine_runs_on_the_sms_of_its_lane(models: Path) -> None:
    """The caller's stream does not matter: the default one, a plain one, or another lane's."""
    lanes = gl.partition("cuda:0", {"mine": 24, "other": 40})
    mine = gl.load(models / "where.pt2", lane=lanes["mine"])
    other = gl.load(models / "where.pt2", lane=lanes["other"])
    x = torch.zeros(1, dtype=torch.int32, device="cuda")
    torch.cuda.synchronize()
    expected = sms_of(mine(x))
    expected_other = sms_of(other(x))
    assert len(expected) == 24
    assert len(expected_other) == 40
    assert not expected & expected_other
    for stream in (torch.cuda.default_stream(), torch.cuda.Stream(), lanes["other"].torch_stream):
        with torch.cuda.stream(stream):
            for _ in range(3):
                assert sms_of(mine(x)) == expected
                assert sms_of(other(x)) == expected_other


def test_an_unbound_engine_follows_the_caller(models: Path) -> None:
    """An engine without a lane runs on the caller's stream, and in its partition if it has one."""
    engine = gl.load(models / "where.pt2")
    x = torch.zeros(1, dtype=torch.int32, device="cuda")
    assert len(sms_of(engine(x))) == gl.devices()[0].units
    lane = gl.partition("cuda:0", {"lane": 32})["lane"]
    with lane:
        assert len(sms_of(engine(x))) == 32


def test_rebinding_moves_an_engine(models: Path) -> None:
    """The binding takes effect at the next call."""
    lanes = gl.partition("cuda:0", {"small": 16, "large": 64})
    engine = gl.load(models / "where.pt2", lane=lanes["small"])
    x = torch.zeros(1, dtype=torch.int32, device="cuda")
    for name, units in [("small", 16), ("large", 64), ("small", 16)]:
        engine.bind(lanes[name])
        assert len(sms_of(engine(x))) == units
    engine.unbind()
    assert len(sms_of(engine(x))) == gl.devices()[0].units


@pytest.mark.parametrize("name", ["policy", "vision", "head"])
def test_outputs_equal_the_eager_reference(name: str) -> None:
    """Compares the example's engines, on a lane, with the reference that the export saved."""
    if not (ROBOT / f"{name}.pt2").exists():
        pytest.skip("the example models are not exported: python examples/robot/export.py")
    lane = gl.partition("cuda:0", {"lane": 48})["lane"]
    engine = gl.load(ROBOT / f"{name}.pt2", lane=lane)
    inputs = [tensor.cuda() for tensor in torch.load(ROBOT / f"{name}.inputs.pt")]
    expected = torch.load(ROBOT / f"{name}.outputs.pt")
    for _ in range(5):
        for got, want in zip(engine.run(inputs), expected, strict=True):
            torch.testing.assert_close(got.cpu(), want, rtol=2e-2, atol=2e-2)


def test_invalid_inputs_are_refused(models: Path) -> None:
    """The inputs are refused before anything runs, and the engine works afterwards."""
    engine = gl.load(models / "affine.pt2", lane=gl.partition("cuda:0", {"lane": 16})["lane"])
    good = torch.arange(256, dtype=torch.float32, device="cuda")
    for bad, message in [
        (good.cpu(), "it is on cpu, and the engine on cuda:0"),
        (good.double(), "compiled for float32"),
        (good[:5], "compiled for"),
        (torch.arange(512, dtype=torch.float32, device="cuda")[::2], "memory layout"),
    ]:
        with pytest.raises(RuntimeError, match=message):
            engine.run([bad])
    torch.testing.assert_close(engine(good), 2 * good + 1)


def test_a_call_keeps_the_current_stream(models: Path) -> None:
    """This is also true when the engine refuses its input."""
    engine = gl.load(models / "affine.pt2", lane=gl.partition("cuda:0", {"lane": 16})["lane"])
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        engine(torch.zeros(256, device="cuda"))
        assert torch.cuda.current_stream() == stream
        with pytest.raises(RuntimeError):
            engine(torch.zeros(3, device="cuda"))
        assert torch.cuda.current_stream() == stream
