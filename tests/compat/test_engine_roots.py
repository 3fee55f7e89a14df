"""Roots other than modules and programs: packages that PyTorch loaded, and single engines."""

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import greenlane as gl
import numpy
import pytest
import torch
from greenlane._requests import _first_misfit, _requests
from python.probes import CALLER
from torch import nn

from compat.stand_in import Engine, Model, another_handle, eventually, lanes_of, live_engines, new_engine, where

NONSENSE: dict[str, Callable[[], object]] = {
    "function": lambda: lambda x: x,
    "NoneType": lambda: None,
    "int": lambda: 3,
    "str": lambda: "model.pt2",
    "dict": dict,
    "list": lambda: [new_engine()],
    "Lane": lambda: gl.lane("cpu", "swapped with the module"),
    "type": lambda: nn.Linear,
    "__torch__.torch.classes.greenlane.Lane": lambda: gl.lane("cpu")._native,
}
CALLS: list[Callable[[Any, gl.Lane], object]] = [
    gl.set_external_stream,
    lambda root, lane: gl.set_external_stream(root, {"first": lane}),
    lambda root, _: gl.clear_external_stream(root),
    lambda root, _: gl.clear_external_stream(root, ["first"]),
    lambda root, _: gl.get_external_stream(root),
    lambda root, _: gl.is_external_stream_set(root, "first"),
    lambda root, _: gl.graph_report(root),
]


@pytest.mark.parametrize("kind", NONSENSE)
@pytest.mark.parametrize("call", CALLS)
def test_another_class_is_refused_with_the_accepted_ones(
    a: gl.Lane, kind: str, call: Callable[[Any, gl.Lane], object]
) -> None:
    with pytest.raises(TypeError) as error:
        call(NONSENSE[kind](), a)
    message = str(error.value)
    assert message.startswith(f"cannot bind an object of the class {kind!r}: pass an Engine (greenlane.load), ")
    for accepted in ("torch.nn.Module", "ExportedProgram", "aoti_load_package", "engine object of Torch-TensorRT"):
        assert accepted in message


# Packages that PyTorch loaded


@pytest.mark.parametrize("of", ["package", "loader"])
def test_engines_of_pytorchs_packages_are_bound(package: Path, a: gl.Lane, b: gl.Lane, of: str) -> None:
    model = torch._inductor.aoti_load_package(str(package))
    root: Any = model if of == "package" else model.loader
    assert lanes_of(model) == (CALLER, CALLER)
    with gl.set_external_stream(root, {"first": a, "second": b}) as binding:
        assert binding.names == ("first", "second")
        assert lanes_of(model) == ("a", "b")
        assert lanes_of(torch._inductor.aoti_load_package(str(package))) == (CALLER, CALLER)
        assert [gl.is_external_stream_set(root, name) for name in ("first", "_torchbind_obj1")] == [True, True]
        assert gl.get_external_stream(root, "first") == 0  # the CPU has no streams
        gl.clear_external_stream(root, ["_torchbind_obj0"])
        assert lanes_of(model) == (CALLER, "b")
    assert lanes_of(model) == (CALLER, CALLER)
    with gl.set_external_stream(root, b) as binding:
        assert sorted(binding.names) == ["_torchbind_obj0", "_torchbind_obj1"]
        assert lanes_of(model) == ("b", "b")
        gl.clear_external_stream(root)
        assert lanes_of(model) == (CALLER, CALLER)


def test_unknown_names_are_listed_for_pytorchs_packages(package: Path, a: gl.Lane) -> None:
    model = torch._inductor.aoti_load_package(str(package))
    there = r"\(there are: '_torchbind_obj0', '_torchbind_obj1'\)"
    with pytest.raises(ValueError, match=f"there is no submodule 'third' {there}"):
        gl.set_external_stream(model, {"first": a, "third": a})
    with pytest.raises(ValueError, match=f"'AOTICompiledModel' has no forward .*name its engines {there}"):
        gl.is_external_stream_set(model)
    assert lanes_of(model) == (CALLER, CALLER)


def test_engines_of_pytorchs_packages_keep_their_lanes(package: Path, before: int) -> None:
    model = torch._inductor.aoti_load_package(str(package))
    gl.set_external_stream(model, {"first": gl.lane("cpu", "kept"), "second": gl.lane("cpu", "kept, too")})
    gc.collect()
    assert lanes_of(model) == ("kept", "kept, too")
    del model
    gc.collect()
    assert eventually(lambda: live_engines() == before)


def test_a_package_without_engines_is_refused_with_a_remedy(tmp_path: Path, a: gl.Lane) -> None:
    path = str(tmp_path / "plain.pt2")
    torch._inductor.aoti_compile_and_package(torch.export.export(nn.ReLU(), (torch.ones(4),)), package_path=path)
    model = torch._inductor.aoti_load_package(path)
    with pytest.raises(ValueError, match=r"there are no engines inside \(greenlane\.load binds a package as a whole\)"):
        gl.set_external_stream(model, a)
    gl.clear_external_stream(model)


def test_an_older_pytorch_is_refused_with_the_needed_version(package: Path, a: gl.Lane) -> None:
    """The loader has no get_custom_objs before PyTorch 2.13."""
    model = torch._inductor.aoti_load_package(str(package))
    model.loader = object()  # type: ignore[assignment]
    with pytest.raises(RuntimeError, match=r"has no access to the engines inside a package: use PyTorch 2\.13 or"):
        gl.set_external_stream(model, a)


# Single engines


def test_a_bare_engine_can_be_bound(engine: Engine, a: gl.Lane, b: gl.Lane) -> None:
    with gl.set_external_stream(engine, a) as binding:
        assert binding.names == ("",)
        assert (where(engine), gl.is_external_stream_set(engine), gl.get_external_stream(engine)) == ("a", True, 0)
        with gl.set_external_stream(engine, {"engine": b}):  # the engine's own name
            assert where(engine) == "b"
            assert gl.is_external_stream_set(another_handle(engine), "engine")
        assert where(engine) == "a"
        gl.clear_external_stream(engine)
        assert (where(engine), gl.is_external_stream_set(engine)) == (CALLER, False)
    gl.set_external_stream(engine, {"": b})
    assert where(engine) == "b"
    gl.clear_external_stream(engine, ["engine"])
    assert where(engine) == CALLER
    with pytest.raises(ValueError, match=r"there is no submodule 'first' \(there are: ''\)"):
        gl.set_external_stream(engine, {"first": a})


def test_a_bare_engine_keeps_its_lane() -> None:
    engine = new_engine()
    gl.set_external_stream(engine, gl.lane("cpu", "kept"))
    gc.collect()
    assert where(engine) == "kept"


def test_a_bare_engine_shares_its_modules_binding(model: Model, a: gl.Lane, b: gl.Lane) -> None:
    gl.set_external_stream(model.engines[0], a)
    assert gl.is_external_stream_set(model, "_run_on_acc_0.engine")
    gl.set_external_stream(model, {"_run_on_acc_0": b})
    assert where(model.engines[0]) == "b"


def test_a_refused_stream_keeps_a_bare_engines_binding(engine: Engine, a: gl.Lane, closed: gl.Lane) -> None:
    gl.set_external_stream(engine, a)
    for stream, error in ((0, RuntimeError), (closed, RuntimeError), (object(), TypeError)):
        with pytest.raises(error):
            gl.set_external_stream(engine, stream)  # type: ignore[arg-type]
        assert where(engine) == "a"


# Streams in a mapping


@pytest.mark.parametrize(
    ("stream", "error", "reason"),
    [
        (None, TypeError, "None is no stream: pass a Lane, "),
        (True, TypeError, "True is no stream"),
        (numpy.bool_(True), TypeError, "is no stream"),
        (numpy.array([1, 2]), TypeError, "is no stream"),
        (torch.tensor(3), TypeError, "is no stream"),
        (1.5, TypeError, "1.5 is no stream"),
        (torch.Stream(device="cpu"), TypeError, "is a stream of cpu: pass a torch.Stream of a GPU, or a Lane"),
        (-1, ValueError, "the stream's handle is -1: give a number from 0 to"),
        (2**63, ValueError, "give a number from 0 to"),
        (numpy.uint64(2**63), ValueError, "give a number from 0 to"),
        (0, RuntimeError, "stream 0x0 cannot be bound: it is null"),
        (numpy.int64(1), RuntimeError, "legacy default stream"),
        (numpy.uint32(0x1234), RuntimeError, "stream 0x1234 cannot be a lane of cpu: the CPU has no streams"),
        ("a closed lane", RuntimeError, "cannot be bound to lane 'gone': the lane was closed"),
    ],
)
@pytest.mark.parametrize("name", ["_run_on_acc_1", "_run_on_acc_1.engine", "second"])
def test_a_refused_stream_is_reported_with_its_name(
    model: Model, a: gl.Lane, closed: gl.Lane, name: str, stream: object, error: type[Exception], reason: str
) -> None:
    gl.set_external_stream(model, {"second": a})
    if isinstance(stream, str):
        stream = closed
    with pytest.raises(error) as refused:
        gl.set_external_stream(model, {"first": a, name: stream})  # type: ignore[dict-item]
    assert str(refused.value).startswith(f"nothing was bound: the stream for {name!r} is refused: ")
    assert reason in str(refused.value)
    assert lanes_of(model) == (CALLER, "a")


def test_a_refused_common_stream_is_reported_without_a_name(model: Model) -> None:
    with pytest.raises(TypeError, match=r"^None is no stream"):
        gl.set_external_stream(model, None)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match=r"^stream 0x0 cannot be bound: it is null"):
        gl.set_external_stream(model, numpy.int64(0))


def test_a_wrong_device_is_reported_with_the_engines_name(model: Model, a: gl.Lane) -> None:
    class Elsewhere:
        """A lane that claims to be on a GPU that is not here."""

        def __getattr__(self, name: str) -> Any:
            return (lambda: "cuda:7") if name == "device" else getattr(a._native, name)

    requests = _requests(model, {"first": a, "_run_on_acc_1.engine": a})
    assert _first_misfit(requests, [a._native, Elsewhere()]) == "_run_on_acc_1.engine"
    assert _first_misfit(requests, [a._native, a._native]) is None
