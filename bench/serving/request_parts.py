"""Tells where a request's time goes in a replica: request_parts.py FOLDER OUT.json NAME..., with the arguments of
ray_serve.py and without a network.

One event loop answers the requests of all models, as a replica's does. Figures are for each model, in milliseconds.
"""

import asyncio
import functools
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import greenlane as gl
import ray_serve
import torch
import uvloop
from greenlane._pipeline_engine import PipelineEngine
from greenlane.serve import _model
from greenlane.serve._model import Model
from greenlane.serve._server import Server


class Parts:
    """The times of the parts of all requests, by model and part."""

    def __init__(self) -> None:
        """Wraps the functions that a request goes through."""
        self.seconds: dict[tuple[str, str], list[float]] = defaultdict(list)
        _model.read_request = self.timed("read", _model.read_request)
        Model._answer = self.timed("answer", Model._answer)  # type: ignore[method-assign]
        Model._result = self.wait(Model._result)  # type: ignore[method-assign]
        PipelineEngine.submit_tensors = self.submit(PipelineEngine.submit_tensors)  # type: ignore[method-assign]

    def add(self, part: str, model: str, begin: float) -> None:
        """Notes what began then, and ends now."""
        self.seconds[model, part].append(time.perf_counter() - begin)

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Times a function; without a model it belongs to all."""

        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            begin = time.perf_counter()
            result = function(*args, **kwargs)
            self.add(part, args[0]._name if isinstance(args[0], Model) else "all", begin)
            return result

        return run

    def submit(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Times the call of an engine, which copies the request's tensors."""

        def run(engine: PipelineEngine, *args: Any, **kwargs: Any) -> Any:
            begin = time.perf_counter()
            result = function(engine, *args, **kwargs)
            self.add("submit", engine.name, begin)
            return result

        return run

    def wait(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Times the wait for the engine, with the copies to the device and back."""

        async def run(model: Model, *args: Any) -> Any:
            begin = time.perf_counter()
            result = await function(model, *args)
            self.add("run", model._name, begin)
            return result

        return run

    def figures(self) -> list[dict[str, Any]]:
        """Returns the median, the p99 and the longest of each part."""
        rows = []
        for (model, part), seconds in sorted(self.seconds.items()):
            ordered = sorted(1e3 * each for each in seconds)
            places = {"p50_ms": statistics.median(ordered), "p99_ms": ordered[int(0.99 * len(ordered))]}
            rows.append({"model": model, "part": part, "count": len(ordered), **places, "longest_ms": ordered[-1]})
        return rows


async def look_at_loop(parts: Parts, until: float) -> None:
    """Notes how late the loop is for a coroutine that is due."""
    while time.perf_counter() < until:
        begin = time.perf_counter()
        await asyncio.sleep(0)
        parts.add("one turn of the loop", "all", begin)
        await asyncio.sleep(0.005)


async def serve(pipeline: gl.Pipeline, loads: list[ray_serve.Load], seconds: float) -> Parts:
    """Answers requests for a while."""
    server = Server(pipeline, 1 << 24)

    def ask_of(load: ray_serve.Load) -> ray_serve.Ask:
        infos = pipeline[load.name].inputs
        names = [{"name": info.name, "datatype": _model.datatype_of(info.dtype)} for info in infos]
        body, headers = ray_serve.protocol_body(load, names)
        lower = {name.lower(): value for name, value in headers.items()}

        async def ask() -> bool:
            reply = await server.respond("POST", f"/v2/models/{load.name}/infer", lower, body)
            return reply.status == 200

        return ask

    asks = [ask_of(load) for load in loads]
    for ask in asks:
        for _ in range(20):
            await ask()
    parts = Parts()
    until = time.perf_counter() + seconds
    await asyncio.gather(look_at_loop(parts, until), ray_serve.send_all(loads, asks, until, clients=2))
    return parts


def main() -> None:
    """Runs the program."""
    options = ray_serve.parser_of(__doc__).parse_args()
    folder = options.folder.resolve()
    ray_serve.TIMER_S = 0.0  # the loop is the server's, too
    loads = [ray_serve.Load.of(text, folder, options.deadline_ms) for text in options.models]
    with gl.Pipeline(ray_serve.write_pipeline(folder, loads, options)) as pipeline:
        parts = uvloop.run(serve(pipeline, loads, options.seconds))
    whole = [load.figures(options.seconds) for load in loads]
    for row in parts.figures() + whole:
        print(json.dumps(row), flush=True)
    about = {"device": torch.cuda.get_device_name() if options.gpu else "cpu", "torch": torch.__version__}
    options.out.write_text(json.dumps({**about, "parts": parts.figures(), "models": whole}, indent=1) + "\n")


if __name__ == "__main__":
    main()
