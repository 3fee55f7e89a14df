"""One replica of a served pipeline."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from greenlane.serve._metrics import Exporter, ray_gauge
from greenlane.serve._repository import Repository, Unloaded
from greenlane.serve._scaling import METRIC, Misses
from greenlane.serve._server import Server

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

SWITCH_S = 5e-4
"""How long another thread of the replica may keep Python's lock while the event loop waits for it. With Python's 5 ms a
request that meets Ray's own threads would be late by as much at each read and write."""
Redeploy = Callable[[Unloaded, str], Awaitable[None]]


class Replica:
    """One open pipeline, on one GPU, or on the CPUs of a node."""

    def __init__(self, config: str, plan: str | None, most_request_bytes: int, redeploy: Redeploy) -> None:
        """Notes what to open: :meth:`reconfigure` opens it.

        :param redeploy: deploys the application anew with other unloaded engines, at its route.
        """
        self._config, self._plan, self._most_request_bytes = config, plan, most_request_bytes
        self._redeploy = redeploy
        self._route = "/"
        self._misses = Misses()
        self._repository: Repository | None = None

    async def reconfigure(self, user_config: Mapping[str, Any]) -> None:
        """Opens the pipeline, and starts its timers and triggers; later, opens it anew with other engines.

        :raises RuntimeError: it cannot be opened. Later a failure leaves the pipeline as it was.
        """
        unloaded = frozenset(map(str, user_config.get("unloaded", ())))
        if self._repository is None:
            self._repository = await asyncio.to_thread(Repository, self._config, self._plan, unloaded)
            sys.setswitchinterval(min(SWITCH_S, sys.getswitchinterval()))
            self._server = Server(self._repository, self._most_request_bytes, self._deploy)
            self._exporter = Exporter(self._metrics_text, ray_gauge)
            self._exporter.start()
        await self._server.change(unloaded)

    async def __call__(self, request: "Request") -> "Response":
        """Answers a request of a client."""
        from starlette.requests import ClientDisconnect
        from starlette.responses import Response  # every module can be imported without Ray

        self._route = request.scope.get("root_path") or "/"
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            body = await request.body()
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        reply = await self._server.respond(request.method, request.url.path, headers, body)
        return Response(reply.body, reply.status, reply.headers)

    def check_health(self) -> None:
        """Raises RuntimeError if no engine can serve: Ray starts another replica then."""
        obstacle = self._server.obstacle()
        if obstacle:
            raise RuntimeError(obstacle)

    def record_autoscaling_stats(self) -> dict[str, float]:
        """Returns what the number of replicas goes by."""
        if self._repository is None:
            return {METRIC: 0.0}
        return {METRIC: self._misses.share(self._repository.pipeline.stats())}

    async def _deploy(self, unloaded: Unloaded) -> None:
        await self._redeploy(unloaded, self._route)

    def _metrics_text(self) -> str:
        return "" if self._repository is None else self._repository.pipeline.metrics_text()

    def __del__(self) -> None:
        exporter = getattr(self, "_exporter", None)
        if exporter is not None:
            exporter.stop()
        repository = getattr(self, "_repository", None)  # opening may have failed
        if repository is not None:
            repository.pipeline.close()
