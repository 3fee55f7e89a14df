"""The protocol's endpoints, apart from any web framework.

Source: Open Inference Protocol, REST API, with Triton's extensions for statistics and the repository's index.
"""

import json
import logging
import time
import zlib
from collections.abc import Mapping
from typing import Any

from greenlane import __version__
from greenlane._pipeline import Pipeline
from greenlane.serve._errors import ProtocolError, bad_request
from greenlane.serve._messages import HEADER_LENGTH, Reply
from greenlane.serve._model import VERSION, Model

_log = logging.getLogger("greenlane")
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


class Server:
    """Answers requests with the engines of an open pipeline. Use it in one event loop."""

    def __init__(self, pipeline: Pipeline, most_bytes: int) -> None:
        """Makes it of a pipeline, and the most bytes that a request's body may have, decompressed, too."""
        self._pipeline = pipeline
        self._most_bytes = most_bytes
        self._models = {name: Model(pipeline, name) for name in pipeline.engines}

    async def respond(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Answers a request. The names of `headers` are in lower case. Raises nothing for any request."""
        arrival = time.monotonic_ns()
        try:
            return await self._respond(method, [part for part in path.split("/") if part], headers, body, arrival)
        except ProtocolError as error:
            extra = {} if error.retry_after_s is None else {"retry-after": str(error.retry_after_s)}
            return _json({"error": str(error)}, error.status, extra)
        except Exception:  # a fault of this server, which must not end the replica
            _log.exception("a request was not answered: %s %s", method, path[:200])
            return _json({"error": "the server failed; its log says why"}, 500)

    def obstacle(self) -> str:
        """Returns the reason why no engine can serve; empty if one can."""
        obstacles = [model.obstacle() for model in self._models.values()]
        return "" if not all(obstacles) else obstacles[0]

    async def _respond(
        self, method: str, parts: list[str], headers: Mapping[str, str], body: bytes, arrival: int
    ) -> Reply:
        match method, parts:
            case "GET", ["v2"]:
                return _json(
                    {
                        "name": "greenlane",
                        "version": __version__,
                        "extensions": ["binary_tensor_data", "statistics", "model_repository"],
                    }
                )
            case "GET", ["v2", "health", "live"]:
                return Reply(200)
            case "GET", ["v2", "health", "ready"]:
                return _ready(next((why for why in (each.obstacle() for each in self._models.values()) if why), ""))
            case "GET", ["v2", "models", "stats"]:
                return _json({"model_stats": [model.statistics() for model in self._models.values()]})
            case "POST", ["v2", "repository", "index"]:
                return _json([self._entry(name) for name in self._models])
            case "POST", ["v2", "repository", "models", _, "load" | "unload"]:
                raise bad_request("models are not loaded one by one: change the pipeline's file, and deploy it again")
            case _, ["v2", "models", name, "versions", version, *rest]:
                return await self._model_respond(method, name, version, rest, headers, body, arrival)
            case _, ["v2", "models", name, *rest]:
                return await self._model_respond(method, name, VERSION, rest, headers, body, arrival)
        raise ProtocolError(404, f"there is no {method} /{'/'.join(parts)[:200]}")

    async def _model_respond(
        self,
        method: str,
        name: str,
        version: str,
        rest: list[str],
        headers: Mapping[str, str],
        body: bytes,
        arrival: int,
    ) -> Reply:
        model = self._models.get(name)
        if model is None:
            raise ProtocolError(404, f"there is no model {name[:100]!r}: use {', '.join(self._models)}")
        if version != VERSION:
            raise ProtocolError(404, f"model {name!r} has no version {version[:100]!r}: use {VERSION}")
        match method, rest:
            case "GET", []:
                return _json(model.metadata())
            case "GET", ["ready"]:
                return _ready(model.obstacle())
            case "GET", ["stats"]:
                return _json({"model_stats": [model.statistics()]})
            case "POST", ["infer"]:
                return await model.infer(self._plain(body, headers), headers.get(HEADER_LENGTH), arrival)
        raise ProtocolError(404, f"there is no {method} of model {name!r} at {'/'.join(rest)[:100]!r}")

    def _entry(self, name: str) -> dict[str, Any]:
        obstacle = self._models[name].obstacle()
        return {
            "name": name,
            "version": VERSION,
            "state": "UNAVAILABLE" if obstacle else "READY",
            "reason": obstacle,
        }

    def _plain(self, body: bytes, headers: Mapping[str, str]) -> bytes:
        """Returns the body without its compression."""
        encoding = headers.get("content-encoding", "").strip().lower() or "identity"
        if encoding not in ("identity", "gzip", "deflate"):
            raise ProtocolError(415, f"content-encoding {encoding[:100]!r} is not supported: use gzip or deflate")
        if encoding != "identity":
            decompressor = zlib.decompressobj(_GZIP_OR_ZLIB)
            try:
                body = decompressor.decompress(body, self._most_bytes + 1)
            except zlib.error as error:
                raise bad_request(f"the body is no {encoding}: {error}") from None
            if not decompressor.eof and len(body) <= self._most_bytes:
                raise bad_request(f"the {encoding} of the body ends too early")
            if decompressor.unused_data:
                raise bad_request(f"{len(decompressor.unused_data)} bytes follow the {encoding} of the body")
        if len(body) > self._most_bytes:
            raise ProtocolError(413, f"the body is longer than {self._most_bytes} bytes")
        return body


def _json(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(status, json.dumps(document).encode(), {"content-type": "application/json", **(headers or {})})


def _ready(obstacle: str) -> Reply:
    return _json({"error": obstacle}, 503) if obstacle else Reply(200)
