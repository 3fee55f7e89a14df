"""greenlane.load() and Engine."""

import gc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import greenlane as gl
import pytest
import torch
from torch import Tensor


def tensors(file: Path) -> list[Tensor]:
    loaded: list[Tensor] = torch.load(file)
    return loaded


@pytest.fixture
def lane() -> gl.Lane:
    return gl.partition("cpu", {"one": 1})["one"]


@pytest.mark.parametrize("model", ["affine", "pair", "threads", "throws"])
def test_an_engine_computes_the_same_as_pytorch(models: Path, lane: gl.Lane, model: str) -> None:
    engine = gl.load(models / f"{model}.pt2")
    inputs, expected = tensors(models / f"{model}.inputs.pt"), tensors(models / f"{model}.outputs.pt")
    torch.testing.assert_close(engine.run(inputs), expected)
    engine.bind(lane)
    torch.testing.assert_close(engine.run(inputs), expected)
    engine.unbind()
    torch.testing.assert_close(engine.run(inputs), expected)


def test_an_engine_is_called_like_its_module(models: Path, lane: gl.Lane) -> None:
    engine = gl.load(models / "pair.pt2", lane=lane)
    x, index = torch.randn(7, 8), torch.arange(7)
    outputs = engine(x, index=index)
    assert list(outputs) == ["scaled", "both"]
    torch.testing.assert_close(outputs["scaled"], x * index.float().unsqueeze(1))
    total, following = outputs["both"]
    torch.testing.assert_close(total, x.sum(1))
    assert torch.equal(following, index + 1)


def test_a_single_output_is_returned_without_a_list(models: Path) -> None:
    torch.testing.assert_close(gl.load(models / "affine.pt2")(torch.ones(4, 8)), torch.full((4, 8), 3.0))


def test_wrong_arguments_are_refused(models: Path) -> None:
    engine = gl.load(models / "pair.pt2")
    x, index = torch.randn(4, 8), torch.arange(4)
    for args, kwargs, given in (
        ((x, index), {}, "2 positional arguments and no keyword arguments"),
        ((x,), {"index": index, "extra": x}, "1 positional argument and the keyword arguments 'extra', 'index'"),
        ((), {"index": index}, "0 positional arguments and the keyword argument 'index'"),
        ((), {}, "0 positional arguments and no keyword arguments"),
        ((x, x), {"index": index}, "2 positional arguments and the keyword argument 'index'"),
    ):
        with pytest.raises(TypeError) as error:
            engine(*args, **kwargs)
        takes = "engine 'pair' takes 1 positional argument and the keyword argument 'index'"
        assert str(error.value) == f"{takes}, and was given {given}"
    for arguments, name in ((([x], index), r"args\[0\]"), ((x, (index,)), r"kwargs\['index'\]")):
        with pytest.raises(TypeError, match=f"{name} of engine 'pair' is nested otherwise than at export: ") as error:
            engine(arguments[0], index=arguments[1])
        assert "\n" not in str(error.value)


def test_invalid_inputs_are_refused_with_both_shapes(models: Path) -> None:
    engine = gl.load(models / "pair.pt2", name="policy")
    x, index = torch.randn(4, 8), torch.arange(4)
    with pytest.raises(
        RuntimeError, match=r"input 0 does not fit engine 'policy'.*float64 \[4, 8\].*float32 \[2..32, 8\]"
    ):
        engine.run([x.double(), index])
    with pytest.raises(RuntimeError, match=r"engine 'policy' takes 2 inputs: 1 were given"):
        engine.run([x])


def test_an_engine_knows_its_name_device_and_lane(models: Path, lane: gl.Lane) -> None:
    engine = gl.load(models / "affine.pt2")
    assert (engine.name, engine.device, engine.lane) == ("affine", torch.device("cpu"), None)
    assert repr(engine) == "Engine('affine', device='cpu', lane=None)"
    engine.bind(lane)
    assert engine.lane is not None
    assert engine.lane.name == "one"
    assert repr(engine) == "Engine('affine', device='cpu', lane='one')"
    assert gl.load(models / "affine.pt2", name="policy").name == "policy"


def test_an_engine_keeps_its_lane(models: Path) -> None:
    engine = gl.load(models / "affine.pt2", lane=gl.partition("cpu", {"all": gl.REST})["all"])
    gc.collect()
    with pytest.raises(RuntimeError, match="'all' holds"):
        gl.partition("cpu", {"more": 1})
    torch.testing.assert_close(engine(torch.ones(4, 8)), torch.full((4, 8), 3.0))
    engine.unbind()
    assert gl.partition("cpu", {"more": 1})["more"].units == 1


def test_a_closed_lane_is_refused(models: Path, lane: gl.Lane) -> None:
    engine = gl.load(models / "affine.pt2", lane=lane)
    closed = gl.lane("cpu", "gone")
    closed.close()
    with pytest.raises(RuntimeError, match="'affine' cannot be bound to lane 'gone': the lane was closed"):
        engine.bind(closed)
    assert engine.lane is not None
    assert engine.lane.name == "one"


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("nowhere.pt2", "there is no such file"),
        ("stamp.json", "no AOTInductor package"),
        ("says_mps.pt2", "compiled for 'mps'"),
    ],
)
def test_an_unloadable_file_is_refused_with_the_reason(models: Path, file: str, message: str) -> None:
    with pytest.raises(RuntimeError, match=message) as error:
        gl.load(models / file)
    assert str(models / file) in str(error.value)


def test_a_device_of_another_kind_is_refused(models: Path, lane: gl.Lane) -> None:
    with pytest.raises(RuntimeError, match="compiled for cpu"):
        gl.load(models / "affine.pt2", device="cuda:0")
    with pytest.raises(RuntimeError, match="compiled for cuda"):
        gl.load(models / "says_cuda.pt2", lane=lane)
    with pytest.raises(RuntimeError, match="'other'"):
        gl.load(models / "affine.pt2", model="other")


def test_paths_and_devices_may_be_strings_or_objects(models: Path) -> None:
    for device in ("cpu", torch.device("cpu"), None):
        assert gl.load(str(models / "affine.pt2"), device=device).device == torch.device("cpu")


def test_an_engine_works_after_an_exception(models: Path, lane: gl.Lane) -> None:
    engine = gl.load(models / "throws.pt2", lane=lane)
    for _ in range(3):
        with pytest.raises(RuntimeError, match="index out of bounds"):
            engine(torch.tensor([0, 10, 5]))
        torch.testing.assert_close(engine(torch.tensor([0, 9, 5])), torch.tensor([0.0, 18.0, 10.0]))


def test_many_threads_may_call_one_engine(models: Path, lane: gl.Lane) -> None:
    inputs, expected = tensors(models / "pair.inputs.pt"), tensors(models / "pair.outputs.pt")
    engine = gl.load(models / "pair.pt2", num_runners=2)

    def run_often(_: int) -> bool:
        return all(torch.allclose(engine.run(inputs)[1], expected[1]) for _ in range(50))

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(run_often, range(4)))
        engine.bind(lane)
        assert all(threads.map(run_often, range(4)))
