"""The number of replicas, by the requests under way and by missed deadlines."""

from typing import TYPE_CHECKING, Any

from greenlane._stats import PipelineStats

if TYPE_CHECKING:
    from ray.serve.config import AutoscalingContext

METRIC = "greenlane_miss_share"
MOST_MISSES = 0.01
"""A larger share of missed deadlines asks for one more replica."""


class Misses:
    """The share of runs that missed their deadlines, from one look to the next."""

    def __init__(self) -> None:
        self._runs = self._misses = 0

    def share(self, stats: PipelineStats) -> float:
        """Returns the share since the last call; 0 without runs."""
        figures = [each.figures for each in stats.engines.values() if each.deadline_ms is not None]
        misses = sum(each.misses for each in figures)
        runs = sum(each.runs + each.dropped + each.skipped for each in figures)
        seen, missed = runs - self._runs, misses - self._misses
        self._runs, self._misses = runs, misses
        if seen < 0 or missed < 0:  # the pipeline was opened anew
            seen, missed = runs, misses
        return missed / seen if seen else 0.0


def wanted_replicas(running: int, by_queue: float, shares: list[float]) -> float:
    """Returns the number that is wanted: as many as the queue asks for, and one more where deadlines are missed.

    :param shares: of missed deadlines, of each replica.
    """
    share = sum(shares) / len(shares) if shares else 0.0
    return max(by_queue, running + 1) if share > MOST_MISSES else by_queue


def queue_and_misses(context: "AutoscalingContext") -> tuple[float, dict[str, Any]]:
    """Ray's policy by the length of queues, with :func:`wanted_replicas`.

    Ray applies the limits and delays of its ``autoscaling_config``.
    """
    from ray.serve.autoscaling_policy import replica_queue_length_autoscaling_policy

    by_queue, state = replica_queue_length_autoscaling_policy(context)
    known = (context.aggregated_metrics or {}).get(METRIC, {})
    return wanted_replicas(context.current_num_replicas, by_queue, list(known.values())), state
