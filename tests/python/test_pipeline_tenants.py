"""Tenants: shares of time by weight, and limits on what one may ask for."""

from pathlib import Path

import greenlane as gl
import pytest
import torch

from python.pipelines import LONG, pipeline_of, under_way


def with_tenants(file: Path, text: str) -> Path:
    """Adds tables to a configuration."""
    file.write_text(file.read_text() + text)
    return file


def test_saturated_tenants_get_time_by_their_weights(models: Path, tmp_path: Path) -> None:
    file = pipeline_of(
        tmp_path,
        models,
        rich=("threads", {"tenant": "rich", "lane": "shared", "request_queue": 1000}),
        poor=("threads", {"tenant": "poor", "lane": "shared", "request_queue": 1000}),
    )
    x = torch.rand(512, 512)
    with gl.Pipeline(with_tenants(file, "[tenant.rich]\nweight = 3\n[tenant.poor]\n")) as pipeline:
        count = 200
        runs: dict[str, list[gl.PipelineRun]] = {name: [] for name in ("rich", "poor")}
        for _ in range(count):
            for name, all_runs in runs.items():
                all_runs.append(pipeline[name].submit(x))
        runs["rich"][count // 2].result(LONG)
        before = pipeline.stats().tenants
        runs["rich"][-2].result(LONG)
        after = pipeline.stats().tenants
        for run in runs["poor"]:
            run.cancel()
    assert after["poor"].waiting > 0
    rich, poor = (after[name].busy_s - before[name].busy_s for name in ("rich", "poor"))
    assert rich / (rich + poor) == pytest.approx(0.75, abs=0.05)
    assert (after["rich"].weight, after["poor"].weight) == (3, 1)


def test_limits_of_a_tenant_hold_over_all_its_engines(models: Path, tmp_path: Path) -> None:
    file = pipeline_of(
        tmp_path,
        models,
        one=("affine", {"tenant": "alice"}),
        two=("affine", {"tenant": "alice"}),
        free=("affine", {}),
    )
    x = torch.rand(4, 8)
    with gl.Pipeline(with_tenants(file, "[tenant.alice]\nrequest_queue = 3\n"), mode="shared") as pipeline:
        one, two = pipeline["one"], pipeline["two"]
        with under_way(one, x), under_way(two, x):
            waiting = [one.submit(x), two.submit(x), one.submit(x)]
            with pytest.raises(gl.RequestError, match=r"tenant 'alice'.*3 of its requests wait") as refused:
                two.submit(x)
            assert refused.value.reason == "queue_full"
            assert pipeline["free"].submit(x) is not None
        for run in waiting:
            assert torch.equal(run.result(LONG), x * 2 + 1)
        tenant = pipeline.stats().tenants["alice"]
        assert (tenant.waiting, tenant.refused) == (0, 1)
        assert pipeline.stats().engines["two"].figures.rejected == 1


def test_a_rate_refuses_what_comes_too_fast(models: Path, tmp_path: Path) -> None:
    file = pipeline_of(tmp_path, models, policy=("affine", {"tenant": "alice"}))
    x = torch.rand(4, 8)
    with gl.Pipeline(with_tenants(file, "[tenant.alice]\nrate_hz = 0.001\nburst = 2\n")) as pipeline:
        engine = pipeline["policy"]
        for _ in range(2):
            engine.submit(x).result(LONG)
        with pytest.raises(gl.RequestError, match=r"0\.001 requests per second") as refused:
            engine.submit(x)
        assert refused.value.reason == "too_many"
        assert 'greenlane_tenant_refused_requests_total{tenant="alice"} 1' in pipeline.metrics_text()


@pytest.mark.parametrize(
    ("table", "key", "why"),
    [
        ("[tenant.alice]\n", 'tenant = "bob"', r"there is no table \[tenant.bob\]"),
        ("[tenant.alice]\n[tenant.bob]\n", 'tenant = "alice"', "no engine has this tenant"),
        ("[tenant.alice]\nburst = 3\n", 'tenant = "alice"', "no limit of its rate"),
        ("[tenant.alice]\nweight = 0\n", 'tenant = "alice"', "weight"),
        ("", "max_delay_ms = 3", "give `max_batch`"),
        ("", "max_batch = 3\nmax_delay_ms = 3\nrate_hz = 500", "would wait until its deadline"),
        ("", "max_batch = 3\nbatch_sizes = [3, 2]", "do not ascend"),
        ("", "max_batch = 3\nbatch_sizes = [1, 2]", "the last size"),
        ("", "max_batch = 3\nbatch_sizes = [1.0, 3]", "no whole number"),
        ("", "max_batch = 3\nbatch_sizes = 3", "no list"),
        ("", "max_batch = 3\nstateful = true", "one by one"),
        ("", "max_batch = 0", "max_batch"),
    ],
)
def test_wrong_keys_are_refused(models: Path, tmp_path: Path, table: str, key: str, why: str) -> None:
    file = pipeline_of(tmp_path, models, policy=("affine", {}))
    file.write_text(file.read_text() + key + "\n" + table)
    with pytest.raises(RuntimeError, match=why):
        gl.Pipeline(file)
