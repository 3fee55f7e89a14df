"""Compares greenlane.serve with plain Ray Serve deployments of the same packages: ray_serve.py FOLDER OUT.json NAME...

Each NAME is NAME.pt2 and NAME.inputs.pt of the folder. NAME@RATE gets requests at this rate (Hz), with a deadline of
--deadline-ms or, as NAME@RATE:MS, of its own. NAME alone is best effort, with --clients requests in flight. Both
servers get the same arrivals from one load generator, in turns. Without --gpu the first model is also measured without
a server, by submit() of a pipeline, and a single model with 32 clients, too.

A plain deployment is one process for each model, which reads the request's bytes, runs the package, and returns bytes.
It knows its input's dtype and shape, so it parses nothing.
"""

import argparse
import asyncio
import contextlib
import json
import platform
import random
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import greenlane as gl
import torch
import uvloop
from greenlane.serve import build
from greenlane.serve._environment import haproxy_environment, set_environment
from starlette.requests import Request
from starlette.responses import Response

PORT = 8123
TIMER_S = 2e-3
"""An event loop's timers are this late at most: the rest of a wait looks at the clock."""


@dataclass
class Load:
    """A model, and how it is asked."""

    name: str
    rate_hz: float | None
    """None: best effort."""
    deadline_ms: float | None
    inputs: list[torch.Tensor]
    latency_ms: list[float] = field(default_factory=list)
    failed: int = 0

    @classmethod
    def of(cls, text: str, folder: Path, deadline_ms: float) -> "Load":
        """Reads NAME, NAME@RATE or NAME@RATE:DEADLINE_MS."""
        name, _, rates = text.partition("@")
        rate, _, deadline = rates.partition(":")
        inputs = torch.load(folder / f"{name}.inputs.pt")
        return cls(name, float(rate), float(deadline or deadline_ms), inputs) if rate else cls(name, None, None, inputs)

    def figures(self, seconds: float) -> dict[str, Any]:
        """Returns what was measured."""
        ordered = sorted(self.latency_ms)
        return {
            "name": self.name,
            "asked_hz": self.rate_hz,
            "deadline_ms": self.deadline_ms,
            "answered_hz": len(ordered) / seconds,
            "failed": self.failed,
            "p50_ms": statistics.median(ordered) if ordered else None,
            "p99_ms": ordered[int(0.99 * len(ordered))] if ordered else None,
        }


class Plain:
    """One package, served without greenlane."""

    def __init__(self, package: str, inputs: str, gpu: bool) -> None:
        """Loads it."""
        self.device = "cuda" if gpu else "cpu"
        self.like = torch.load(inputs)
        with torch.inference_mode():
            self.model = torch._inductor.aoti_load_package(package)
            for _ in range(3):
                self.model(*(each.to(self.device) for each in self.like))

    async def __call__(self, request: Request) -> Response:
        """Answers with the outputs' bytes."""
        body, tensors, at = bytearray(await request.body()), [], 0
        for like in self.like:
            tensor = torch.frombuffer(body, dtype=like.dtype, count=like.numel(), offset=at).view(like.shape)
            tensors.append(tensor.to(self.device))
            at += like.nbytes
        with torch.inference_mode():
            outputs = self.model(*tensors)
            outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
            content = b"".join(each.cpu().numpy().tobytes() for each in outputs)
        return Response(content)


def raw(load: Load) -> bytes:
    """Returns the inputs as bytes."""
    return b"".join(each.contiguous().view(torch.uint8).numpy().tobytes() for each in load.inputs)


def protocol_body(load: Load, names: list[dict[str, Any]]) -> tuple[bytes, dict[str, str]]:
    """Returns a request of the Open Inference Protocol with binary data, and its headers."""
    inputs = [
        {
            "name": known["name"],
            "datatype": known["datatype"],
            "shape": list(each.shape),
            "parameters": {"binary_data_size": each.nbytes},
        }
        for known, each in zip(names, load.inputs, strict=True)
    ]
    head = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
    return head + raw(load), {"Inference-Header-Content-Length": str(len(head))}


Ask = Callable[[], Awaitable[bool]]


class Client:
    """Sends requests of all loads to one server."""

    def __init__(self, session: aiohttp.ClientSession, kind: str) -> None:
        """Uses a session, for greenlane or for plain deployments."""
        self.session, self.kind = session, kind

    async def ask_of(self, load: Load) -> Ask:
        """Returns what sends one request of a load, and returns whether it was answered."""
        base = f"http://127.0.0.1:{PORT}"
        if self.kind == "greenlane":
            async with self.session.get(f"{base}/v2/models/{load.name}") as reply:
                names = (await reply.json())["inputs"]
            url, (body, headers) = f"{base}/v2/models/{load.name}/infer", protocol_body(load, names)
        else:
            url, body, headers = f"{base}/{load.name}", raw(load), {}

        async def ask() -> bool:
            async with self.session.post(url, data=body, headers=headers) as reply:
                await reply.read()
                return reply.status == 200

        return ask

    async def server_ms(self, load: Load) -> dict[str, float]:
        """Returns the mean time from a request's arrival in a replica to its answer, which greenlane tells."""
        if self.kind != "greenlane":
            return {}
        async with self.session.get(f"http://127.0.0.1:{PORT}/v2/models/{load.name}/stats") as reply:
            success = (await reply.json())["model_stats"][0]["inference_stats"]["success"]
        return {"mean_in_replica_ms": success["ns"] / success["count"] / 1e6}


async def one(load: Load, ask: Ask, scheduled: float) -> None:
    """Sends one request, and notes its latency from the time when it was due."""
    if await ask():
        load.latency_ms.append((time.perf_counter() - scheduled) * 1e3)
    else:
        load.failed += 1


async def open_loop(load: Load, ask: Ask, until: float) -> None:
    """Sends requests at random, and waits for none before the next one."""
    arrivals, due, flying = random.Random(load.name), time.perf_counter(), set()
    assert load.rate_hz is not None
    while due < until:
        await asyncio.sleep(max(0.0, due - time.perf_counter() - TIMER_S))
        while time.perf_counter() < due:
            await asyncio.sleep(0)
        task = asyncio.ensure_future(one(load, ask, due))
        flying.add(task)
        task.add_done_callback(flying.discard)
        due += arrivals.expovariate(load.rate_hz)
    await asyncio.gather(*flying)


async def closed_loop(load: Load, ask: Ask, until: float, clients: int) -> None:
    """Keeps this many requests in flight."""

    async def client() -> None:
        while time.perf_counter() < until:
            await one(load, ask, time.perf_counter())

    await asyncio.gather(*(client() for _ in range(clients)))


async def send_all(loads: list[Load], asks: list[Ask], until: float, clients: int) -> None:
    """Sends the requests of all loads at once."""
    await asyncio.gather(
        *(
            closed_loop(load, ask, until, clients) if load.rate_hz is None else open_loop(load, ask, until)
            for load, ask in zip(loads, asks, strict=True)
        )
    )


async def measure(kind: str, loads: list[Load], seconds: float, clients: int) -> list[dict[str, Any]]:
    """Asks one server for all loads at once, and returns the figures of each."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=60)) as session:
        client = Client(session, kind)
        asks = [await client.ask_of(load) for load in loads]
        for load, ask in zip(loads, asks, strict=True):
            for _ in range(20):
                await ask()
            load.latency_ms, load.failed = [], 0
        await send_all(loads, asks, time.perf_counter() + seconds, clients)
        server_ms = [await client.server_ms(load) for load in loads]
    return [load.figures(seconds) | figures for load, figures in zip(loads, server_ms, strict=True)]


def write_pipeline(folder: Path, loads: list[Load], options: argparse.Namespace) -> Path:
    """Writes the configuration of greenlane's pipeline. On a GPU all share its units, and best effort has gates."""
    tables = ['device = "cuda:0"\n' if options.gpu else 'device = "cpu"\n']
    for index, load in enumerate(loads):
        keys = {"model": str(folder / f"{load.name}.pt2"), "inputs": str(folder / f"{load.name}.inputs.pt")}
        tables.append(f"[engine.{load.name}]\n" + "".join(f"{key} = {json.dumps(keys[key])}\n" for key in keys))
        if load.rate_hz is not None:
            tables.append(f"rate_hz = {load.rate_hz}\ndeadline_ms = {load.deadline_ms}\n")
        if options.gpu:
            units = 'units = "rest"' if index == 0 else f'beside = "{loads[0].name}"'
            tables.append(f"[lane.{load.name}]\n{units}\n")
    file = options.scratch / "pipeline.toml"
    file.write_text("".join(tables))
    return file


def deploy(kind: str, folder: Path, loads: list[Load], file: Path, gpu: bool) -> None:
    """Deploys one of the servers, instead of the other."""
    from ray import serve

    for name in serve.status().applications:
        serve.delete(name)
    if kind == "greenlane":
        serve.run(build(str(file), gpu=gpu), name="greenlane", route_prefix="/")
        return
    targets = []
    for load in loads:
        deployment = serve.deployment(
            name=load.name,
            ray_actor_options={"num_gpus": 0.2} if gpu else {"num_cpus": 1 / len(loads)},
            max_ongoing_requests=1000,  # as greenlane.serve has it
            logging_config={"enable_access_log": False},
        )(Plain)
        application = deployment.bind(str(folder / f"{load.name}.pt2"), str(folder / f"{load.name}.inputs.pt"), gpu)
        targets.append(serve.RunTarget(application, name=load.name, route_prefix=f"/{load.name}"))
    serve.run_many(targets)


def direct(file: Path, load: Load, seconds: float) -> dict[str, Any]:
    """Returns the figures of submit() without a server."""
    with gl.Pipeline(file) as pipeline:
        engine = pipeline[load.name]
        inputs = [each.to(engine.lane.device) for each in load.inputs]
        until = time.perf_counter() + seconds
        load.latency_ms = []
        while (begin := time.perf_counter()) < until:
            engine.submit_tensors(inputs).result(60)
            load.latency_ms.append((time.perf_counter() - begin) * 1e3)
    return load.figures(seconds)


def parser_of(about: str | None) -> argparse.ArgumentParser:
    """Returns a parser of the models, how they are asked, and where the figures go."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--gpu", action="store_true")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--deadline-ms", type=float, default=50)
    parser.add_argument("--scratch", type=Path, default=Path("/tmp"))
    return parser


def main() -> None:
    """Runs the program."""
    parser = parser_of(__doc__)
    parser.add_argument("--haproxy", action="store_true", help="as --haproxy of greenlane.serve, for both servers")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--clients", type=int, default=2)
    options = parser.parse_args()
    folder = options.folder.resolve()
    loads = [Load.of(text, folder, options.deadline_ms) for text in options.models]
    file = write_pipeline(folder, loads, options)
    rows: list[dict[str, Any]] = []
    if not options.gpu:
        rows.append({"kind": "submit", "clients": 1, "models": [direct(file, loads[0], options.seconds)]})
        print(json.dumps(rows[-1]), flush=True)
    set_environment()  # of both servers
    ended = contextlib.ExitStack()
    if options.haproxy:
        ended.enter_context(haproxy_environment())
    import ray
    from ray import serve

    ray.init(namespace="serve", include_dashboard=False, log_to_driver=True)
    serve.start(http_options={"host": "127.0.0.1", "port": PORT}, logging_config={"enable_access_log": False})
    for turn in range(options.rounds):
        for kind in ("greenlane", "plain"):
            deploy(kind, folder, loads, file, options.gpu)
            for clients in (options.clients,) if options.gpu or len(loads) > 1 else (1, 32):
                models = uvloop.run(measure(kind, loads, options.seconds, clients))
                rows.append({"round": turn, "kind": kind, "clients": clients, "models": models})
                print(json.dumps(rows[-1]), flush=True)
    serve.shutdown()
    ended.close()
    about = {
        "haproxy": options.haproxy,
        "device": torch.cuda.get_device_name() if options.gpu else platform.processor() or platform.machine(),
        "torch": torch.__version__,
        "ray": ray.__version__,
        "seconds": options.seconds,
    }
    options.out.write_text(json.dumps({**about, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
