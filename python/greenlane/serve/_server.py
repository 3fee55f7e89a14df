"""The protocol's endpoints, apart from any web framework.

Source: Open Inference Protocol, REST API, with Triton's extensions for statistics and the repository's index.
"""

import asyncio
import json
import logging
import math
import time
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from greenlane import __version__
from greenlane._pipeline import Pipeline
from greenlane.serve._edges import read_document
from greenlane.serve._errors import ProtocolError, bad_request
from greenlane.serve._messages import HEADER_LENGTH, Reply, require_no_files, wants_ready
from greenlane.serve._model import VERSION, Model
from greenlane.serve._paths import Feeder, PathModel, chain_of
from greenlane.serve._repository import Repository, Unloaded, after
from greenlane.serve._sequences import feedback_of

_EXTENSIONS = ("binary_tensor_data", "model_configuration", "model_repository", "sequence", "statistics")
_log = logging.getLogger("greenlane")
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_LONGEST_DRAIN_S = 30.0
_REOPENING = "the pipeline is opened anew with other engines"
Deploy = Callable[[Unloaded], Awaitable[None]]


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

    def __init__(self, opened: Pipeline | Repository, most_bytes: int, deploy: Deploy | None = None) -> None:
        """Makes it of a pipeline, or of a repository, whose models can be loaded and unloaded.

        :param most_bytes: the most bytes that a request's body may have, decompressed, too.
        :param deploy: brings other unloaded engines to :meth:`change` of all replicas, and returns when they have it.
        """
        self._repository = opened if isinstance(opened, Repository) else None
        self._most_bytes = most_bytes
        self._deploy = deploy
        self._one_change = asyncio.Lock()
        self._feeders: dict[str, Feeder] = {}
        """Of the sources that paths begin at."""
        self._refused: dict[str, ProtocolError] = {}
        """Paths of queues that are no models, and the refusals of requests to them."""
        self._requests = 0
        """Inferences under way."""
        self._is_reopening = False
        self._reopening_s = 1.0
        """How long the pipeline took to open the last time."""
        if isinstance(opened, Repository):
            self._document, self._folder = opened.document, opened.folder
            self._models = self._models_of(opened.pipeline)
        else:
            self._document, self._folder = read_document(opened._file), Path(opened._file).parent
            self._models = self._models_of(opened)

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
        return "" if self._is_reopening or not all(obstacles) else obstacles[0]

    async def change(self, unloaded: Unloaded) -> None:
        """Opens the repository's pipeline anew without these engines, after the requests under way. If that fails, the
        pipeline is as before, and the repository's `failure` says why."""
        repository = self._repository
        if repository is None or unloaded == repository.unloaded:
            return
        self._is_reopening = True
        try:
            until = time.monotonic() + _LONGEST_DRAIN_S
            while self._requests and time.monotonic() < until:
                await asyncio.sleep(0.005)
            begin = time.monotonic()
            await asyncio.to_thread(repository.change, unloaded)
            self._reopening_s = time.monotonic() - begin
            self._models = self._models_of(repository.pipeline, self._models)
        finally:
            self._is_reopening = False

    def _models_of(self, pipeline: Pipeline, former: Mapping[str, Model] | None = None) -> dict[str, Model]:
        """Returns the models of a pipeline; the former ones go on with their figures."""
        models = {}
        for name in pipeline.engines:
            models[name] = (former or {}).get(name) or Model(
                pipeline,
                name,
                feedback_of(pipeline, self._document, self._folder, name),
                self._document["engine"][name].get("max_batch", 0),
            )
            models[name].use(pipeline)
        models |= self._paths_of(pipeline)
        for name, model in models.items():
            if model.unservable and name not in (former or {}):
                _log.warning("model %r cannot be served: %s", name, model.unservable)
        return models

    def _paths_of(self, pipeline: Pipeline) -> dict[str, Model]:
        models: dict[str, Model] = {}
        self._refused = {}
        for name, table in self._document.get("path", {}).items():
            found = chain_of(self._document, name)
            if found is None or name in self._document["engine"]:  # the index says so
                continue
            if table["to"] not in pipeline.engines:
                self._refused[name] = ProtocolError(503, f"engine {table['to']!r} is unloaded")
            elif found[1]:
                self._refused[name] = ProtocolError(501, found[1])
            else:
                feeder = self._feeders.setdefault(table["from"], Feeder())
                models[name] = PathModel(pipeline, self._document, self._folder, name, feeder)
        return models

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
                return _ready(self._unready())
            case ["v2", "models", "stats"] if "stats" not in self._models:
                call.require("GET")
                return _json({"model_stats": [model.statistics() for model in self._models.values()]})
            case ["v2", "repository", "index"]:
                call.require("POST")
                entries = [self._entry(name) for name in [*self._models, *sorted(self._unloaded()), *self._refused]]
                if wants_ready(self._plain(call.body, call.headers)):
                    entries = [entry for entry in entries if entry["state"] == "READY"]
                return _json(entries)
            case ["v2", "repository", "models", name, "load" | "unload" as verb]:
                call.require("POST")
                return await self._load_or_unload(call, name, verb)
            case ["v2", "models", name, "versions", version, *rest]:
                return await self._model_respond(call, name, version, rest)
            case ["v2", "models", name, *rest]:
                return await self._model_respond(call, name, VERSION, rest)
        raise ProtocolError(404, f"there is no /{'/'.join(parts)[:200]}")

    async def _model_respond(self, call: Call, name: str, version: str, rest: list[str]) -> Reply:
        model = self._models.get(name)
        if name in self._unloaded():
            raise ProtocolError(503, f"model {name!r} is unloaded: POST /v2/repository/models/{name}/load loads it")
        if name in self._refused:
            raise ProtocolError(self._refused[name].status, f"path {name!r} is no model: {self._refused[name]}")
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
                return _ready(self._obstacle(name))
            case ["config"]:
                call.require("GET")
                return _json(model.configuration())
            case ["stats"]:
                call.require("GET")
                return _json({"model_stats": [model.statistics()]})
            case ["infer"]:
                call.require("POST")
                return await self._infer(call, model)
        raise ProtocolError(404, f"model {name!r} has nothing at {'/'.join(rest)[:100]!r}")

    async def _infer(self, call: Call, model: Model) -> Reply:
        if self._is_reopening:
            wait_s = max(1, math.ceil(self._reopening_s))
            raise ProtocolError(503, f"{_REOPENING}: try again later", wait_s)
        self._requests += 1
        try:
            return await model.infer(
                self._plain(call.body, call.headers), call.headers.get(HEADER_LENGTH), call.arrival_ns
            )
        finally:
            self._requests -= 1

    async def _load_or_unload(self, call: Call, name: str, verb: str) -> Reply:
        repository = self._repository
        if name in self._document.get("path", {}) and name not in self._document["engine"]:
            raise bad_request(f"{name!r} is a path: load or unload its engines")
        if repository is None or self._deploy is None:
            raise bad_request("models are not loaded one by one here: change the pipeline's file, and deploy it again")
        require_no_files(self._plain(call.body, call.headers))
        async with self._one_change:
            model = None if name in self._unloaded() else self._models.get(name)
            stopped = "" if model is None or model.unservable else model.obstacle()
            if verb == "load" and stopped:
                raise ProtocolError(500, f"model {name!r} is loaded, and does not serve ({stopped}): unload it first")
            former, wanted = repository.unloaded, after(self._document, repository.unloaded, name, verb)
            await self._deploy(wanted)
            if repository.unloaded != wanted:
                why = repository.failure or "another request changed the models meanwhile"
                await self._deploy(former)
                raise ProtocolError(500, f"model {name!r} was not {verb}ed, and all is as before: {why}")
        return Reply(200)

    def _unloaded(self) -> Unloaded:
        return frozenset() if self._repository is None else self._repository.unloaded

    def _obstacle(self, name: str) -> str:
        """Returns the reason why a model does not serve now; empty if it does."""
        if name in self._unloaded():
            return "unloaded"
        if name in self._refused:
            return str(self._refused[name])
        return _REOPENING if self._is_reopening else self._models[name].obstacle()

    def _unready(self) -> str:
        """Returns a model that does not serve now, and why; empty if all do that ever can."""
        for name, model in self._models.items():
            why = "" if model.unservable else self._obstacle(name)
            if why:
                return f"model {name!r}: {why}"
        return self.obstacle()

    def _entry(self, name: str) -> dict[str, Any]:
        obstacle = self._obstacle(name)
        return {
            "name": name,
            "version": VERSION,
            "state": "UNAVAILABLE" if obstacle else "READY",
            "reason": obstacle or self._hidden(name),
        }

    def _hidden(self, engine: str) -> str:
        """Returns what to know of a path with the name of an engine; empty: there is none."""
        if engine not in self._document.get("path", {}) or engine not in self._document["engine"]:
            return ""
        is_model = chain_of(self._document, engine) is not None
        return f"the path {engine!r} is no model, because the engine has its name: rename the path" if is_model else ""

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
