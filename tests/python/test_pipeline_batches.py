"""Requests that run together: sizes, padding, delays, and what cannot be put together."""

import functools
import time
from collections.abc import Iterator
from pathlib import Path

import greenlane as gl
import pytest
import torch

from python.pipelines import LONG, pipeline_of, under_way

HOUR_MS = 3_600_000.0


def pair(rows: int, factor: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns inputs of the package `pair`, which multiplies rows."""
    return torch.rand(rows, 8) * factor, torch.arange(rows) + 1


def right(outputs: dict[str, torch.Tensor], x: torch.Tensor, index: torch.Tensor) -> bool:
    """Returns whether these are the outputs of `pair`."""
    close = torch.allclose(outputs["scaled"], x * index.unsqueeze(1)) and torch.allclose(outputs["both"][0], x.sum(1))
    return close and torch.equal(outputs["both"][1], index + 1)


@pytest.fixture(scope="module")
def pipeline(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[gl.Pipeline]:
    file = pipeline_of(
        tmp_path_factory.mktemp("batches"),
        models,
        waits=("pair", {"max_batch": 8, "max_delay_ms": HOUR_MS, "batch_sizes": [2, 4, 8]}),
        now=("pair", {"max_batch": 8}),
        fixed=("affine", {"max_batch": 4, "batch_sizes": [4], "check_outputs": True}),
    )
    with gl.Pipeline(file, mode="shared") as opened:
        yield opened


def figures(engine: gl.PipelineEngine, pipeline: gl.Pipeline) -> tuple[int, int, int]:
    seen = pipeline.stats().engines[engine.name].figures
    return seen.batches, seen.batch_rows, seen.padding_rows


def test_requests_that_fill_a_run_share_it(pipeline: gl.Pipeline) -> None:
    engine = pipeline["waits"]
    before = figures(engine, pipeline)
    given = [pair(rows, 1 + rows) for rows in (1, 3, 2, 2)]
    runs = [engine.submit(x, index=index) for x, index in given]
    for run, (x, index) in zip(runs, given, strict=True):
        assert right(run.result(LONG), x, index)
    assert figures(engine, pipeline) == (before[0] + 1, before[1] + 8, before[2])


def test_outputs_stay_when_later_runs_follow(pipeline: gl.Pipeline) -> None:
    engine = pipeline["now"]
    given = [pair(1 + turn % 3, turn) for turn in range(20)]
    kept = [engine.submit(x, index=index).result(LONG) for x, index in given]
    assert all(right(outputs, x, index) for outputs, (x, index) in zip(kept, given, strict=True))


def test_rows_may_have_any_strides(pipeline: gl.Pipeline) -> None:
    engine = pipeline["now"]
    for rows in range(1, 9):
        x, index = torch.rand(8, rows).t(), (torch.arange(2 * rows) + 1)[::2]
        assert right(engine.submit(x, index=index).result(LONG), x, index), rows


def test_a_run_is_padded_to_a_size_of_the_list(pipeline: gl.Pipeline) -> None:
    engine = pipeline["now"]
    x, index = pair(3)
    before = figures(engine, pipeline)
    assert right(engine.submit(x, index=index).result(LONG), x, index)
    assert figures(engine, pipeline) == (before[0] + 1, before[1] + 3, before[2] + 1)


def test_sizes_that_the_model_refuses_are_left_out_unless_they_are_listed(
    pipeline: gl.Pipeline, models: Path, tmp_path: Path
) -> None:
    engine = pipeline["now"]  # its package takes two rows or more
    x, index = pair(1)
    assert right(engine.submit(x, index=index).result(LONG), x, index)
    listed = pipeline_of(tmp_path, models, policy=("pair", {"max_batch": 4, "batch_sizes": [1, 4]}))
    with pytest.raises(RuntimeError, match=r"takes no batch of 1 rows.*\[2\.\.32.*`batch_sizes`"):
        gl.Pipeline(listed)


def test_a_package_of_one_size_is_padded(pipeline: gl.Pipeline) -> None:
    engine = pipeline["fixed"]
    for rows in (1, 2, 4):
        x = torch.rand(rows, 8)
        assert torch.allclose(engine.submit(x).result(LONG), x * 2 + 1)


def test_one_request_with_nan_fails_alone(pipeline: gl.Pipeline) -> None:
    engine = pipeline["fixed"]
    good = torch.rand(1, 8)
    with under_way(engine, good):
        fine, bad, other = engine.submit(good), engine.submit(good * float("nan")), engine.submit(good + 1)
    assert torch.allclose(fine.result(LONG), good * 2 + 1)
    assert torch.allclose(other.result(LONG), good * 2 + 3)
    with pytest.raises(RuntimeError, match="NaN"):
        bad.result(LONG)


def test_a_short_deadline_is_kept_though_the_delay_is_long(pipeline: gl.Pipeline) -> None:
    engine = pipeline["waits"]
    x, index = pair(2)
    engine.submit(*pair(8)[:1], index=pair(8)[1]).result(LONG)
    before = pipeline.stats().engines["waits"].figures.misses
    runs = 20
    for _ in range(runs):
        engine.submit(x, index=index, deadline_ms=100).result(LONG)
    assert pipeline.stats().engines["waits"].figures.misses - before <= runs / 4, "all were late without a reserve"


def test_calls_are_checked_too(pipeline: gl.Pipeline) -> None:
    with pytest.raises(RuntimeError, match="NaN"):
        pipeline["fixed"](torch.full((4, 8), float("nan")))


def test_a_request_waits_no_longer_than_its_deadline_allows(pipeline: gl.Pipeline) -> None:
    engine = pipeline["waits"]
    x, index = pair(2)
    engine.submit(*pair(8)[:1], index=pair(8)[1]).result(LONG)  # a run tells how long runs take
    begin = time.monotonic()
    assert right(engine.submit(x, index=index, deadline_ms=2_000).result(LONG), x, index)
    assert time.monotonic() - begin < 2.5


def test_priorities_run_first(models: Path, tmp_path: Path) -> None:
    file = pipeline_of(tmp_path, models, policy=("affine", {}))
    x = torch.rand(4, 8)
    order: list[str] = []

    def note(name: str, _: object) -> None:
        order.append(name)

    with gl.Pipeline(file) as pipeline:
        engine = pipeline["policy"]
        with under_way(engine, x):
            for name, priority in (("none", 0), ("second", 2), ("first", 1), ("last", 0)):
                engine.submit(x, priority=priority).add_done_callback(functools.partial(note, name))
            waited = engine.submit(x, priority=9)
        waited.result(LONG)
        engine.submit(x).result(LONG)
    assert order == ["first", "second", "none", "last"]
    with pytest.raises(ValueError, match="priority is -1"):
        engine.submit(x, priority=-1)


def test_inputs_that_cannot_be_put_together_are_refused(pipeline: gl.Pipeline) -> None:
    engine = pipeline["waits"]
    x, index = pair(2)
    for bad, why in (
        ((torch.rand(9, 8), torch.arange(9)), "9 rows, and a run has 8"),
        ((torch.rand(0, 8), torch.arange(0)), "no rows"),
        ((torch.rand(2, 7), index), r"\[2, 7\], and the recorded input is float32 \[4, 8\]"),
        ((x, torch.arange(3)), "3 rows"),
        ((x.double(), index), "float64"),
        ((x[0], index), r"float32 \[8\]"),
    ):
        with pytest.raises(RuntimeError, match=why):
            engine.submit(bad[0], index=bad[1])
    with pytest.raises(RuntimeError, match=r"use submit\(\)"):
        engine(*pair(3)[:1], index=pair(3)[1])
    assert right(engine(x, index=index), x, index)


def test_specs_tell_the_rows_of_a_request(pipeline: gl.Pipeline) -> None:
    engine = pipeline["waits"]
    for info in (*engine.inputs, *engine.outputs):
        assert (info.shape[0], info.smallest[0], info.largest[0]) == (None, 1, 8)


@pytest.mark.parametrize(
    ("model", "why"),
    [
        ("accumulates", "keeps state"),
        ("related", "dimension 0 of input 0 is the size"),
        ("in_place", "input 1 does not fit the batches.*8 rows"),
    ],
)
def test_models_without_a_batch_are_refused(models: Path, tmp_path: Path, model: str, why: str) -> None:
    file = pipeline_of(tmp_path, models, policy=(model, {"max_batch": 4, "batch_sizes": [4]}))
    with pytest.raises(RuntimeError, match=why):
        gl.Pipeline(file)


def test_a_module_has_the_size_of_its_recorded_inputs(models: Path, tmp_path: Path) -> None:
    file = pipeline_of(tmp_path, models, policy=("affine", {"max_batch": 4, "batch_sizes": [4]}))
    text = file.read_text().replace("model =", "# model =").replace("[engine.policy]", '[engine.policy]\nmodule = "m"')
    file.write_text(text)
    with gl.Pipeline(file, modules={"m": torch.nn.Linear(8, 2)}) as pipeline:
        engine = pipeline["policy"]
        assert engine.submit(torch.rand(3, 8)).result(LONG).shape == (3, 2)
    file.write_text(text.replace("[4]", "[2, 4]"))
    with pytest.raises(RuntimeError, match="a module has one size"):
        gl.Pipeline(file, modules={"m": torch.nn.Linear(8, 2)})


def test_plans_count_in_runs(models: Path, tmp_path: Path) -> None:
    keys = {"max_batch": 8, "max_delay_ms": 30.0, "rate_hz": 100.0, "deadline_ms": 80.0}
    file = pipeline_of(tmp_path, models, policy=("pair", keys), other=("affine", {}))
    with gl.Pipeline(file) as pipeline:
        assert pipeline.stats().engines["policy"].deadline_ms == 80.0
