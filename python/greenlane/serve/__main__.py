"""The command line: ``python -m greenlane.serve robot.toml --plan plan.json --replicas auto --port 8000``."""

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from greenlane._native import ops
from greenlane.serve._build import build
from greenlane.serve._environment import (
    haproxy_environment,
    haproxy_obstacle,
    is_port,
    listen_obstacle,
    set_environment,
)

_NAME = "greenlane"
_ERROR = "RuntimeError: "


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves until Ctrl-C or SIGTERM; returns 0 then, 1 if nothing can be served, and 2 for bad input."""
    options = _parser().parse_args(arguments)
    for file in (options.config, options.plan):
        if file is not None and not file.is_file():
            return _refuse(f"'{file}' is no file: check the path", 2)
    try:
        has_modules = bool(ops.modules_of(str(options.config))[0])
    except (RuntimeError, ValueError) as error:
        return _refuse(str(error), 2)
    if has_modules:
        return _refuse(f"'{options.config}' has modules, which only a program can give: serve packages", 2)
    why = listen_obstacle(options.host, options.port)
    if why:
        return _refuse(f"{why}; choose others with --host, --port", 1)
    why = haproxy_obstacle() if options.haproxy else ""
    if why:
        return _refuse(why, 1)
    set_environment()
    if not options.haproxy:
        return _serve(options)
    with haproxy_environment():
        return _serve(options)


def _serve(options: argparse.Namespace) -> int:
    try:
        import ray
        from ray import serve
        from ray.exceptions import RayError
        from ray.serve.exceptions import RayServeException
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("ray", "starlette", "fastapi"):
            raise
        return _refuse("Ray Serve is not installed: install it with `pip install 'greenlane[serve]'`", 1)
    is_ours = False
    try:
        ray.init(namespace="serve", address="local" if options.haproxy else None)  # the variables are not the cluster's
        for each in (signal.SIGINT, signal.SIGTERM):  # only now, because Ray sets its own
            signal.signal(each, _interrupt)
        if serve.status().proxies:
            return _refuse("Ray Serve already runs on this cluster: deploy there with `serve run` (docs/serving.md)", 1)
        is_ours = True
        # A line for each request would cost more than a small engine's run.
        serve.start(
            http_options={"host": options.host, "port": options.port}, logging_config={"enable_access_log": False}
        )
        application = build(options.config, options.plan, replicas=options.replicas, gpu=options.gpu)
        serve.run(application, name=_NAME, route_prefix="/", blocking=False)
        print(f"serving {options.config} at http://{options.host}:{options.port}/v2", flush=True)
        threading.Event().wait()
    except KeyboardInterrupt:
        return 0
    except (RuntimeError, ConnectionError, RayError, RayServeException) as error:
        return _refuse(f"the pipeline was not deployed: {_reason() or str(error).splitlines()[0]}", 1)
    finally:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)  # the end takes seconds, and is not left half done
        if is_ours:
            serve.shutdown()
    return 0


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _reason() -> str:
    """Returns the error with which a replica did not open the pipeline; empty: none is known."""
    from ray import serve

    application = serve.status().applications.get(_NAME)
    texts = [] if application is None else [application.message, *(d.message for d in application.deployments.values())]
    lines = [line for text in texts for line in text.splitlines()]
    return next((line.removeprefix(_ERROR) for line in reversed(lines) if line.startswith(_ERROR)), "")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m greenlane.serve",
        description="Serves a pipeline's engines by the Open Inference Protocol, with Ray Serve.",
    )
    parser.add_argument("config", type=Path, metavar="CONFIG", help="the pipeline's TOML file")
    parser.add_argument("--plan", type=Path, help="take lanes and units from this plan")
    parser.add_argument(
        "--replicas", type=_replicas, default="auto", help="their number; auto (the default): one for each GPU or node"
    )
    parser.add_argument(
        "--gpu",
        action=argparse.BooleanOptionalAction,
        help="whether a replica takes a GPU (default: if the cluster has one)",
    )
    parser.add_argument(
        "--haproxy", action="store_true", help="let HAProxy take the requests, not Ray's Python proxy: less latency"
    )
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen at (default: this machine alone)")
    parser.add_argument("--port", type=_port, default=8000, help="the port to listen at (default: 8000)")
    return parser


def _replicas(text: str) -> int | str:
    if text == "auto":
        return text
    if text.isascii() and text.isdigit() and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is neither a number of 1 or more, nor auto")


def _port(text: str) -> int:
    if is_port(text):
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no port: give a number from 1 to 65535")


def _refuse(message: str, status: int) -> int:
    print(f"greenlane.serve: {message}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
