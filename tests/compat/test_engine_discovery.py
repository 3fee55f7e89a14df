"""Engines are found and bound in models of every form that Torch-TensorRT gives them, in memory and saved."""

import io
import logging
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import greenlane as gl
import pytest
import torch
from python.probes import CALLER
from torch import nn
from torch.export import ExportedProgram

from compat.stand_in import NO_THREAD, Inlined, Model, eventually, lanes_of, live_engines

X = torch.ones(4)
NAMES = ("_run_on_acc_0.engine", "_run_on_acc_1.engine")
INLINED = ("_run_on_acc_0_engine", "_run_on_acc_1_engine")


@pytest.fixture(autouse=True)
def _quietly() -> Iterator[None]:
    """Silences PyTorch, which says of each method of the fake class, each time, that it is missing."""
    log = logging.getLogger("torch._library.fake_class_registry")
    level = log.level
    log.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*torch.jit.*deprecated.*")
        yield
    log.setLevel(level)


def exported(model: nn.Module) -> ExportedProgram:
    return torch.export.export(model, (X,), strict=False)


def reloaded(program: ExportedProgram) -> ExportedProgram:
    file = io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    return torch.export.load(file)


def scripted(model: nn.Module) -> nn.Module:
    script: nn.Module = torch.jit.script(model)
    return script


def traced(model: nn.Module) -> nn.Module:
    script: nn.Module = torch.jit.trace(model, X, check_trace=False)
    return script


def script_reloaded(script: nn.Module) -> nn.Module:
    file = io.BytesIO()
    torch.jit.save(script, file)
    file.seek(0)
    loaded: nn.Module = torch.jit.load(file)
    return loaded


def loaded(model: nn.Module) -> nn.Module:
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    other: nn.Module = torch.load(file, weights_only=False)
    return other


# For each form: how to make the model, and the names of its engines.
FORMS: dict[str, tuple[Callable[[], Any], tuple[str, str]]] = {
    "module": (Model, NAMES),
    "inlined module": (Inlined, INLINED),
    "saved module": (lambda: loaded(Model()), NAMES),
    "program": (lambda: exported(Model()), NAMES),
    "inlined program": (lambda: exported(Inlined()), INLINED),
    "decomposed program": (lambda: exported(Model()).run_decompositions(), NAMES),
    "saved program": (lambda: reloaded(exported(Model())), NAMES),
    "saved inlined program": (lambda: reloaded(exported(Inlined())), INLINED),
    "program's module": (lambda: exported(Model()).module(), NAMES),
    "inlined program's module": (lambda: exported(Inlined()).module(), INLINED),
    "saved program's module": (lambda: reloaded(exported(Model())).module(), NAMES),
    "script": (lambda: scripted(Model()), NAMES),
    "inlined script": (lambda: scripted(Inlined()), INLINED),
    "trace": (lambda: traced(Model()), NAMES),
    "saved script": (lambda: script_reloaded(scripted(Model())), NAMES),
    "saved inlined script": (lambda: script_reloaded(scripted(Inlined())), INLINED),
    "saved trace": (lambda: script_reloaded(traced(Model())), NAMES),
}


def called(root: Any) -> tuple[str, str]:
    """Returns the names of the lanes that the engines in `root` run on now."""
    return lanes_of(root.module() if isinstance(root, ExportedProgram) else root)


@pytest.mark.parametrize("form", FORMS)
def test_engines_are_found_and_bound_by_name(a: gl.Lane, b: gl.Lane, form: str) -> None:
    make, (first, second) = FORMS[form]
    root = make()
    assert called(root) == (CALLER, CALLER)
    with gl.set_external_stream(root, {first: a, second: b}) as binding:
        assert binding.names == (first, second)
        assert called(root) == ("a", "b")
        assert gl.is_external_stream_set(root, "first")
        gl.clear_external_stream(root, ["first"])
        assert called(root) == (CALLER, "b")
        gl.set_external_stream(root, {"second": a})
        assert called(root) == (CALLER, "a")
    assert called(root) == (CALLER, CALLER)
    with pytest.raises(ValueError, match="there is no submodule 'third'") as error:
        gl.set_external_stream(root, {first: a, "third": a})
    assert f"{first!r}, {second!r})" in str(error.value)
    assert called(root) == (CALLER, CALLER)


@pytest.mark.parametrize("form", FORMS)
def test_one_binding_covers_all_engines(a: gl.Lane, form: str) -> None:
    make, names = FORMS[form]
    root = make()
    with gl.set_external_stream(root, a) as binding:
        assert binding.names == (names if isinstance(root, ExportedProgram) else ("", *names))
        assert called(root) == ("a", "a")
        gl.clear_external_stream(root)
        assert called(root) == (CALLER, CALLER)
    assert not any(gl.is_external_stream_set(root, name) for name in names)


@pytest.mark.parametrize(
    "save",
    [
        loaded,
        lambda model: reloaded(exported(model)),
        lambda model: script_reloaded(scripted(model)),
        lambda model: script_reloaded(traced(model)),
    ],
)
def test_a_saved_model_is_unbound(a: gl.Lane, b: gl.Lane, save: Callable[[nn.Module], Any]) -> None:
    model = Model()
    gl.set_external_stream(model, {"first": a, "second": b})
    other = save(model)
    assert not any(gl.is_external_stream_set(other, name) for name in NAMES)
    assert (called(model), called(other)) == (("a", "b"), (CALLER, CALLER))
    gl.set_external_stream(other, {"second": a})
    assert (called(model), called(other)) == (("a", "b"), (CALLER, "a"))


def test_a_program_without_engines_is_refused(a: gl.Lane) -> None:
    program = torch.export.export(nn.Linear(4, 4), (X,))
    with pytest.raises(ValueError, match="nothing was bound: no names were given, or there are no engines"):
        gl.set_external_stream(program, a)
    with pytest.raises(ValueError, match=r"there is no submodule 'weight' \(there are: \)"):
        gl.set_external_stream(program, {"weight": a})
    gl.clear_external_stream(program)


def test_a_program_is_bound_atomically(a: gl.Lane, closed: gl.Lane) -> None:
    program = exported(Model())
    gl.set_external_stream(program, {"second": a})
    with pytest.raises(RuntimeError, match="'second' cannot be bound to lane 'gone': the lane was closed"):
        gl.set_external_stream(program, {"first": a, "second": closed})
    assert called(program) == (CALLER, "a")


def test_fake_tensors_never_run_on_a_lane(a: gl.Lane, b: gl.Lane) -> None:
    """Fake calls of bound engines do not reach them."""
    model = Model()
    gl.set_external_stream(model, {"first": a, "second": b})
    with torch._subclasses.FakeTensorMode() as mode:
        y, thread = torch.ops.tensorrt.execute_engine([mode.from_tensor(X)], model.engines[0])
    assert isinstance(y, torch._subclasses.FakeTensor)
    assert isinstance(thread, torch._subclasses.FakeTensor)
    y, thread = torch.ops.tensorrt.execute_engine([torch.empty(4, device="meta")], model.engines[0])
    assert (y.shape, y.device.type, thread.item()) == (X.shape, "meta", NO_THREAD)
    assert called(exported(model)) == ("a", "b")


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_engines_in_a_compiled_model_are_bound(a: gl.Lane, b: gl.Lane, backend: str) -> None:
    model = Model()
    torch.compiler.reset()
    compiled = torch.compile(model, backend=backend)
    assert called(compiled) == (CALLER, CALLER)
    for first, second in ((a, b), (b, a)):
        gl.set_external_stream(model, {"first": first, "second": second})
        assert called(compiled) == (first.name, second.name)
    gl.clear_external_stream(model)
    assert called(compiled) == (CALLER, CALLER)


def test_engines_in_a_package_have_names(package: Path, a: gl.Lane, b: gl.Lane) -> None:
    root = gl.load(package)
    assert lanes_of(root) == (CALLER, CALLER)
    with gl.set_external_stream(root, {"first": a, "second": b}) as binding:
        assert binding.names == ("first", "second")
        assert lanes_of(root) == ("a", "b")
        assert lanes_of(gl.load(package)) == (CALLER, CALLER)
        with gl.set_external_stream(nn.Sequential(root), {"0": b, "0._torchbind_obj0": b, "0.second": a}):
            assert lanes_of(root) == ("b", "a")
        assert lanes_of(root) == ("a", "b")
    assert lanes_of(root) == (CALLER, CALLER)
    with gl.set_external_stream(root, a):  # nobody names the engines inside: they run where the package runs
        assert lanes_of(root) == ("a", "a")
        assert not gl.is_external_stream_set(root, "first")
    with pytest.raises(ValueError, match="there is no submodule 'third'"):
        gl.set_external_stream(root, {"first": a, "third": a})


def test_a_freed_package_frees_its_engines(package: Path, a: gl.Lane, before: int) -> None:
    root = gl.load(package)
    gl.set_external_stream(root, {"first": a, "second": a})
    assert live_engines() == before + 2
    del root
    assert eventually(lambda: live_engines() == before)
