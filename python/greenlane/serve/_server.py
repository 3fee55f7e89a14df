"""The protocol's endpoints, apart from any web framework.

Source: Open Inference Protocol, REST API, with Triton's extensions for statistics and the repository's index.
"""

import json
import logging
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from greenlane import __version__
from greenlane._pipeline import Pipeline
from greenlane.serve._edges import read_document
from greenlane.serve._errors import ProtocolError, bad_request
from greenlane.serve._messages import HEADER_LENGTH, Reply
from greenlane.serve._model import VERSION, Model
from greenlane.serve._sequences import feedback_of

_EXTENSIONS = ("binary_tensor_data", "model_configuration", "model_repository", "sequence", "statistics")
_log = logging.getLogger("greenlane")
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


@dataclass(frozen=True)
class Call:
    """A request of a client, apart from its path."""

    method: str
    headers: Mapping[str, str]
    body: bytes
    arrival_ns: int
    """By ``time.monotonic_ns``."""

    def require(self, method: str) -> None:
        """Raises ProtocolError if the request has another method."""
        if self.method != method:
            allowed = "GET, HEAD" if method == "GET" else method
            raise ProtocolError(405, f"{self.method[:20]} is not for this path: use {method}", allowed=allowed)


class Server:
    """Answers requests with the engines of an open pipeline. Use it in one event loop."""

    def __init__(self, pipeline: Pipeline, most_bytes: int) -> None:
        """Makes it of a pipeline, and the most bytes that a request's body may have, decompressed, too."""
        self._pipeline = pipeline
        self._most_bytes = most_bytes
        document, folder = read_document(pipeline._file), Path(pipeline._file).parent
        self._models = {
            name: Model(pipeline, name, feedback_of(pipeline, document, folder, name)) for name in pipeline.engines
        }

    async def respond(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Answers a request. The names of `headers` are in lower case. Raises nothing for any request."""
        # HEAD is GET without the body, which the web server leaves out.
        call = Call("GET" if method == "HEAD" else method, headers, body, time.monotonic_ns())
        try:
            return await self._respond(call, [part for part in path.split("/") if part])
        except ProtocolError as error:
            extra = {} if error.retry_after_s is None else {"retry-after": str(error.retry_after_s)}
            if error.allowed:
                extra["allow"] = error.allowed
            return _json({"error": str(error)}, error.status, extra)
        except Exception:  # a fault of this server, which must not end the replica
            _log.exception("a request was not answered: %s %s", method, path[:200])
            return _json({"error": "the server failed; its log says why"}, 500)

    def obstacle(self) -> str:
        """Returns the reason why no engine can serve; empty if one can."""
        obstacles = [model.obstacle() for model in self._models.values()]
        return "" if not all(obstacles) else obstacles[0]

    async def _respond(self, call: Call, parts: list[str]) -> Reply:
        match parts:
            case ["v2"]:
                call.require("GET")
                return _json({"name": "greenlane", "version": __version__, "extensions": list(_EXTENSIONS)})
            case ["v2", "health", "live"]:
                call.require("GET")
                return Reply(200)
            case ["v2", "health", "ready"]:
                call.require("GET")
                return _ready(next((why for why in (each.obstacle() for each in self._models.values()) if why), ""))
            case ["v2", "models", "stats"] if "stats" not in self._models:
                call.require("GET")
                return _json({"model_stats": [model.statistics() for model in self._models.values()]})
            case ["v2", "repository", "index"]:
                call.require("POST")
                return _json([self._entry(name) for name in self._models])
            case ["v2", "repository", "models", _, "load" | "unload"]:
                call.require("POST")
                raise bad_request("models are not loaded one by one: change the pipeline's file, and deploy it again")
            case ["v2", "models", name, "versions", version, *rest]:
                return await self._model_respond(call, name, version, rest)
            case ["v2", "models", name, *rest]:
                return await self._model_respond(call, name, VERSION, rest)
        raise ProtocolError(404, f"there is no /{'/'.join(parts)[:200]}")

    async def _model_respond(self, call: Call, name: str, version: str, rest: list[str]) -> Reply:
        model = self._models.get(name)
        if model is None:
            raise ProtocolError(404, f"there is no model {name[:100]!r}: use {', '.join(self._models)}")
        if version != VERSION:
            raise ProtocolError(404, f"model {name!r} has no version {version[:100]!r}: use {VERSION}")
        match rest:
            case []:
                call.require("GET")
                return _json(model.metadata())
            case ["ready"]:
                call.require("GET")
                return _ready(model.obstacle())
            case ["config"]:
                call.require("GET")
                return _json(model.configuration())
            case ["stats"]:
                call.require("GET")
                return _json({"model_stats": [model.statistics()]})
            case ["infer"]:
                call.require("POST")
                body = self._plain(call.body, call.headers)
                return await model.infer(body, call.headers.get(HEADER_LENGTH), call.arrival_ns)
        raise ProtocolError(404, f"model {name!r} has nothing at {'/'.join(rest)[:100]!r}")

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
