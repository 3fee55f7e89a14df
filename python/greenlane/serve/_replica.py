"""One replica of a served pipeline."""

from typing import TYPE_CHECKING

from greenlane import Pipeline
from greenlane.serve._server import Server

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


class Replica:
    """One open pipeline, on one GPU, or on the CPUs of a node."""

    def __init__(self, config: str, plan: str | None, most_request_bytes: int) -> None:
        """Opens the pipeline, and starts its timers and triggers."""
        self._pipeline = Pipeline(config, plan)
        self._pipeline.start()
        self._most_request_bytes = most_request_bytes
        self._server = Server(self._pipeline, most_request_bytes)

    async def __call__(self, request: "Request") -> "Response":
        """Answers a request of a client."""
        from starlette.responses import Response  # every module can be imported without Ray

        headers = {name.lower(): value for name, value in request.headers.items()}
        body = await request.body()
        reply = await self._server.respond(request.method, request.url.path, headers, body)
        return Response(reply.body, reply.status, reply.headers)

    def check_health(self) -> None:
        """Raises RuntimeError if no engine can serve: Ray starts another replica then."""
        obstacle = self._server.obstacle()
        if obstacle:
            raise RuntimeError(obstacle)

    def __del__(self) -> None:
        pipeline = getattr(self, "_pipeline", None)  # opening may have failed
        if pipeline is not None:
            pipeline.close()
