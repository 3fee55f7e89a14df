"""Modules on lanes that are programs, and programs that are made from modules on lanes."""

import io
import json
import operator
import os
import re
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import greenlane as gl
import pytest
import torch
from torch import Tensor, nn

from python.probes import CALLER, Probe, Traceable, in_time, where, where_op

X = torch.ones(2, 2)


@pytest.fixture(autouse=True)
def _quietly() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*torch.jit.*deprecated.*")
        yield
    torch.compiler.reset()


def scripted(module: nn.Module) -> nn.Module:
    made: nn.Module = torch.jit.script(module)
    return made


def traced(module: nn.Module) -> nn.Module:
    made: nn.Module = torch.jit.trace(module, X)
    return made


def reloaded(module: nn.Module) -> nn.Module:
    file = io.BytesIO()
    torch.jit.save(scripted(module), file)
    file.seek(0)
    made: nn.Module = torch.jit.load(file)
    return made


def exported(module: nn.Module) -> nn.Module:
    return torch.export.export(module, (X,)).module()


def exported_strictly(module: nn.Module) -> nn.Module:
    return torch.export.export(module, (X,), strict=True).module()


def symbolic(module: nn.Module) -> nn.Module:
    return torch.fx.symbolic_trace(module)


def compiled(module: nn.Module) -> nn.Module:
    made = torch.compile(module, backend="eager")
    assert isinstance(made, nn.Module)
    return made


PROGRAMS = [scripted, traced, reloaded, exported, exported_strictly, symbolic, compiled]
Maker = Callable[[nn.Module], nn.Module]


@pytest.mark.parametrize("make", PROGRAMS)
def test_a_program_can_be_bound(a: gl.Lane, b: gl.Lane, make: Maker) -> None:
    program = make(Traceable())
    assert where_op(program) == CALLER
    before = {name: id(value) for name, value in vars(program).items()}  # script modules remember a former forward
    with gl.set_external_stream(program, a):
        assert where_op(program) == "a"
        with gl.set_external_stream(program, b):
            assert where_op(program) == "b"
        assert where_op(program) == "a"
    assert where_op(program) == CALLER
    assert {name: id(value) for name, value in vars(program).items()} == before


def test_a_bound_graph_module_may_be_recompiled(a: gl.Lane) -> None:
    program = torch.fx.symbolic_trace(Traceable())
    gl.set_external_stream(program, a)
    assert where_op(program) == "a"
    for node in program.graph.find_nodes(op="call_function", target=operator.add):
        node.target = operator.sub
    program.recompile()
    assert torch.equal(program(X), X)  # 2 - 1
    gl.clear_external_stream(program)
    assert torch.equal(program(X), X)


def text_of(program: nn.Module) -> str:
    """Returns the operators of the program's graph, without places in sources, which name the clone's folder."""
    graph: Any = getattr(program, "inlined_graph", None) or getattr(program, "graph", "")
    return str(graph) if isinstance(graph, torch.fx.Graph | str) else str(graph.str(print_source_ranges=False))


def without_folders(content: bytes) -> bytes:
    """Removes the folders of the tests and of the package, both as text and as in JSON."""
    for folder in (Path(__file__).resolve().parents[2], Path(gl.__file__).resolve().parents[1]):
        for form in (os.fsencode(folder), json.dumps(str(folder))[1:-1].encode()):
            content = content.replace(form, b"")
    return content


@pytest.mark.parametrize("child", [False, True])
@pytest.mark.parametrize("make", [make for make in PROGRAMS if make not in (scripted, reloaded)])
def test_a_program_of_a_bound_module_is_unbound(a: gl.Lane, make: Maker, child: bool) -> None:
    module = Traceable()
    gl.set_external_stream(module, a)
    program = make(nn.Sequential(module) if child else module)
    assert where_op(program) == CALLER
    assert "greenlane" not in text_of(program)
    assert not gl.is_external_stream_set(program)
    assert where_op(module) == "a"


class _Breaking(nn.Module):
    """Its program has a graph break, after which Dynamo goes on in Python."""

    def forward(self, x: Tensor) -> Tensor:
        return x + 1 if x.sum() > 0 else x


@pytest.mark.parametrize("when", ["before", "after", "child", "cleared"])
def test_a_bound_module_with_a_graph_break_may_be_compiled(a: gl.Lane, when: str) -> None:
    module = _Breaking()
    if when != "after":
        gl.bind(module, a)
    program = torch.compile(nn.Sequential(module) if when == "child" else module, backend="eager")
    assert torch.equal(program(X), X + 1)
    if when == "after":
        gl.bind(module, a)
    elif when == "cleared":
        gl.clear_external_stream(module)
    assert torch.equal(program(X), X + 1)


@pytest.mark.parametrize("strict", [False, True])
def test_a_saved_program_does_not_need_greenlane(a: gl.Lane, strict: bool) -> None:
    module = Traceable()
    gl.set_external_stream(module, a)
    file = io.BytesIO()
    torch.export.save(torch.export.export(module, (X,), strict=strict), file)
    torch.jit.save(traced(module), file)
    mentioned = set(re.findall(rb"[^ ]*greenlane[^ ]*", without_folders(file.getvalue())))
    assert all(name.endswith(b'greenlane/_modules.py\\",') for name in mentioned), mentioned  # the source of the trace
    assert gl.is_external_stream_set(module)


def test_a_child_of_a_script_module_can_be_bound(a: gl.Lane) -> None:
    program = scripted(nn.Sequential(nn.Linear(2, 2), nn.ReLU()))
    expected = program(X)
    with gl.set_external_stream(program, {"1": a}):
        assert gl.is_external_stream_set(program, "1")
        torch.testing.assert_close(program(X), expected)


def test_a_compiled_module_is_bound_as_a_whole(a: gl.Lane) -> None:
    program = compiled(nn.Sequential(Traceable()))
    with pytest.raises(
        ValueError, match=r"'_orig_mod.0' cannot be bound: it is inside '', which torch.compile made one program of"
    ):
        gl.set_external_stream(program, {"_orig_mod.0": a})
    with pytest.raises(
        ValueError, match=r"'inner\._orig_mod' cannot be bound: it is inside 'inner', which torch.compile"
    ):
        gl.set_external_stream(nn.ModuleDict({"inner": program}), {"inner._orig_mod": a})
    assert where_op(program) == CALLER


def test_a_compiled_module_may_have_a_bound_child(a: gl.Lane, b: gl.Lane) -> None:
    inner = Traceable()
    gl.set_external_stream(inner, a)
    program = compiled(nn.Sequential(inner))
    gl.set_external_stream(program, b)
    assert where_op(program) == "b"
    gl.clear_external_stream(program)
    assert where_op(program) == CALLER


def test_a_module_compiled_in_place_is_refused(a: gl.Lane) -> None:
    module = nn.Sequential(nn.Sequential(Traceable()))
    module.compile(backend="eager")
    with pytest.raises(
        ValueError,
        match=r"'' cannot be bound: it was compiled by Module.compile.*bind\(torch.compile\(module\), lane\)",
    ):
        gl.set_external_stream(module, a)
    for name in ("0", "0.0"):
        with pytest.raises(
            ValueError, match=f"'{name}' cannot be bound: it is inside '', which was compiled by Module.compile"
        ):
            gl.set_external_stream(module, {name: a})
        assert not gl.is_external_stream_set(module, name)
    assert where_op(module) == CALLER


def where_during(probe: Probe, work: Callable[[], object], reached: threading.Event, tried: threading.Event) -> str:
    """Returns the lane of a probe while another thread is in the middle of its work."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert reached.wait(60)
    try:
        return in_time(lambda: where(probe))
    finally:
        tried.set()
        thread.join(60)


def test_compiling_does_not_affect_other_threads(a: gl.Lane) -> None:
    compiling, tried = threading.Event(), threading.Event()

    def backend(graph: torch.fx.GraphModule, _: list[Tensor]) -> Callable[..., object]:
        compiling.set()
        assert tried.wait(60)
        return graph.forward

    probe = Probe()
    gl.set_external_stream(probe, a)
    program = torch.compile(nn.Linear(2, 2), backend=backend)
    assert where_during(probe, lambda: program(X), compiling, tried) == "a"


def test_exporting_does_not_affect_other_threads(a: gl.Lane) -> None:
    exporting, tried = threading.Event(), threading.Event()

    class Slow(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            exporting.set()
            assert tried.wait(60)
            return x + 1

    probe = Probe()
    gl.set_external_stream(probe, a)
    assert where_during(probe, lambda: torch.export.export(Slow(), (X,)), exporting, tried) == "a"
