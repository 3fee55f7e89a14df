"""Serves requests from a pipeline and its plan.

python serve_plan.py robot.toml plan.json robot/policy.inputs.pt
"""

import sys

import torch

import greenlane as gl

config, plan, inputs = sys.argv[1:]
with gl.Pipeline(config, plan=plan) as pipeline:
    policy = pipeline["policy"]
    observation = [tensor.to(policy.lane.device) for tensor in torch.load(inputs)]
    for _ in range(100):
        action = policy(*observation)  # now, joined with the current stream
        run = policy.submit(*observation, drop_if_late=False)  # on the engine's own thread
        action = run.result(timeout=10)
    for engine in pipeline.stats().engines:
        print(f"{engine.name:8} {engine.lane}: {engine.figures.runs} runs, p99 {engine.figures.whole.p99_us:.0f} us")
