"""Drives a simulated arm with the engines of robot_live.toml: robot_live.py [--seconds 10] [--plan plan.json]."""

import argparse
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import greenlane as gl
import torch

HERE = Path(__file__).resolve().parent
over = threading.Event()


def ticks(rate_hz: float) -> Iterator[int]:
    """Counts rate_hz times a second, until the program is over."""
    number, tick = 0, time.monotonic()
    while not over.wait(max(0.0, tick - time.monotonic())):
        yield number
        number, tick = number + 1, max(tick + 1 / rate_hz, time.monotonic())


def see(pipeline: gl.Pipeline) -> None:
    """Publishes 30 pictures a second."""
    pictures = torch.load(HERE / "build" / "camera.items.pt")
    for number in ticks(30):
        pipeline.source("camera").publish(pictures[number % len(pictures)])  # does not wait for the GPU


class Arm:
    """Joints that follow the actions."""

    joints = torch.load(HERE / "build" / "policy.inputs.pt")[1]

    def feel(self, pipeline: gl.Pipeline) -> None:
        """Publishes the joints 200 times a second."""
        for _ in ticks(200):
            pipeline.source("state").publish(self.joints)

    def drive(self, pipeline: gl.Pipeline) -> None:
        """Follows each new action, and the newest chunk, which has an action for each 5 ms since its picture."""
        actions, chunks = pipeline.sink("policy"), pipeline.sink("head")
        while not over.is_set():
            try:
                action = actions.wait(timeout=0.5).outputs.cpu()
            except TimeoutError:
                continue  # the arm stands still
            if (chunk := chunks.latest()) is not None and chunk.age is not None:
                action = (action + chunk.outputs[0, min(int(chunk.age * 200), 63)].cpu()) / 2
            self.joints = 0.95 * self.joints + 0.05 * action


def show(stats: gl.PipelineStats) -> None:
    """Prints live figures."""
    for path in stats.paths.values():
        ms = [f"{us / 1e3:7.2f} ms" for us in (path.recent.p50_us, path.recent.p99_us)]
        print(f"{path.name:6} {ms[0]} (p50) {ms[1]} (p99), {path.misses} of {path.items} late, {path.dropped} dropped")
    for name, engine in stats.engines.items():
        done, age = engine.figures, engine.figures.ages.p50_us / 1e3
        print(f"{name:6} {done.rate_hz:5.1f} Hz, data {age:6.2f} ms old, {done.misses} late, {done.failed} failed")


parser = argparse.ArgumentParser(description="Drives a simulated arm from live data.")
parser.add_argument("--seconds", type=int, default=10)
parser.add_argument("--plan", help="default: from a quick profile")
given = parser.parse_args()
with gl.Pipeline(HERE / "robot_live.toml", given.plan) as pipeline, ThreadPoolExecutor() as pool:
    pipeline.start()
    arm = Arm()
    ends = [pool.submit(work, pipeline) for work in (see, arm.feel, arm.drive)]
    try:
        for _ in range(given.seconds):
            time.sleep(1)
            show(pipeline.stats())
    finally:
        over.set()
    for end in ends:
        end.result()  # raises what went wrong
