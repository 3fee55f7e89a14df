"""Writes of bound modules, and the tensors and numbers that they hold, as far as graphs must know them."""

from typing import Any

import pytest
import torch
from greenlane import _writes
from greenlane._held import difference, holdings
from torch import Tensor, nn


class Noted:
    """A substitute for the C++ side, which collects writes."""

    def __init__(self) -> None:
        self.tensors: list[Tensor] = []

    def collects_writes(self) -> bool:
        """Returns True always."""
        return True

    def note_write(self, tensor: Tensor) -> None:
        """Notes the tensor before the write."""
        self.tensors.append(tensor)

    def addresses(self) -> set[int]:
        """Returns the addresses of the noted tensors' memory."""
        return {tensor.untyped_storage().data_ptr() for tensor in self.tensors}


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> Noted:
    """A substitute for the library."""
    made = Noted()
    monkeypatch.setattr(_writes, "ops", made)
    return made


def storage(tensor: Tensor) -> int:
    """Returns the address that tells memory apart."""
    return tensor.untyped_storage().data_ptr()


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_only_writes_to_existing_tensors_are_noted(mode: type, noted: Noted) -> None:
    kept, untouched, out = torch.zeros(4), torch.zeros(4), torch.zeros(4)
    x = torch.ones(4)

    def work() -> Tensor:
        y = x * 2
        y.add_(1)
        y.view(2, 2)[0].mul_(3)
        kept[1:3].copy_(y[:2])
        torch.add(x, y, out=out)
        torch._foreach_add_([x], 1.0)
        return y.relu_() + untouched

    with mode():
        result = _writes.recorded(work, [])
    assert noted.addresses() == {storage(kept), storage(out), storage(x)}
    assert result.shape == (4,)


def test_writes_of_batch_norm_are_noted(noted: Noted) -> None:
    module = nn.Sequential(nn.BatchNorm1d(4), nn.Dropout()).train()
    with torch.no_grad():
        _writes.recorded(lambda: module(torch.randn(8, 4)), [])
    assert noted.addresses() == {storage(buffer) for buffer in module.buffers()}


def test_writes_without_an_operator_are_detected_by_value(noted: Noted) -> None:
    """A Triton kernel writes like this; here it is NumPy. NaN that stays NaN is no change."""
    changed, same = torch.zeros(4), torch.full((4,), float("nan"))
    view = changed.numpy()

    def work() -> None:
        view[2] = 1

    _writes.recorded(work, [changed, same, torch.empty(0)])
    assert noted.addresses() == {storage(changed)}


def test_writes_of_a_compiled_module_are_noted(noted: Noted) -> None:
    class Adds(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.sum = nn.Buffer(torch.zeros(4))

        def forward(self, x: Tensor) -> Tensor:
            self.sum.add_(x)
            return self.sum * 2

    module = Adds()
    compiled: Any = torch.compile(module)
    with torch.no_grad():
        compiled(torch.ones(4))
        result = _writes.recorded(lambda: compiled(torch.ones(4)), [*module.buffers()])
    torch.testing.assert_close(result, torch.full((4,), 4.0))
    assert noted.addresses() == {storage(module.sum)}


def test_a_call_outside_a_capture_is_not_recorded() -> None:
    x = torch.zeros(2)
    assert _writes.recorded(lambda: x.add_(1), [x]) is x


class Holder(nn.Module):
    """A module with tensors and numbers in many places."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(2, 2)
        self.table: dict[str, Any] = {"rows": [torch.zeros(2)], "count": 0}
        self.scale = float("nan")
        self.other: Any = None


def test_replaced_tensors_and_changed_values_are_reported() -> None:
    module = Holder()
    before = holdings(module)
    with torch.no_grad():
        module.inner.weight.add_(1)
    module.table["rows"][0].add_(1)
    assert difference(before, holdings(module)) == "", "an in-place change was reported as a replacement"
    module.table["count"] += 1
    assert difference(before, holdings(module)) == "a call changes 'table.count'"
    module.table["count"] = 0
    module.table["rows"][0] = torch.zeros(2)
    assert "table.rows.0" in difference(before, holdings(module))
    module = Holder()
    before = holdings(module)
    module.other = torch.zeros(1)
    assert difference(before, holdings(module)) == "a call replaces the tensor 'other'"


def test_circular_references_are_followed_once() -> None:
    module = Holder()
    module.other = [module, module.table, {"self": module}]
    assert difference(holdings(module), holdings(module)) == ""
