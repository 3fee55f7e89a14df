"""Calls from a bound module on a GPU to the caching allocator, and their order; on a binding that only records them."""

import dataclasses
from collections import OrderedDict, UserDict, defaultdict, deque
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from greenlane import _modules, _tensors
from torch import Tensor, nn
from torch.testing._internal.two_tensor import TwoTensor
from torch.utils import _pytree as pytree

ONE, TWO, THREE = torch.tensor(1), torch.tensor(2), torch.tensor(3)


class Named(NamedTuple):
    x: Any
    y: Any


@dataclasses.dataclass
class Plain:
    """A dataclass that is not registered with PyTorch."""

    x: Any
    y: Any = None
    absent: Any = dataclasses.field(init=False)


@dataclasses.dataclass
class Registered:
    x: Any
    y: Any


pytree.register_dataclass(Registered)


class Answer(dict[str, Any]):
    """A subclass of dict, as in transformers and other libraries."""


class Row(list[Any]):
    """A subclass of list, whose type is not list."""


NESTED: dict[str, tuple[Any, list[Tensor]]] = {
    "tensor": (ONE, [ONE]),
    "tuple": ((ONE, [TWO, {"x": THREE}]), [ONE, TWO, THREE]),
    "mappings": ([OrderedDict(x=ONE), defaultdict(list, x=TWO), deque([THREE])], [ONE, TWO, THREE]),
    "namedtuple": (Named(ONE, Named(x=TWO, y=THREE)), [ONE, TWO, THREE]),
    "dataclass": (Plain(ONE, [Plain(TWO), (THREE,)]), [ONE, TWO, THREE]),
    "registered": (Registered(ONE, Plain(TWO, Registered(THREE, 4))), [ONE, TWO, THREE]),
    "wrapper": ([TwoTensor(ONE, TWO), THREE], [ONE, TWO, THREE]),
    "a dict of its own kind": (Answer(x=ONE, y=Answer(z=[TWO, THREE])), [ONE, TWO, THREE]),
    "a list of its own kind": (Row([ONE, Row([TWO]), THREE]), [ONE, TWO, THREE]),
    "user dict": (UserDict({"x": ONE, "y": UserDict({"z": TWO})}), [ONE, TWO]),
    "sets": ([{ONE}, frozenset([TWO])], [ONE, TWO]),
    "parameter": (nn.Parameter(torch.zeros(1)), []),
    "none": ([1, "text", None, 2.5, Plain, b"bytes", torch.float32, object()], []),
}
NESTED["parameter"][1].append(NESTED["parameter"][0])


@pytest.mark.parametrize("kind", NESTED)
def test_tensors_are_found_in_every_container(kind: str) -> None:
    value, expected = NESTED[kind]
    assert list(map(id, _tensors.tensors_in(value))) == list(map(id, expected))


def test_tensors_are_found_in_packed_and_jagged_tensors() -> None:
    packed = nn.utils.rnn.pack_sequence([torch.ones(3), torch.ones(2)])
    assert {id(packed.data), id(packed.batch_sizes)} <= set(map(id, _tensors.tensors_in(packed)))
    jagged = torch.nested.nested_tensor([torch.ones(2, 2), torch.ones(3, 2)], layout=torch.jagged)
    found = {tensor.data_ptr() for tensor in _tensors.tensors_in([jagged])}
    assert jagged.values().data_ptr() in found
    assert len(found) > 1  # the offsets, too


class Call:
    """One call of a bound module, like torch.classes.greenlane.Call."""

    def __init__(self, log: list[Any]) -> None:
        self.log = log

    def finish(self, outputs: list[Tensor]) -> None:
        self.log.append(("finish", outputs))


class GpuBinding:
    """A binding like torch.classes.greenlane.Binding. It records what happened."""

    def __init__(self) -> None:
        self.log: list[Any] = []

    def device(self) -> str:
        return "cuda:0"

    def enter(self, inputs: list[Tensor]) -> Call:
        self.log.append(("enter", inputs))
        return Call(self.log)


class Nested(nn.Module):
    """A module that returns its argument."""

    def __init__(self, log: list[Any]) -> None:
        super().__init__()
        self.log = log
        self.work: Callable[[], Any] = lambda: None

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        self.log.append("forward")
        return self.work() or {"args": args, "kwargs": Plain(kwargs)}


@pytest.fixture
def module() -> Nested:
    binding = GpuBinding()
    made = Nested(binding.log)
    _modules.attach(made, binding)
    return made


def test_all_tensors_of_a_call_are_recorded(module: Nested) -> None:
    result = module(1, Named(ONE, "x"), other={"y": [TWO]}, last=THREE)
    assert result["args"][1].x is ONE
    assert module.log == [("enter", [ONE, TWO, THREE]), "forward", ("finish", [ONE, TWO, THREE])]


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_call_that_raises_is_finished(module: Nested, kind: type[BaseException]) -> None:
    error = kind("no")

    def raises() -> None:
        raise error

    module.work = raises
    with pytest.raises(kind) as caught:
        module(ONE)
    assert caught.value is error
    assert module.log == [("enter", [ONE]), "forward", ("finish", [])]


def test_a_call_with_an_unsearchable_result_is_finished(module: Nested) -> None:
    class Endless(Answer):
        def values(self) -> Any:
            raise RecursionError

    module.work = lambda: Endless(x=ONE)
    with pytest.raises(RecursionError):
        module()
    assert module.log == [("enter", []), "forward", ("finish", [])]


def test_hooks_run_on_the_callers_stream(module: Nested) -> None:
    module.register_forward_pre_hook(lambda *_: module.log.append("before"))
    module.register_forward_hook(lambda *_: module.log.append("after"))
    module()
    assert module.log == ["before", ("enter", []), "forward", ("finish", []), "after"]


def test_nested_calls_are_finished_in_reverse_order(module: Nested) -> None:
    calls = [module]
    module.work = lambda: calls and calls.pop()() and None
    module(ONE)
    assert module.log == [
        ("enter", [ONE]),
        "forward",
        ("enter", []),
        "forward",
        ("finish", []),
        ("finish", [ONE]),
    ]


PROGRAMS: dict[str, Callable[[nn.Module], object]] = {
    "exported": lambda module: torch.export.export(module, (torch.ones(1, 2),)),
    "exported strictly": lambda module: torch.export.export(module, (torch.ones(1, 2),), strict=True),
    # The tracer's own check calls the module like any caller.
    "traced": lambda module: torch.jit.trace(module, torch.ones(1, 2), check_trace=False),
    "compiled": lambda module: torch.compile(module, backend="eager")(torch.ones(1, 2)),
}


@pytest.mark.filterwarnings("ignore:.*torch.jit.*deprecated")
@pytest.mark.parametrize("make", PROGRAMS)
def test_making_a_program_enqueues_nothing(make: str) -> None:
    binding, model = GpuBinding(), nn.Sequential(nn.Linear(2, 2))
    _modules.attach(model, binding)
    _modules.attach(model[0], binding)
    PROGRAMS[make](model)
    assert binding.log == []
    model(ONE.expand(1, 2).float())
    assert len(binding.log) == 4
    torch.compiler.reset()
