"""A vision transformer at 60 Hz through `submit`, beside a Python thread that runs a language model.

usage: python_threads.py OUT.json [SECONDS]

Both are modules of PyTorch, each on SMs of its own. The transformer is captured by the pipeline. Its latency runs from
entering `submit` to the end of the work on the device, and is taken in C++. The time until Python has the result is
reported apart, and so is what a program without greenlane gets: a captured CUDA graph that Python replays at 60 Hz.
"""

import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import greenlane as gl
import timm
import torch
import transformers

OUT, SECONDS = Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 15.0
RATE_HZ = 60


def quantiles(times_ms: list[float]) -> dict[str, float]:
    """Returns the median and the tail, in milliseconds."""
    times_ms.sort()
    at = [times_ms[int(q * (len(times_ms) - 1))] for q in (0.5, 0.99)]
    return {"p50_ms": at[0], "p99_ms": at[1], "max_ms": times_ms[-1]}


def at_rate(act: Callable[[], object]) -> list[float]:
    """Calls `act` at the rate, and returns how long each call took from its scheduled time, in milliseconds."""
    times: list[float] = []
    begin = time.perf_counter()
    for i in range(int(RATE_HZ * SECONDS)):
        scheduled = begin + i / RATE_HZ
        time.sleep(max(0.0, scheduled - time.perf_counter()))
        start = time.perf_counter()
        act()
        times.append(1e3 * (time.perf_counter() - start))
    return times


def language_model() -> torch.nn.Module:
    """Returns a Llama of about 200 million parameters with random weights."""
    config = transformers.LlamaConfig(
        hidden_size=1024, intermediate_size=2816, num_hidden_layers=12, num_attention_heads=16, vocab_size=32000
    )
    return transformers.LlamaForCausalLM(config).half().cuda().eval()


class Beside:
    """Runs the language model in a thread of its own, while it is entered."""

    def __init__(self, model: torch.nn.Module, lane: gl.Lane | None) -> None:
        """Prepares the thread; without a lane it runs on a stream of its own."""
        self.model, self.lane, self.count, self.stop = model, lane, 0, False
        self.thread = threading.Thread(target=self.run)

    def run(self) -> None:
        """Runs forward passes until it is told to stop."""
        tokens = torch.randint(0, 32000, (1, 128), device="cuda")
        stream = torch.cuda.Stream()
        with torch.inference_mode(), self.lane or torch.cuda.stream(stream):
            while not self.stop:
                self.model(tokens)
                self.count += 1
                if self.count % 8 == 0:
                    torch.cuda.current_stream().synchronize()

    def __enter__(self) -> "Beside":
        """Starts the thread, and lets it warm up."""
        self.thread.start()
        time.sleep(1)
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the thread."""
        self.stop = True
        self.thread.join()


def by_hand(vit: torch.nn.Module, picture: torch.Tensor) -> Callable[[], None]:
    """Returns a call of the transformer as a CUDA graph of PyTorch's, on a stream of its own."""
    stream = torch.cuda.Stream()
    static = picture.clone()
    with torch.inference_mode(), torch.cuda.stream(stream):
        for _ in range(3):
            vit(static)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream):
            vit(static)

    def act() -> None:
        with torch.cuda.stream(stream):
            static.copy_(picture)
            graph.replay()
            stream.synchronize()

    return act


def served(file: Path, vit: torch.nn.Module, picture: torch.Tensor, model: torch.nn.Module | None) -> dict[str, Any]:
    """Serves the transformer, alone or beside the language model."""
    with gl.Pipeline(file, modules={"vit": vit}) as pipeline:
        engine = pipeline["vit"]

        def act() -> None:
            engine.submit(picture, drop_if_late=False).result(30)

        lane = gl.partition("cuda:0", {"lm": gl.REST})["lm"] if model else None
        forwards = 0
        if model is None:
            seen = at_rate(act)
        else:
            with Beside(model, lane) as beside:
                seen = at_rate(act)
            forwards = beside.count
        stats = pipeline.stats().engines["vit"]
        whole = stats.figures.whole
        return {
            "in_python": stats.in_python,
            "runs": stats.figures.runs,
            "forwards_of_the_language_model": forwards,
            "device": {"p50_ms": whole.p50_us / 1e3, "p99_ms": whole.p99_us / 1e3, "max_ms": whole.max_us / 1e3},
            "until_python_has_it": quantiles(seen),
        }


def main() -> None:
    """Measures twice in turn, and writes the results."""
    torch.manual_seed(0)
    vit = timm.create_model("vit_base_patch16_224", pretrained=False).half().cuda().eval()
    picture = torch.randn(1, 3, 224, 224, device="cuda", dtype=torch.float16)
    model = language_model()
    with torch.inference_mode():
        model(torch.randint(0, 32000, (1, 128), device="cuda"))
    with tempfile.TemporaryDirectory() as folder:
        torch.save([picture], Path(folder, "vit.inputs.pt"))
        file = Path(folder, "vit.toml")
        file.write_text(
            "device = 'cuda:0'\n[engine.vit]\nmodule = 'vit'\ninputs = 'vit.inputs.pt'\n"
            f"rate_hz = {RATE_HZ}\n[lane.vit]\nunits = 64\n"
        )
        result = {"device": torch.cuda.get_device_name(), "torch": torch.__version__, "seconds": SECONDS, "rounds": []}
        for _ in range(2):
            result["rounds"].append(
                {"alone": served(file, vit, picture, None), "beside": served(file, vit, picture, model)}
            )
    act = by_hand(vit, picture)
    result["by_hand"] = {"alone": quantiles(at_rate(act))}
    with Beside(model, None):
        result["by_hand"]["beside"] = quantiles(at_rate(act))
    ratios = [each["beside"]["device"]["p99_ms"] / each["alone"]["device"]["p99_ms"] for each in result["rounds"]]
    result["p99_beside_over_alone"] = statistics.median(ratios)
    OUT.write_text(json.dumps(result, indent=1))
    print(json.dumps(result))


main()
