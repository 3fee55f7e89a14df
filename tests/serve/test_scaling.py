"""The number of replicas that autoscaling asks for."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import greenlane as gl
import pytest
import torch
from greenlane.serve._scaling import METRIC, Misses, queue_and_misses, wanted_replicas
from python.pipelines import pipeline_of


@pytest.mark.parametrize(
    ("running", "by_queue", "shares", "wanted"),
    [
        (2, 1.5, [], 1.5),
        (2, 1.5, [0.0, 0.0], 1.5),
        (2, 1.5, [0.01, 0.01], 1.5),
        (2, 1.5, [0.0, 0.03], 3),
        (2, 3.5, [1.0, 1.0], 3.5),
    ],
)
def test_missed_deadlines_ask_for_one_more(running: int, by_queue: float, shares: list[float], wanted: float) -> None:
    assert wanted_replicas(running, by_queue, shares) == wanted


def test_the_policy_is_rays_with_misses() -> None:
    def context(**metrics: dict[str, float]) -> Any:
        config = SimpleNamespace(get_target_ongoing_requests=lambda: 2.0)
        return SimpleNamespace(
            current_num_replicas=2,
            target_num_replicas=2,
            capacity_adjusted_min_replicas=1,
            total_num_requests=1.0,
            config=config,
            policy_state={},
            aggregated_metrics=metrics,
        )

    assert queue_and_misses(context()) == (0.5, {})
    assert queue_and_misses(context(**{METRIC: {"a": 0.0, "b": 0.5}})) == (3, {})


def test_the_share_is_that_since_the_last_look(models: Path, tmp_path: Path) -> None:
    file = pipeline_of(
        tmp_path, models, policy=("affine", {"rate_hz": 1.0, "deadline_ms": 1000.0}), free=("affine", {})
    )
    misses, x = Misses(), torch.ones(4, 8)
    with gl.Pipeline(file) as pipeline:
        assert misses.share(pipeline.stats()) == 0
        pipeline["policy"].submit(x).result()
        pipeline["free"].submit(x, deadline_ms=1e-6, drop_if_late=False).result()  # best effort has no misses to count
        assert misses.share(pipeline.stats()) == 0
        pipeline["policy"].submit(x).result()
        pipeline["policy"].submit(x, deadline_ms=1e-6, drop_if_late=False).result()
        assert misses.share(pipeline.stats()) == 0.5
        assert misses.share(pipeline.stats()) == 0
    with gl.Pipeline(file) as again:
        again["policy"].submit(x, deadline_ms=1e-6, drop_if_late=False).result()
        assert misses.share(again.stats()) == 1
