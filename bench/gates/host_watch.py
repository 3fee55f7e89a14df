"""Tells how busy a host was: a process that only reads the clock, on one core, notes when it did not run.

On a busy host every p99 is longer, whatever is measured. So rows are compared where the host was quiet.
"""

import json
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

GAP_NS = 100_000
"""A pause of the process that counts, in nanoseconds."""


@contextmanager
def watched_host() -> Iterator[dict[str, Any]]:
    """Yields what is filled at the end of the block: ``gaps_per_s`` (pauses longer than 100 us) and
    ``longest_gap_ms``."""
    figures: dict[str, Any] = {}
    command = [sys.executable, "-S", __file__]  # without packages, so that it starts at once
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield figures
        finally:
            figures.update(json.loads(process.communicate()[0] or "{}"))


def main() -> None:
    """Reads the clock until standard input is closed, and prints the figures."""
    begin = last = time.perf_counter_ns()
    gaps = longest = 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        for _ in range(20):
            now = time.perf_counter_ns()
            gaps += now - last > GAP_NS
            longest = max(longest, now - last)
            last = now
    seconds = (time.perf_counter_ns() - begin) / 1e9
    print(json.dumps({"gaps_per_s": round(gaps / seconds, 2), "longest_gap_ms": round(longest / 1e6, 3)}))


if __name__ == "__main__":
    main()
