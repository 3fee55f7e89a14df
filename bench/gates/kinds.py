"""Measures gates for every kind of engine: kinds.py MODELS_FOLDER OUT.json, with models of export.py and the policy of
the robot.

Two urgent engines, a vision transformer at 60 Hz at random and a policy net at 500 Hz, run beside a best-effort
transformer of 201 million parameters. It is a package or a module. A module with a Torch-TensorRT engine of the double
follows where GREENLANE_TENSORRT_RUNTIME names a runtime. That engine launches the module's kernels. The slices are of
one length, because a choice of slices may differ between equal engines. The kinds take turns, ROUNDS (default 4) times
for SECONDS_TO_RUN (default 8).
"""

import ctypes
import json
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import greenlane as gl
import torch

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "tests" / "gpu")]

import export  # noqa: E402
from host_watch import watched_host  # noqa: E402

SECONDS = float(os.environ.get("SECONDS_TO_RUN", "8"))
ROUNDS = int(os.environ.get("ROUNDS", "4"))
SLICES = "120us"


def table(name: str, **keys: object) -> str:
    """Returns an engine's table of the configuration."""
    return "\n".join([f"[engine.{name}]", *(f"{key} = {json.dumps(value)}" for key, value in keys.items())]) + "\n"


class Layers:
    """The layers of a Torch-TensorRT engine of the double: the kernels of a module."""

    def __init__(self, module: torch.nn.Module, inputs: list[torch.Tensor]) -> None:
        """Takes the module, on the GPU, and the inputs of each call."""
        self.module, self.given = module, [each.cuda() for each in inputs]
        with torch.inference_mode():
            self.expected = module(*self.given)
        self.output = torch.empty_like(self.expected)
        self.function = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(self.enqueue)

    def enqueue(self, stream: int) -> None:
        """Enqueues a call of the module. The output is written when it ends."""
        with torch.cuda.stream(torch.cuda.ExternalStream(stream)), torch.inference_mode():
            self.output.copy_(self.module(*self.given))

    def engine(self) -> torch.nn.Module:
        """Returns a module with the engine."""
        from tensorrt_runtime import Accelerated, load, new_engine

        load()
        address = ctypes.cast(self.function, ctypes.c_void_p).value
        assert address is not None
        return Accelerated(new_engine("head", blocks=1, hold=0, layers=address))

    def check(self) -> None:
        """Fails unless the last call computed what the module does."""
        torch.cuda.synchronize()
        torch.testing.assert_close(self.output, self.expected, rtol=0.02, atol=0.02)
        self.output.zero_()


class Mix:
    """The three engines, with one kind of best effort."""

    def __init__(self, folder: Path, kind: str, head: torch.nn.Module | None, inputs: list[torch.Tensor]) -> None:
        """Takes the module; None: the package of the folder."""
        self.folder, self.kind, self.head, self.inputs = folder, kind, head, inputs

    def run(self, scratch: Path, urgent: bool, seconds: float) -> dict[str, Any]:
        """Serves for a while, with or without the urgent engines, and returns figures of each engine."""
        folder = self.folder
        torch.save([each.cpu() for each in self.inputs], scratch / "head.pt")
        what = {"module": "head"} if self.head is not None else {"model": str(folder / "large.pt2")}
        tables = ['device = "cuda:0"\n', table("head", **what, inputs=str(scratch / "head.pt"), gates=SLICES)]
        if urgent:
            files = {
                name: (str(folder / f"{name}.pt2"), str(folder / f"{name}.inputs.pt")) for name in ("vit", "policy")
            }
            model, inputs = files["vit"]
            tables.append(table("vit", model=model, inputs=inputs, rate_hz=60, deadline_ms=10, arrivals="poisson"))
            model, inputs = files["policy"]
            count = len(torch.load(inputs))
            tables.append("[source.state]\nrate_hz = 500\n")
            sources = [f"state.{index}" for index in range(count)]
            tables.append(table("policy", model=model, inputs=inputs, rate_hz=500, deadline_ms=1, **{"from": sources}))
        (scratch / "mix.toml").write_text("".join(tables))
        modules = None if self.head is None else {"head": self.head}
        with gl.Pipeline(scratch / "mix.toml", modules=modules, mode="gates") as pipeline:
            return self.serve(pipeline, urgent, seconds)

    def serve(self, pipeline: gl.Pipeline, urgent: bool, seconds: float) -> dict[str, Any]:
        """Keeps two runs of the best-effort engine in flight, and calls the vision transformer at random times."""
        end = time.monotonic() + seconds
        threads = []
        if urgent:
            picture = [each.cuda() for each in torch.load(self.folder / "vit.inputs.pt")]
            state = [each.cuda() for each in torch.load(self.folder / "policy.inputs.pt")]
            torch.cuda.synchronize()
            pipeline.source("state").publish(*state)
            pipeline.start()

            def arrive() -> None:
                arrivals = random.Random(1)
                due = time.monotonic()
                while due < end:
                    due += arrivals.expovariate(60)
                    time.sleep(max(0.0, due - time.monotonic()))
                    pipeline["vit"].submit(*picture)

            threads.append(threading.Thread(target=arrive))
        for thread in threads:
            thread.start()
        given = [each.cuda() for each in self.inputs]
        runs, begin = 0, time.monotonic()
        flying = [pipeline["head"].submit(*given) for _ in range(2)]
        while time.monotonic() < end:
            flying.pop(0).result(60)
            runs += 1
            flying.append(pipeline["head"].submit(*given))
        rate = runs / (time.monotonic() - begin)
        for thread in threads:
            thread.join()
        for each in flying:
            each.result(60)
        stats = pipeline.stats()
        seen: dict[str, Any] = {"head_hz": rate}
        graphs = stats.engines["head"].graphs
        seen["slices"] = graphs.slices if graphs is not None else 0
        seen["longest_slice_us"] = graphs.longest_slice_us if graphs is not None else 0
        gate = stats.devices["cuda:0"].gate
        seen["gate"] = asdict(gate) if gate is not None else None
        if urgent:
            for name in ("vit", "policy"):
                latency = stats.engines[name].figures.whole
                seen[name] = {
                    "p50_us": latency.p50_us,
                    "p99_us": latency.p99_us,
                    "runs": stats.engines[name].figures.runs,
                }
        return seen


class Results:
    """All runs so far, in a file."""

    def __init__(self, out: Path) -> None:
        """Writes them there, and prints each."""
        self.out = out
        self.alone: dict[str, list[float]] = {}
        """The rates of best effort alone, by kind."""
        self.runs: list[dict[str, Any]] = []

    def add_alone(self, mix: Mix, scratch: Path) -> None:
        """Runs best effort of a kind alone."""
        rate = float(mix.run(scratch, urgent=False, seconds=SECONDS / 2)["head_hz"])
        self.alone.setdefault(mix.kind, []).append(rate)
        self.write()

    def add(self, turn: int, mix: Mix, scratch: Path) -> None:
        """Runs a mix."""
        with watched_host() as host:
            figures = mix.run(scratch, urgent=True, seconds=SECONDS)
        self.runs.append({"round": turn, "kind": mix.kind, "host": host, "mix": figures})
        print(json.dumps(self.runs[-1]), flush=True)
        self.write()

    def medians(self, kind: str) -> dict[str, float]:
        """Returns the medians of a kind's runs: a busy host makes single runs longer (host_watch.py)."""
        mixes = [row["mix"] for row in self.runs if row["kind"] == kind]
        if not mixes:
            return {}
        rate = statistics.median(mix["head_hz"] for mix in mixes)
        times = {
            f"{name}_p99_us": statistics.median(mix[name]["p99_us"] for mix in mixes) for name in ("vit", "policy")
        }
        return {"share_of_alone": rate / statistics.mean(self.alone[kind]), **times}

    def write(self) -> None:
        """Writes the file."""
        about = {"device": torch.cuda.get_device_name(), "torch": torch.__version__, "seconds": SECONDS}
        medians = {kind: self.medians(kind) for kind in self.alone}
        document = {**about, "alone_hz": self.alone, "runs": self.runs, "medians": medians}
        self.out.write_text(json.dumps(document, indent=1) + "\n")


def main() -> None:
    """Runs the program."""
    folder, results = Path(sys.argv[1]).resolve(), Results(Path(sys.argv[2]))
    torch.manual_seed(0)
    module = export.Large().cuda().half().eval()
    export.repeat_weights(module)
    inputs = torch.load(folder / "large.inputs.pt")
    mixes = [Mix(folder, "package", None, inputs), Mix(folder, "module", module, inputs)]
    with tempfile.TemporaryDirectory() as scratch_name:
        scratch = Path(scratch_name)
        for mix in mixes:
            results.add_alone(mix, scratch)
        layers = None
        if "GREENLANE_TENSORRT_RUNTIME" in os.environ:
            layers = Layers(module, inputs)
            mixes.append(Mix(folder, "tensorrt", layers.engine(), [torch.ones(16)]))
            results.add_alone(mixes[-1], scratch)
            layers.check()
        for turn in range(ROUNDS):
            for mix in mixes:
                results.add(turn, mix, scratch)
        for mix in mixes:
            results.add_alone(mix, scratch)
        if layers is not None:
            layers.check()
        print(json.dumps({mix.kind: results.medians(mix.kind) for mix in mixes}), flush=True)


if __name__ == "__main__":
    main()
