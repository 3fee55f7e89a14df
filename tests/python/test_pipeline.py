"""Pipelines that a program opens: opening, calls, closing."""

import copy
import gc
import pickle
import threading
import warnings
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import greenlane as gl
import pytest
import torch
from cli.program import small_pipeline

from python.children import in_child, run_program
from python.pipelines import LONG, eventually, held, pipeline_of

X = torch.arange(32.0).reshape(4, 8)
INDEX = torch.tensor([3, 1, 4, 1])


@pytest.fixture(scope="module")
def file(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pipeline_of(
        tmp_path_factory.mktemp("pipeline"),
        models,
        policy=("affine", {}),
        head=("pair", {}),
        constant=("constant", {}),
        throws=("throws", {}),
        in_place=("in_place", {}),
    )


@pytest.fixture(scope="module")
def pipeline(file: Path) -> Iterator[gl.Pipeline]:
    with gl.Pipeline(file, mode="shared") as opened:
        yield opened


def test_engines_are_called_like_their_models(pipeline: gl.Pipeline) -> None:
    assert pipeline.engines == ("policy", "head", "constant", "throws", "in_place")
    assert torch.equal(pipeline["policy"](X), X * 2 + 1)
    result = pipeline["head"](X, index=INDEX)
    assert torch.equal(result["scaled"], X * INDEX.unsqueeze(1))
    assert isinstance(result["both"], tuple)
    assert torch.equal(result["both"][1], INDEX + 1)
    assert torch.equal(pipeline["throws"](torch.tensor([0, 9, 5])), torch.tensor([0.0, 18, 10]))


def test_a_call_writes_to_the_callers_tensor_and_a_request_to_its_copy(pipeline: gl.Pipeline) -> None:
    x, y = X.clone(), torch.ones(8)
    requested, total = pipeline["in_place"].submit(x, y).result(LONG)
    assert torch.equal(x, X)
    assert torch.equal(requested[1:], X[1:] + 1)
    called, _ = pipeline["in_place"](x, y)
    assert torch.equal(x, requested)
    assert torch.equal(called, requested)
    assert total == x.sum()


def test_an_engine_tells_its_tensors(pipeline: gl.Pipeline) -> None:
    x, index = pipeline["head"].inputs
    assert (x.name, x.dtype, x.shape, x.smallest, x.largest) == ("input_0", torch.float32, (None, 8), (2, 8), (32, 8))
    assert (index.name, index.dtype, index.shape) == ("index", torch.int64, (None,))
    assert [each.name for each in pipeline["head"].outputs] == ["scaled", "both.0", "both.1"]
    assert [each.shape for each in pipeline["head"].outputs] == [(4, 8), (4,), (4,)]
    assert [each.name for each in pipeline["policy"].outputs] == ["output_0"]
    # Some of its arguments are no tensors, so that the tensors are counted.
    assert [each.name for each in pipeline["constant"].inputs] == ["input_0"]
    scaled, both, more = pipeline["head"].submit_tensors([X, INDEX]).result(LONG)
    assert torch.equal(scaled, X * INDEX.unsqueeze(1))
    assert torch.equal(both, X.sum(dim=1))
    assert torch.equal(more, INDEX + 1)


def test_an_engines_lane_and_names(pipeline: gl.Pipeline) -> None:
    policy = pipeline["policy"]
    assert policy.name == "policy"
    assert policy.lane.name == "policy"
    assert policy.lane.device == torch.device("cpu")
    assert repr(policy) == "PipelineEngine('policy')"
    assert "pipeline.toml', engines=['policy', 'head', 'constant', 'throws', 'in_place'], closed=False" in repr(
        pipeline
    )


def test_constants_are_remembered_as_for_engines(pipeline: gl.Pipeline) -> None:
    constant = pipeline["constant"]
    x, options = torch.ones(3), {"fill": float("nan"), "mode": "fast"}
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        assert torch.equal(constant(x, 3, options, None, scale=True), x * 3)
    assert len(warned) == 1
    assert warned[0].filename == __file__
    for call in (constant, constant.submit):
        with pytest.raises(
            RuntimeError, match=r"args\[1\] does not fit engine 'constant': it is 4, and the first call"
        ):
            call(x, 4, options, None, scale=True)


@pytest.mark.parametrize("way", ["call", "submit"])
@pytest.mark.parametrize(
    ("args", "error", "message"),
    [
        ((), TypeError, "engine 'policy' takes 1 positional argument and no keyword arguments, and was given 0 pos"),
        (([X],), TypeError, r"args\[0\] of engine 'policy' is nested otherwise than at export"),
        ((X[:2],), RuntimeError, r"input 0 does not fit engine 'policy': it is float32 \[2, 8\].*; convert the tensor"),
        ((X.double(),), RuntimeError, r"input 0 does not fit engine 'policy': it is float64"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(
    pipeline: gl.Pipeline, way: str, args: tuple[Any, ...], error: type[Exception], message: str
) -> None:
    policy = pipeline["policy"]
    with pytest.raises(error, match=message):
        (policy if way == "call" else policy.submit)(*args)


@pytest.mark.parametrize("name", ["nobody", 3, ["policy"]])
def test_an_unknown_engine_is_refused_with_the_known_names(pipeline: gl.Pipeline, name: Any) -> None:
    with pytest.raises(KeyError) as error:
        pipeline[name]
    assert f"has no engine {name!r}: its engines are 'policy', 'head', " in str(error.value)
    assert "use one of these names" in str(error.value)


def test_an_engine_that_throws_leaves_the_others_alone(pipeline: gl.Pipeline) -> None:
    throws = pipeline["throws"]
    wrong = torch.tensor([0, 10, 5])
    failed = pipeline.stats().engines["throws"].figures.failed
    with pytest.raises(RuntimeError, match="engine 'throws' failed") as error:
        throws(wrong)
    assert not isinstance(error.value, gl.RequestError)
    assert "\n" not in str(error.value)
    with pytest.raises(RuntimeError, match="engine 'throws' failed"):
        throws.submit(wrong).result(LONG)
    assert pipeline.stats().engines["throws"].figures.failed == failed + 2
    assert torch.equal(throws(torch.tensor([1, 1, 1])), torch.tensor([2.0, 2, 2]))
    assert torch.equal(pipeline["policy"](X), X * 2 + 1)


def test_an_engine_may_be_stopped_by_its_first_error(models: Path, tmp_path: Path) -> None:
    file = pipeline_of(tmp_path, models, throws=("throws", {"on_error": "stop"}))
    with gl.Pipeline(file, mode="shared") as pipeline:
        throws = pipeline["throws"]
        with pytest.raises(RuntimeError, match="failed"):
            throws(torch.tensor([0, 10, 5]))
        for way in (throws, throws.submit):
            with pytest.raises(
                gl.RequestError, match=r"'throws' was not run: the engine stopped: .*; close the"
            ) as error:
                way(torch.tensor([1, 1, 1]))
            assert error.value.reason == "stopped"
        assert "failed" in pipeline.stats().engines["throws"].error


@pytest.mark.parametrize("way", ["file", "object", "Path"])
def test_a_pipeline_opens_with_a_plan(models: Path, tmp_path: Path, way: str) -> None:
    file = small_pipeline(tmp_path, models)
    plan = gl.plan(file, gl.profile(file, seconds=0.02), verify=False)
    plan.save(tmp_path / "plan.json")
    assert gl.Plan.read(tmp_path / "plan.json") == plan
    given: Any = {"file": str(tmp_path / "plan.json"), "object": plan, "Path": tmp_path / "plan.json"}[way]
    with gl.Pipeline(file, given) as pipeline:
        assert torch.equal(pipeline["policy"](X), X * 2 + 1)
        for name, engine in pipeline.stats().engines.items():
            assert engine.lane == plan.engines[name].lane
            assert pipeline[name].lane.cpus, "a plan's lanes have cores of their own"


def with_mode(plan: gl.Plan, mode: str) -> gl.Plan:
    text = plan.json.replace(f'"mode": "{plan.mode}"', f'"mode": "{mode}"').replace(
        f'"mode":"{plan.mode}"', f'"mode":"{mode}"'
    )
    return gl.Plan._of(text)


def test_a_plans_mode_is_taken_unless_another_is_given(models: Path, tmp_path: Path) -> None:
    file = small_pipeline(tmp_path, models)
    plan = with_mode(gl.plan(file, gl.profile(file, seconds=0.02), verify=False), "gates")
    assert plan.mode == "gates"
    with gl.Pipeline(file, plan) as pipeline:
        pipeline["policy"](X)
        pipeline["head"](X, index=INDEX)
        gate = pipeline.stats().devices["cpu"].gate
        assert gate is not None
        assert gate.passes == 1
    with gl.Pipeline(file, plan, mode="shared") as pipeline:
        assert pipeline.stats().devices["cpu"].gate is None


def test_a_pipeline_without_units_is_planned(models: Path, tmp_path: Path) -> None:
    with gl.Pipeline(small_pipeline(tmp_path, models)) as pipeline:
        assert pipeline["policy"].lane.cpus


def test_timers_run_engines_between_start_and_stop(models: Path, tmp_path: Path) -> None:
    file = pipeline_of(tmp_path, models, policy=("affine", {"rate_hz": 100.0}))
    with gl.Pipeline(file, mode="shared") as pipeline:
        assert not pipeline.stats().is_running
        pipeline.start()
        pipeline.start()
        assert pipeline.stats().is_running
        pipeline.stop()
        assert not pipeline.stats().is_running
    with pytest.raises(gl.RequestError, match="does not start: it is closed; open it again") as error:
        pipeline.start()
    assert error.value.reason == "closed"
    pipeline.stop()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"config": ""}, ValueError, "the path of the configuration is empty: name a file"),
        ({"config": 3}, TypeError, "expected str"),
        ({"config": "none.toml"}, RuntimeError, "none.toml.*: there is no such file"),
        ({"plan": ""}, ValueError, "the path of the plan is empty: name a file"),
        ({"plan": "none.json"}, RuntimeError, "none.json"),
        ({"mode": "fast"}, ValueError, "mode='fast' is invalid: use 'lanes', 'gates', 'shared', 'priority', or None"),
        ({"plan_of_another_device": 1}, TypeError, "plan_of_another_device is 1: give True or False"),
        ({"on_miss": 1}, TypeError, "on_miss is 1: give a function with one argument, the miss, or None"),
    ],
)
def test_wrong_arguments_are_refused(
    file: Path, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        gl.Pipeline(**{"config": file, **arguments})


def test_a_plan_that_does_not_fit_is_refused_without_a_temporary_name(file: Path, models: Path, tmp_path: Path) -> None:
    other = small_pipeline(tmp_path, models)
    plan = gl.plan(other, gl.profile(other, seconds=0.02), verify=False)
    with pytest.raises(RuntimeError, match="the plan") as error:
        gl.Pipeline(file, plan)
    assert "/tmp" not in str(error.value).replace(str(tmp_path), "").replace(str(file), "")


def test_a_plan_of_another_device_is_taken_if_asked_for(models: Path, tmp_path: Path) -> None:
    file = small_pipeline(tmp_path, models)
    plan = gl.plan(file, gl.profile(file, seconds=0.02), verify=False)
    name = gl.devices()[-1].name
    foreign = gl.Plan._of(plan.json.replace(name, "another CPU"))
    assert foreign != plan
    with pytest.raises(RuntimeError, match="another CPU"):
        gl.Pipeline(file, foreign)
    with gl.Pipeline(file, foreign, plan_of_another_device=True) as pipeline:
        assert torch.equal(pipeline["policy"](X), X * 2 + 1)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "it is no JSON"),
        ("[]", "the file is no object"),
        ('{"mode": "lanes"}', "lanes is missing"),
        ('{"mode": "lanes", "lanes": [], "engines": [{"name": "a"}]}', r"engines\[0\].lane is missing"),
        ('{"mode": "lanes", "lanes": [{"name": "a", "units": -1}], "engines": []}', r"lanes\[0\].units is not"),
    ],
)
def test_a_damaged_plan_is_refused_with_its_name(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "plan.json"
    file.write_text(text)
    with pytest.raises(ValueError, match=rf"plan.json' is no plan: .*{why}.*; give what `greenlane plan` wrote"):
        gl.Plan.read(file)


def test_everything_is_refused_after_close(file: Path) -> None:
    pipeline = gl.Pipeline(file, mode="shared")
    policy = pipeline["policy"]
    assert not pipeline.closed
    pipeline.close()
    pipeline.close()
    assert pipeline.closed
    for way in (policy, policy.submit, pipeline["policy"]):
        with pytest.raises(gl.RequestError, match="'policy' was not run: the pipeline is closed; open it") as error:
            way(X)
        assert error.value.reason == "closed"
    with pytest.raises(gl.RequestError, match="engine 'policy' has no lane: the pipeline is closed") as error:
        _ = policy.lane
    assert pipeline.engines[0] == "policy"
    assert pipeline.stats().devices == {}


def test_close_returns_the_units(models: Path, tmp_path: Path) -> None:
    file = pipeline_of(tmp_path, models, policy=("affine", {}))
    file.write_text(file.read_text() + "[lane.policy]\nunits = 1\n")
    for _ in range(2):  # the second one needs the first one's cores
        with gl.Pipeline(file) as pipeline:
            cpus = pipeline["policy"].lane.cpus
            with pytest.raises(RuntimeError, match="'policy' holds 1"):
                gl.partition("cpu", {"all": gl.devices()[-1].units})
    assert gl.partition("cpu", {"one": len(cpus)})["one"].units == 1


def test_two_pipelines_at_once(file: Path, models: Path, tmp_path: Path) -> None:
    other = pipeline_of(tmp_path, models, policy=("affine", {}))
    with gl.Pipeline(file, mode="shared") as one, gl.Pipeline(other, mode="shared") as two:
        assert torch.equal(one["policy"](X), two["policy"](X))
        two.close()
        assert torch.equal(one["policy"](X), X * 2 + 1)


def test_a_dropped_pipeline_closes_itself(file: Path) -> None:
    pipeline = gl.Pipeline(file, mode="shared")
    policy = pipeline["policy"]
    gone = weakref.ref(pipeline)
    del pipeline
    assert gone() is None, "a reference keeps the pipeline"
    with pytest.raises(gl.RequestError) as error:
        policy(X)
    assert error.value.reason == "closed"


def test_close_does_not_wait_longer_than_a_second_for_an_engine(file: Path) -> None:
    pipeline = gl.Pipeline(file, mode="shared")
    policy = pipeline["policy"]
    with held(policy.lane):
        run = policy.submit(X)
        assert eventually(lambda: pipeline.stats().engines["policy"].is_busy)
        closing = threading.Thread(target=pipeline.close)
        closing.start()
        closing.join(LONG)
        assert pipeline.closed
        with pytest.raises(RuntimeError, match="'policy' did not finish: it was still running when the pipeline was"):
            run.result(0)


def test_a_failed_opening_leaves_nothing(models: Path, tmp_path: Path) -> None:
    file = pipeline_of(tmp_path, models, throws=("throws", {}))
    wrong = file.read_text().replace("throws.inputs.pt", "out_of_table.inputs.pt")
    file.write_text(wrong)
    before = {thread.name for thread in threading.enumerate()}
    with pytest.raises(RuntimeError, match=r"engine 'throws' cannot run on lane 'throws'.*check the model and its"):
        gl.Pipeline(file, mode="shared", on_miss=print)
    gc.collect()
    assert {thread.name for thread in threading.enumerate()} == before


def test_nothing_of_a_pipeline_is_copied_or_saved(pipeline: gl.Pipeline) -> None:
    run = pipeline["policy"].submit(X)
    for each in (pipeline, pipeline["policy"], run):
        for way in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError, match="cannot be copied or saved"):
                way(each)
    error = gl.RequestError("message", "expired")
    same = pickle.loads(pickle.dumps(error))
    assert (str(same), same.reason) == ("message", "expired")


def test_a_forked_child_is_refused_and_ends(pipeline: gl.Pipeline) -> None:
    def child() -> str:
        texts = []
        try:
            pipeline["policy"].submit(X)
        except RuntimeError as error:
            texts.append(str(error))
        for act in (pipeline.start, pipeline.stop, run.result, lambda: run.exception(1)):
            try:
                act()
            except RuntimeError as error:
                texts.append(str(error))
        pipeline.close()
        return "".join(f"[{text}]" for text in texts)

    with held(pipeline["policy"].lane):
        run = pipeline["policy"].submit(X)
        texts = in_child(child)
    assert texts.count("fork") >= 5
    assert texts.count("[") == 5
    assert "open the pipeline there" in texts
    assert torch.equal(pipeline["policy"](X), X * 2 + 1)


PROGRAM = """
import os, sys, threading, torch, greenlane as gl
pipeline = gl.Pipeline(sys.argv[1], mode="shared", on_miss=print)
policy = pipeline["policy"]
x = torch.ones(4, 8)
%s
"""


@pytest.mark.parametrize(
    "code",
    [
        "runs = [policy.submit(x) for _ in range(60)]; runs[5].add_done_callback(lambda run: None)",
        "policy(x); pipeline.start(); del pipeline",
        "threading.Thread(target=lambda: [policy(x) for _ in iter(int, 1)], daemon=True).start(); policy(x)",
        "threading.Thread(target=lambda: [policy.submit(x).result() for _ in iter(int, 1)], daemon=True).start()",
        """
child = os.fork()
if child == 0:
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
""",
    ],
)
def test_a_program_that_does_not_close_ends(file: Path, code: str) -> None:
    done = run_program(PROGRAM % code, file)
    assert done.returncode == 0, done.stderr
    # A daemon thread may see the end of the pipeline.
    assert "Fatal" not in done.stderr
