"""The command line: ``python -m greenlane.serve robot.toml --plan plan.json --replicas auto --port 8000``."""

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from greenlane.serve._build import build

_NAME = "greenlane"
_ERROR = "RuntimeError: "


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves until Ctrl-C or SIGTERM; returns 0 then, 1 if nothing can be served, and 2 for bad input."""
    options = _parser().parse_args(arguments)
    for file in (options.config, options.plan):
        if file is not None and not file.is_file():
            return _refuse(f"'{file}' is no file: check the path", 2)
    try:
        from ray import serve
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "ray":
            raise
        return _refuse("Ray is not installed: install it with `pip install 'greenlane[serve]'`", 1)
    ended = threading.Event()
    try:
        # A line for each request would cost more than a small engine's run.
        serve.start(
            http_options={"host": options.host, "port": options.port}, logging_config={"enable_access_log": False}
        )
        for each in (signal.SIGINT, signal.SIGTERM):  # only now, because Ray sets its own
            signal.signal(each, lambda *_: ended.set())
        application = build(options.config, options.plan, replicas=options.replicas, gpu=options.gpu)
        serve.run(application, name=_NAME, route_prefix="/", blocking=False)
        print(f"serving {options.config} at http://{options.host}:{options.port}/v2", flush=True)
        ended.wait()
    except RuntimeError as error:
        return _refuse(f"the pipeline was not deployed: {_reason() or error}", 1)
    finally:
        serve.shutdown()
    return 0


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
    if text.isascii() and text.isdigit() and 0 < int(text) < 65536:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no port: give a number from 1 to 65535")


def _refuse(message: str, status: int) -> int:
    print(f"greenlane.serve: {message}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
