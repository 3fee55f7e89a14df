"""Inputs that an engine refuses, and inputs that it cannot check."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import greenlane as gl
import pytest
import torch
from torch import Tensor

NAN = float("nan")


@pytest.fixture
def related(models: Path) -> gl.Engine:
    return gl.load(models / "related.pt2")


@pytest.fixture
def constant(models: Path) -> Iterator[gl.Engine]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield gl.load(models / "constant.pt2")


def sized(batch: int = 3, n: int = 6, others: dict[str, Tensor] | None = None) -> list[Tensor]:
    image = torch.randn(4, 3, 7, 5).contiguous(memory_format=torch.channels_last)
    given = {
        "x": torch.randn(batch, 8),
        "y": torch.randn(4 * batch, 8),
        "n": torch.randn(n),
        "before": torch.randn(n - 1),
        "product": torch.randn(batch * n),
        "image": image,
    }
    return list((given | (others or {})).values())


@pytest.mark.parametrize(("batch", "n"), [(2, 3), (3, 6), (32, 50)])
def test_matching_sizes_are_accepted(related: gl.Engine, batch: int, n: int) -> None:
    x, y, line, before, product, image = sized(batch, n)
    expected = (x.repeat(4, 1) + y, line[1:] + before, torch.outer(x[:, 0], line).flatten() + product, image * 2)
    torch.testing.assert_close(related(x, y, line, before, product, image), expected)


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ({"y": torch.ones(8, 8)}, r"input 1 .* dimension 0 is 8, and must be 12"),
        ({"before": torch.ones(6)}, r"input 3 .* dimension 0 is 6, and must be 5"),
        ({"product": torch.ones(17)}, r"input 4 .* dimension 0 is 17, and must be 18"),
        ({"image": torch.ones(4, 3, 7, 5)}, r"input 5 .* memory layout"),
        (
            {"image": torch.ones(4, 3, 7, 6).contiguous(memory_format=torch.channels_last)[..., :5]},
            r"input 5 .* memory layout .* should have strides \[105, 1, 15, 3\]",
        ),
        ({"x": torch.ones(1, 8), "y": torch.ones(4, 8)}, r"input 0 .* 0/1 specialization"),
    ],
)
def test_mismatching_sizes_and_strides_are_refused(related: gl.Engine, others: dict[str, Tensor], message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        related(*sized(others=others))


def test_a_fully_described_package_gives_no_warning(models: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name in ("affine", "pair", "related", "constant"):
        gl.load(models / f"{name}.pt2")
    assert "[warning]" not in capfd.readouterr().err


def test_a_package_without_source_gives_one_warning(models: Path, capfd: pytest.CaptureFixture[str]) -> None:
    engine = gl.load(models / "stripped.pt2")
    engine(torch.ones(4, 8))
    error = capfd.readouterr().err
    assert error.count("[warning]") == 1
    assert "the inputs of engine 'stripped' cannot be checked" in error


def options(**changes: Any) -> dict[str, Any]:
    return {"fill": NAN, "mode": "fast"} | changes


def test_constants_give_one_warning(models: Path) -> None:
    engine = gl.load(models / "constant.pt2")
    x = torch.ones(3)
    with pytest.warns(
        UserWarning, match=r"args\[1\] = 3, args\[2\]\['fill'\] = nan, .*kwargs\['scale'\] = True"
    ) as caught:
        engine(x, 3, options(), None, scale=True)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        torch.testing.assert_close(engine(x, 3, options(fill=float("nan")), None, scale=True), x * 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"k": 5}, r"args\[1\] .* it is 5, and the first call gave 3"),
        ({"k": 3.0}, r"args\[1\] .* it is 3.0"),
        ({"k": True}, r"args\[1\] .* it is True"),
        ({"k": None}, r"args\[1\] .* it is None"),
        ({"options": options(fill=0.0)}, r"args\[2\]\['fill'\] .* it is 0.0, and the first call gave nan"),
        ({"options": options(mode="slow")}, r"args\[2\]\['mode'\] .* 'slow'"),
        ({"mask": 0}, r"args\[3\] .* it is 0, and the first call gave None"),
        ({"scale": False}, r"kwargs\['scale'\] .* it is False"),
    ],
)
def test_a_changed_constant_is_refused(constant: gl.Engine, changes: dict[str, Any], message: str) -> None:
    def call(k: Any = 3, options: Any = options(), mask: Any = None, scale: Any = True) -> Any:  # noqa: B008
        return constant(torch.ones(3), k, options, mask, scale=scale)

    call()
    with pytest.raises(RuntimeError, match=message):
        call(**changes)
    call()


def test_a_swapped_tensor_and_constant_are_refused(constant: gl.Engine) -> None:
    x = torch.ones(3)
    constant(x, 3, options(), None, scale=True)
    with pytest.raises(RuntimeError, match=r"args\[0\] does not fit .* and the first call gave a tensor"):
        constant(3, x, options(), None, scale=True)


def test_a_refused_call_is_not_the_first_call(constant: gl.Engine) -> None:
    with pytest.raises(RuntimeError, match="input 0"):
        constant(torch.ones(4), 5, options(), None, scale=True)
    constant(torch.ones(3), 3, options(), None, scale=True)
