"""Data that flows through a pipeline: sources, edges, triggers, sinks and paths, on the CPU."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import greenlane as gl
import pytest
import torch
from cli.program import config
from torch import Tensor, nn

from python.pipelines import LONG, eventually

X = torch.arange(6.0).reshape(2, 3)


class Times(nn.Module):
    """Multiplies."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


class Join(nn.Module):
    """Joins two tensors such that it shows whether they belong together."""

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return x - y, x + y


class Sum(nn.Module):
    """Adds its input to its last result."""

    def forward(self, x: Tensor, last: Tensor) -> Tensor:
        return x + last


class Spoils(nn.Module):
    """Overwrites its input."""

    def forward(self, x: Tensor) -> Tensor:
        x.zero_()
        return x


class Tally(nn.Module):
    """Returns its own buffer, which the next run changes."""

    def __init__(self) -> None:
        super().__init__()
        self.count = nn.Buffer(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.count.add_(x.sum())
        return self.count


class Fails(nn.Module):
    """Fails for negative numbers."""

    def forward(self, x: Tensor) -> Tensor:
        if x.min() < 0:
            raise ValueError("a number is negative")
        return x


class Held(nn.Module):
    """Works until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = threading.Semaphore(0)
        self.release = threading.Semaphore(0)

    def forward(self, x: Tensor) -> Tensor:
        self.inside.release()
        assert self.release.acquire(timeout=LONG)
        return x.clone()


Table = dict[str, Any]


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Callable[..., gl.Pipeline]]:
    """Opens pipelines of modules whose inputs are all like X."""
    opened: list[gl.Pipeline] = []

    def opens(sources: str, modules: dict[str, tuple[nn.Module, str]], more: str = "", **options: Any) -> gl.Pipeline:
        tables = [sources]
        for name, (module, keys) in modules.items():
            count = 2 if isinstance(module, (Join, Sum)) else 1
            torch.save([X] * count, tmp_path / f"{name}.inputs.pt")
            tables.append(f"[engine.{name}]\nmodule = '{name}'\ninputs = '{name}.inputs.pt'\nstateful = true\n{keys}\n")
        if len(modules) <= 2 and "plan" not in options:  # with units of its own, no engine is profiled
            tables += [f"[lane.{name}]\nunits = 1\n" for name in modules]
        file = config(tmp_path, *tables, more)
        pipeline = gl.Pipeline(file, modules={name: module for name, (module, _) in modules.items()}, **options)
        opened.append(pipeline)
        return pipeline

    yield opens
    for pipeline in opened:
        pipeline.close()


CAMERA = "[source.camera]\nrate_hz = 100\n"


def results(sink: gl.PipelineSink, source: gl.PipelineSource, items: list[Tensor]) -> list[gl.SinkResult]:
    """Publishes items one after another, and returns the result of each."""
    found = []
    for item in items:
        source.publish(item)
        found.append(sink.wait(LONG))
    return found


def test_a_chain_gives_the_models_outputs_by_sequence_number(net: Callable[..., gl.Pipeline]) -> None:
    pipeline = net(
        CAMERA,
        {
            "a": (Times(2), "from = ['camera']\non = 'camera'"),
            "b": (Times(3), "from = 'a'\non = ['a']"),
        },
    )
    assert pipeline.sources == ("camera",)
    source, sink = pipeline.source("camera"), pipeline.sink("b")
    assert (source.name, sink.name, sink.latest()) == ("camera", "b", None)
    pipeline.start()
    for i, result in enumerate(results(sink, source, [X + i for i in range(20)])):
        torch.testing.assert_close(result.outputs, (X + i) * 6)
        assert result.sequence == i + 1
        (item,) = result.items
        assert (item.source, item.sequence) == ("camera", i + 1)
        assert result.age is not None
        assert 0 < result.age < LONG
        assert 0 <= time.monotonic() - item.published < LONG
    stats = pipeline.stats()
    assert stats.sources == {"camera": 20}
    edge = stats.engines["b"].edges["a"]
    assert (edge.producer, edge.waiting, edge.taken, edge.dropped, edge.rejected) == ("a", 0, 20, 0, 0)
    assert stats.engines["b"].figures.ages.count == 20
    assert stats.engines["a"].figures.runs == 20


def test_packages_form_a_chain_without_python(tmp_path: Path, models: Path) -> None:
    package = f"model = '{models}/affine.pt2'\ninputs = '{models}/affine.inputs.pt'\n"
    first, second = (
        f"[engine.{name}]\n{package}from = '{producer}'\non = '{producer}'\n"
        for name, producer in (("first", "camera"), ("second", "first"))
    )
    with gl.Pipeline(config(tmp_path, CAMERA, first, second)) as pipeline:
        pipeline.start()
        x = torch.load(models / "affine.inputs.pt")[0]
        (result,) = results(pipeline.sink("second"), pipeline.source("camera"), [x])
        torch.testing.assert_close(result.outputs, (x * 2 + 1) * 2 + 1)


def test_both_ways_of_a_diamond_carry_one_item(net: Callable[..., gl.Pipeline]) -> None:
    pipeline = net(
        CAMERA,
        {
            "left": (Times(2), "from = 'camera'\non = 'camera'"),
            "right": (Times(2), "from = 'camera'\non = 'camera'"),
            "join": (
                Join(),
                "from = [{ output = 'left', queue = 9 }, { output = 'right', queue = 9 }]\non = ['left', 'right']",
            ),
        },
    )
    pipeline.start()
    source, sink = pipeline.source("camera"), pipeline.sink("join")
    # Latest edges may drop items, each side other ones, so one item at a time.
    for i, result in enumerate(results(sink, source, [X + i for i in range(50)])):
        difference, total = result.outputs
        assert not difference.any()
        torch.testing.assert_close(total, 4 * (X + i))


def test_an_output_has_a_number(net: Callable[..., gl.Pipeline]) -> None:
    pipeline = net(
        CAMERA,
        {
            "join": (Join(), "from = ['camera', 'camera']\non = 'camera'"),
            "total": (Times(1), "from = 'join.1'\non = 'join'"),
        },
    )
    # The first run of a stateful engine is its first request, so a wrong number shows up there only.
    pipeline.start()
    (result,) = results(pipeline.sink("total"), pipeline.source("camera"), [X])
    torch.testing.assert_close(result.outputs, 2 * X)


def test_feedback_begins_with_its_initial_data_and_again_after_a_reset(net: Callable[..., gl.Pipeline]) -> None:
    torch_feedback = "from = ['camera', { output = 'sum', initial = 'zeros' }]\non = 'camera'"
    pipeline = net(CAMERA, {"sum": (Sum(), torch_feedback)})
    pipeline.start()
    source, sink = pipeline.source("camera"), pipeline.sink("sum")
    totals = [result.outputs for result in results(sink, source, [X, X, X])]
    torch.testing.assert_close(torch.stack(totals), torch.stack([X, 2 * X, 3 * X]))
    (last,) = results(sink, source, [X])
    assert [item.sequence for item in last.items] == [4], "feedback carries no items"
    pipeline.reset()
    torch.testing.assert_close(results(sink, source, [X])[0].outputs, X)


def test_initial_data_comes_from_a_file(net: Callable[..., gl.Pipeline], tmp_path: Path) -> None:
    torch.save([10 * X], tmp_path / "start.pt")
    pipeline = net(
        CAMERA, {"sum": (Sum(), "from = ['camera', { output = 'sum', initial = 'start.pt' }]\non = 'camera'")}
    )
    pipeline.start()
    torch.testing.assert_close(results(pipeline.sink("sum"), pipeline.source("camera"), [X])[0].outputs, 11 * X)


def test_consumers_that_overwrite_their_inputs_disturb_nobody(net: Callable[..., gl.Pipeline]) -> None:
    pipeline = net(
        CAMERA,
        {
            "spoils": (Spoils(), "from = 'camera'\non = 'camera'"),
            "keeps": (Times(1), "from = 'camera'\non = ['camera']"),
            "after": (Join(), "from = ['spoils', 'keeps']\non = ['spoils', 'keeps']"),
        },
    )
    pipeline.start()
    source, sink = pipeline.source("camera"), pipeline.sink("after")
    given = X.clone()
    for result in results(sink, source, [given] * 20):
        torch.testing.assert_close(result.outputs[1], X)
    torch.testing.assert_close(given, X)


def test_a_result_outlives_the_next_run(net: Callable[..., gl.Pipeline]) -> None:
    pipeline = net(CAMERA, {"tally": (Tally(), "from = 'camera'\non = 'camera'")})
    pipeline.start()
    source, sink = pipeline.source("camera"), pipeline.sink("tally")
    found = results(sink, source, [X, X, X])
    assert [float(result.outputs) for result in found] == [15, 30, 45]


def test_published_memory_may_change_at_once(net: Callable[..., gl.Pipeline]) -> None:
    held = Held()
    pipeline = net(CAMERA, {"held": (held, "from = [{ output = 'camera', queue = 4 }]\non = 'camera'")})
    pipeline.start()
    source, sink = pipeline.source("camera"), pipeline.sink("held")
    image = X.clone()
    for _ in range(2):
        item = source.publish(image)
        assert item.is_copied
        item.wait_until_copied()
        image.add_(1)
    for i in range(2):
        held.release.release()
        torch.testing.assert_close(sink.wait(LONG).outputs, X + i)


def test_any_strides_may_be_published(net: Callable[..., gl.Pipeline]) -> None:
    pipeline = net(CAMERA, {"a": (Times(1), "from = 'camera'\non = 'camera'")})
    pipeline.start()
    source, sink = pipeline.source("camera"), pipeline.sink("a")
    wide = torch.arange(24.0).reshape(4, 6)
    for item in (X.T.contiguous().T, wide[::2, ::2], X.clone().requires_grad_(), torch.zeros(1).expand(2, 3)):
        (result,) = results(sink, source, [item])
        torch.testing.assert_close(result.outputs, item.detach())


def test_items_that_do_not_fit_are_refused(net: Callable[..., gl.Pipeline]) -> None:
    pipeline = net(CAMERA, {"a": (Times(1), "from = 'camera'\non = 'camera'\npython = true")})
    source = pipeline.source("camera")
    with pytest.raises(RuntimeError, match=r"item of source 'camera' has 2 tensors.*need 1"):
        source.publish(X, X)
    with pytest.raises(TypeError, match="item of source 'camera' holds 3: give tensors"):
        source.publish(3)  # type: ignore[arg-type]
    for odd in (X.to_sparse(), X.to("meta")):
        with pytest.raises(RuntimeError, match="tensor 0 of an item of source 'camera' cannot be copied"):
            source.publish(odd)
    assert pipeline.stats().sources == {"camera": 0}


def test_an_item_that_fits_no_package_names_the_engine(tmp_path: Path, models: Path) -> None:
    engine = (
        f"[engine.a]\nmodel = '{models}/affine.pt2'\ninputs = '{models}/affine.inputs.pt'\n"
        "from = 'camera'\non = 'camera'\n"
    )
    with gl.Pipeline(config(tmp_path, CAMERA, engine)) as pipeline:
        source = pipeline.source("camera")
        for wrong in (torch.zeros(4, 9), torch.zeros(4, 8, dtype=torch.float64), torch.zeros(8)):
            with pytest.raises(RuntimeError, match=r"item of source 'camera' does not fit engine 'a': .*input 0"):
                source.publish(wrong)
        assert source.publish(torch.zeros(4, 8)).sequence == 1


def test_names_that_are_not_there_are_listed(net: Callable[..., gl.Pipeline]) -> None:
    pipeline = net(CAMERA, {"a": (Times(1), "from = 'camera'\non = 'camera'")})
    with pytest.raises(KeyError, match="no source 'lidar': its sources are 'camera'"):
        pipeline.source("lidar")
    with pytest.raises(KeyError, match="no engine 'camera': its engines are 'a'"):
        pipeline.sink("camera")


def test_a_trigger_runs_an_engine_now(net: Callable[..., gl.Pipeline]) -> None:
    pipeline = net(
        CAMERA,
        {"a": (Times(2), "from = 'camera'\non = []"), "b": (Times(3), "from = 'a'\non = 'a'"), "c": (Times(1), "")},
    )
    pipeline.start()
    source, sink = pipeline.source("camera"), pipeline.sink("b")
    assert not pipeline["a"].trigger(), "no item has come"
    assert pipeline.stats().engines["a"].figures.not_ready == 1
    source.publish(X)
    assert sink.latest() is None
    for i in range(2):
        assert pipeline["a"].trigger()
        assert sink.wait(LONG).sequence == i + 1
    with pytest.raises(RuntimeError, match=r"engine 'c' cannot be triggered.*no `from`"):
        pipeline["c"].trigger()
    with pytest.raises(RuntimeError, match=r"engine 'c' has no sink: .*no `from`"):
        pipeline.sink("c")


def test_a_timer_runs_on_the_latest_values(net: Callable[..., gl.Pipeline]) -> None:
    pipeline = net(CAMERA, {"a": (Times(2), "from = 'camera'\nrate_hz = 200")})
    source, sink = pipeline.source("camera"), pipeline.sink("a")
    pipeline.start()
    assert eventually(lambda: pipeline.stats().engines["a"].figures.not_ready > 1)
    source.publish(X)
    first, second = sink.wait(LONG), sink.wait(LONG)
    assert second.sequence > first.sequence, "one item serves many runs"
    torch.testing.assert_close(second.outputs, 2 * X)
    assert first.age is not None
    assert second.age is not None
    assert second.age > first.age
    pipeline.stop()
    last = sink.latest()
    time.sleep(0.05)
    assert last is not None
    assert sink.latest().sequence == last.sequence  # type: ignore[union-attr]


def test_runs_on_old_inputs_are_skipped(net: Callable[..., gl.Pipeline]) -> None:
    pipeline = net(CAMERA, {"a": (Times(2), "from = 'camera'\non = []\nmax_age_ms = 50")})
    pipeline.source("camera").publish(X)
    time.sleep(0.1)
    assert not pipeline["a"].trigger()
    assert pipeline.stats().engines["a"].figures.stale == 1


def test_a_full_queue_rejects_or_drops_the_oldest(net: Callable[..., gl.Pipeline]) -> None:
    pipeline = net(
        CAMERA,
        {
            "rejects": (Times(1), "from = [{ output = 'camera', queue = 2, overflow = 'reject' }]\non = []"),
            "drops": (Times(1), "from = [{ output = 'camera', queue = 2 }]\non = []"),
        },
    )
    source = pipeline.source("camera")
    assert [source.publish(X + i).was_taken for i in range(4)] == [True, True, False, False]
    edges = {name: pipeline.stats().engines[name].edges["camera"] for name in ("rejects", "drops")}
    assert (edges["rejects"].waiting, edges["rejects"].rejected, edges["rejects"].dropped) == (2, 2, 0)
    assert (edges["drops"].waiting, edges["drops"].rejected, edges["drops"].dropped) == (2, 0, 2)
    for name, first in (("rejects", 1), ("drops", 3)):
        sink = pipeline.sink(name)
        for i in range(2):
            assert pipeline[name].trigger()
            assert [item.sequence for item in sink.wait(LONG).items] == [first + i]
        assert not pipeline[name].trigger()


def test_a_queue_that_blocks_holds_the_publisher(net: Callable[..., gl.Pipeline]) -> None:
    pipeline = net(CAMERA, {"a": (Times(1), "from = [{ output = 'camera', queue = 2, overflow = 'block' }]\non = []")})
    source = pipeline.source("camera")
    published: list[int] = []

    def publishes() -> None:
        for i in range(3):
            published.append(source.publish(X + i).sequence)

    thread = threading.Thread(target=publishes)
    thread.start()
    assert eventually(lambda: len(published) == 2)
    time.sleep(0.05)
    assert published == [1, 2]
    assert pipeline["a"].trigger()
    thread.join(LONG)
    assert published == [1, 2, 3]


def test_closing_ends_waits_and_refuses_data(net: Callable[..., gl.Pipeline]) -> None:
    pipeline = net(CAMERA, {"a": (Times(1), "from = [{ output = 'camera', queue = 1, overflow = 'block' }]\non = []")})
    source, sink = pipeline.source("camera"), pipeline.sink("a")
    errors: list[BaseException] = []

    def ends(act: Callable[[], object]) -> threading.Thread:
        def acts() -> None:
            try:
                act()
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=acts)
        thread.start()
        return thread

    source.publish(X)
    threads = [ends(lambda: source.publish(X)), ends(sink.wait)]
    time.sleep(0.1)
    pipeline.close()
    for thread in threads:
        thread.join(LONG)
    assert [error.reason for error in errors if isinstance(error, gl.RequestError)] == ["closed", "closed"]
    for act in (lambda: source.publish(X), lambda: sink.wait(0), lambda: pipeline["a"].trigger()):
        with pytest.raises(gl.RequestError, match="closed"):
            act()
    assert sink.latest() is None
    pipeline.reset()


def test_a_sink_waits_for_something_new(net: Callable[..., gl.Pipeline]) -> None:
    pipeline = net(CAMERA, {"a": (Times(1), "from = 'camera'\non = 'camera'")})
    pipeline.start()
    source, sink = pipeline.source("camera"), pipeline.sink("a")
    with pytest.raises(TimeoutError, match=r"engine 'a' gave no new result within 0.05 s"):
        sink.wait(0.05)
    with pytest.raises(TypeError, match="timeout"):
        sink.wait("1")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="timeout"):
        sink.wait(-1)
    results(sink, source, [X])
    with pytest.raises(TimeoutError):
        sink.wait(0.05)
    assert sink.latest() is not None
    assert pipeline.sink("a").wait(0).sequence == 1, "another handle has seen nothing"


def test_an_engine_that_fails_leaves_its_consumers_what_they_had(net: Callable[..., gl.Pipeline]) -> None:
    pipeline = net(
        CAMERA,
        {
            "fails": (Fails(), "from = 'camera'\non = 'camera'"),
            "after": (Times(1), "from = 'fails'\non = 'fails'"),
        },
    )
    pipeline.start()
    source, sink = pipeline.source("camera"), pipeline.sink("after")
    results(sink, source, [X])
    source.publish(-X)
    assert eventually(lambda: pipeline.stats().engines["fails"].figures.failed == 1)
    (result,) = results(sink, source, [X + 1])
    assert [item.sequence for item in result.items] == [3]


def test_paths_are_measured(net: Callable[..., gl.Pipeline]) -> None:
    pipeline = net(
        CAMERA,
        {
            "a": (Times(1), "from = 'camera'\non = 'camera'"),
            "b": (Times(1), "from = 'a'\non = 'a'"),
        },
        "[path.act]\nfrom = 'camera'\nto = 'b'\ndeadline_ms = 1e5\n",
    )
    pipeline.start()
    results(pipeline.sink("b"), pipeline.source("camera"), [X] * 10)
    path = pipeline.stats().paths["act"]
    assert (path.source, path.engine, path.deadline_ms) == ("camera", "b", 1e5)
    assert (path.items, path.misses, path.dropped) == (10, 0, 0)
    assert 0 < path.whole.p50_us <= path.whole.max_us
    assert pipeline.stats().engines["a"].deadline_ms == 1e5, "engines on a path with a deadline are urgent"


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("from = ['camera', 'camera']\non = 'camera'", r"engine.a.from: it has 2 entries, and the model has 1 inputs"),
        ("from = 'b.1'\nrate_hz = 1", r"engine.a.from: engine 'b' has 1 outputs"),
        ("from = 'c'\nrate_hz = 1", r"engine.a.from: 'c.0' does not fit: .*input 0"),
        ("from = 'd'\nrate_hz = 1", r"engine.a.from: engine 'd' takes inputs and has no `from`"),
    ],
)
def test_tensors_that_do_not_fit_are_found_while_it_opens(
    tmp_path: Path, models: Path, keys: str, message: str
) -> None:
    def table(name: str, model: str, text: str) -> str:
        return f"[engine.{name}]\nmodel = '{models}/{model}.pt2'\ninputs = '{models}/{model}.inputs.pt'\n{text}\n"

    file = config(
        tmp_path,
        CAMERA,
        "[source.index]\nrate_hz = 10\n",
        table("a", "affine", keys),
        table("b", "affine", "from = 'camera'\non = 'camera'"),
        table("c", "throws", "from = 'index'\non = 'index'"),
        table("d", "affine", "rate_hz = 1"),
    )
    with pytest.raises(RuntimeError, match=message):
        gl.Pipeline(file)


def test_a_trigger_waits_for_room(net: Callable[..., gl.Pipeline]) -> None:
    held = Held()
    queue = "{{ output = '{}', queue = {}, overflow = 'block' }}"
    pipeline = net(
        CAMERA,
        {
            "a": (Times(1), f"from = {queue.format('camera', 9)}\non = []"),
            "b": (held, f"from = {queue.format('a', 1)}\non = 'a'"),
        },
    )
    pipeline.start()
    source, sink = pipeline.source("camera"), pipeline.sink("b")
    for i in range(4):
        source.publish(X + i)
    triggered: list[bool] = []
    thread = threading.Thread(target=lambda: triggered.extend(pipeline["a"].trigger() for _ in range(4)))
    thread.start()
    for i in range(4):
        held.release.release()
        torch.testing.assert_close(sink.wait(LONG).outputs, X + i)
    thread.join(LONG)
    assert triggered == [True] * 4
    edge = pipeline.stats().engines["b"].edges["a"]
    assert (edge.taken, edge.rejected) == (4, 0)


def test_a_sink_of_a_stopped_engine_says_so(net: Callable[..., gl.Pipeline]) -> None:
    pipeline = net(CAMERA, {"a": (Fails(), "from = 'camera'\non = 'camera'\non_error = 'stop'")})
    pipeline.start()
    sink = pipeline.sink("a")
    pipeline.source("camera").publish(-X)
    with pytest.raises(gl.RequestError, match=r"the engine stopped: .*a number is negative") as error:
        sink.wait(LONG)
    assert error.value.reason == "stopped"


def test_a_run_that_hung_gives_no_result(net: Callable[..., gl.Pipeline]) -> None:
    held = Held()
    pipeline = net(CAMERA, {"a": (held, "from = 'camera'\non = 'camera'\nhang_ms = 100")})
    pipeline.start()
    pipeline.source("camera").publish(X)
    assert eventually(lambda: pipeline.stats().is_broken)
    held.release.release()
    assert eventually(lambda: not pipeline.stats().engines["a"].is_busy)
    figures = pipeline.stats().engines["a"].figures
    assert (figures.runs, figures.failed) == (0, 1)
    assert pipeline.sink("a").latest() is None
