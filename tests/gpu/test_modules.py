"""PyTorch modules on lanes of a GPU: where they run, and what they leave behind."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import greenlane as gl
import pytest
import torch
from torch import Tensor, nn
from where import sms_of, where


class Where(nn.Module):
    """A module that reports its SMs. Its buffer stands in for a parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.zero = nn.Buffer(torch.zeros(1, dtype=torch.int32))

    def forward(self) -> Tensor:
        """See where.where."""
        out: Tensor = where(self.zero)
        return out


@dataclass
class Pair:
    """A dataclass that is not registered with PyTorch."""

    one: Tensor
    two: tuple[Tensor, ...]


class Body(nn.Module):
    """A module with two parts, and with work of its own between them."""

    def __init__(self) -> None:
        super().__init__()
        self.vision = Where()
        self.head = Where()

    def forward(self) -> dict[str, Tensor]:
        """Returns the SMs of all three."""
        return {"vision": self.vision(), "own": where(self.vision.zero), "head": self.head()}


@pytest.fixture
def lanes() -> dict[str, gl.Lane]:
    """Three partitions."""
    return gl.partition("cuda:0", {"small": 16, "middle": 48, "large": gl.REST})


@pytest.fixture
def body() -> Iterator[Body]:
    """A body that is not bound."""
    made = Body().cuda()
    torch.cuda.synchronize()
    yield made
    gl.clear_external_stream(made)


def units(result: dict[str, Tensor]) -> dict[str, int]:
    """Returns the number of SMs that each part ran on."""
    return {name: len(sms_of(out)) for name, out in result.items()}


def test_a_binding_covers_the_whole_module(body: Body, lanes: dict[str, gl.Lane]) -> None:
    """The caller's stream does not matter, and the module uses all SMs again afterwards."""
    whole = gl.devices()[0].units
    for stream in (torch.cuda.default_stream(), torch.cuda.Stream(), lanes["large"].torch_stream):
        with torch.cuda.stream(stream), gl.set_external_stream(body, lanes["small"]):
            assert units(body()) == {"vision": 16, "own": 16, "head": 16}
            assert torch.cuda.current_stream() == stream
    assert units(body()) == {"vision": whole, "own": whole, "head": whole}


def test_submodules_run_on_their_lanes(body: Body, lanes: dict[str, gl.Lane]) -> None:
    """The work between the submodules follows the module's binding, or else the caller."""
    gl.set_external_stream(body, {"vision": lanes["small"], "head": lanes["middle"]})
    assert units(body()) == {"vision": 16, "own": gl.devices()[0].units, "head": 48}
    gl.set_external_stream(body, {"": lanes["large"], "vision": lanes["small"], "head": lanes["middle"]})
    assert units(body()) == {"vision": 16, "own": lanes["large"].units, "head": 48}


def test_a_package_inside_a_module_follows_its_binding(models: Path, lanes: dict[str, gl.Lane]) -> None:
    """An engine is a submodule like any other."""

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.engine = gl.load(models / "where.pt2")

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.engine(x)
            return out

    model = Model()
    x = torch.zeros(1, dtype=torch.int32, device="cuda")
    with gl.set_external_stream(model, lanes["middle"]):
        assert len(sms_of(model(x))) == 48
        with gl.set_external_stream(model, {"engine": lanes["small"]}):
            assert len(sms_of(model(x))) == 16
        assert len(sms_of(model(x))) == 48


def test_passthrough_follows_a_stream_guard(body: Body, lanes: dict[str, gl.Lane]) -> None:
    """An unbound module follows the guard in any case, and a binding comes first."""
    gl.set_engine_stream_passthrough(True)
    try:
        with lanes["middle"]:
            assert units(body()) == {"vision": 48, "own": 48, "head": 48}
            with gl.set_external_stream(body, {"head": lanes["small"]}):
                assert units(body()) == {"vision": 48, "own": 48, "head": 16}
    finally:
        gl.set_engine_stream_passthrough(False)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_exception_keeps_the_callers_stream(lanes: dict[str, gl.Lane], error: type[BaseException]) -> None:
    """The caller keeps its stream and its device, and the module its binding."""

    class Raises(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            x.add_(1)
            raise error

    module = Raises()
    x = torch.zeros(1024, device="cuda")
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream), gl.set_external_stream(module, lanes["small"]):
        for _ in range(3):
            with pytest.raises(error):
                module(x)
            assert torch.cuda.current_stream() == stream
        assert x.sum().item() == 3 * 1024
        assert gl.is_external_stream_set(module)


def test_memory_of_nested_tensors_is_kept(lanes: dict[str, gl.Lane]) -> None:
    """The tensors are in a dataclass inside a list, on both sides. test_joins shows the effect of a missing record."""

    class Nested(nn.Module):
        def forward(self, pairs: list[Pair]) -> list[Pair]:
            return [Pair(pair.one + 1, tuple(t * 2 for t in pair.two)) for pair in pairs]

    module = Nested()
    gl.set_external_stream(module, lanes["small"])
    producer, caller = torch.cuda.Stream(), torch.cuda.Stream()
    for _ in range(20):
        with torch.cuda.stream(producer):
            pairs = [Pair(torch.ones(1 << 20, device="cuda"), (torch.ones(1 << 20, device="cuda"),))]
        caller.wait_stream(producer)
        with torch.cuda.stream(caller):
            torch.cuda._sleep(2_000_000)
            out = module(pairs)
            sums = [out[0].one.sum(), out[0].two[0].sum()]
        del pairs, out
        with torch.cuda.stream(producer):
            for _ in range(4):
                torch.full((1 << 20,), 77.0, device="cuda")
        caller.synchronize()
        assert [int(s.item()) for s in sums] == [2 << 20, 2 << 20]


def test_sparse_tensors_are_accepted(lanes: dict[str, gl.Lane]) -> None:
    """Sparse tensors have no storage of their own."""
    module = nn.Identity()
    gl.set_external_stream(module, lanes["small"])
    dense = torch.eye(64, device="cuda")
    for sparse in (dense.to_sparse_coo(), dense.to_sparse_csr(), dense.to_sparse_csc()):
        assert torch.equal(module(sparse).to_dense(), dense)


def test_gradients_flow_through_a_bound_module(lanes: dict[str, gl.Lane]) -> None:
    """Backward runs where forward ran, and joins."""
    module = nn.Sequential(nn.Linear(256, 256), nn.GELU(), nn.Linear(256, 1)).cuda()
    x = torch.randn(64, 256, device="cuda")
    module(x).sum().backward()
    expected = [p.grad.clone() for p in module.parameters() if p.grad is not None]
    module.zero_grad()
    gl.set_external_stream(module, lanes["small"])
    module(x).sum().backward()
    for parameter, want in zip(module.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, want, rtol=1e-3, atol=1e-4)


def test_threads_share_a_bound_module(body: Body, lanes: dict[str, gl.Lane]) -> None:
    """Each call runs on exactly one of the streams that were bound."""
    wrong: list[dict[str, int]] = []

    def serve() -> None:
        with torch.cuda.stream(torch.cuda.Stream()):
            for _ in range(20):
                counts = units(body())
                if len(set(counts.values())) != 1 or not set(counts.values()) <= {16, 48}:
                    wrong.append(counts)

    gl.set_external_stream(body, lanes["small"])
    threads = [threading.Thread(target=serve) for _ in range(4)]
    for thread in threads:
        thread.start()
    for i in range(40):
        gl.set_external_stream(body, lanes["middle" if i % 2 else "small"])
    for thread in threads:
        thread.join()
    assert not wrong
