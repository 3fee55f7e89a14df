"""The making of an application, which its replicas repeat to change it."""

import asyncio
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ray.serve import Application


@dataclass(frozen=True)
class Recipe:
    """All that an application is made of. It goes to the replicas."""

    options: Mapping[str, Any]
    """Of the deployment."""
    config: str
    plan: str | None
    most_request_bytes: int
    version: str = field(default_factory=lambda: uuid.uuid4().hex)
    """Ray replaces replicas of another version; in those of the same it changes the configuration alone."""

    def application(self, unloaded: Collection[str] = ()) -> "Application":
        """Returns the application without these engines."""
        from ray import serve

        from greenlane.serve._replica import Replica

        # Ray tells the replicas of no configuration that is equal to the last one, even if they could not take it.
        user_config = {"unloaded": sorted(unloaded), "change": uuid.uuid4().hex}
        deployment = serve.deployment(**self.options, user_config=user_config)(Replica)
        made: Application = deployment.options(version=self.version, _internal=True).bind(
            self.config, self.plan, self.most_request_bytes, self.redeploy
        )
        return made

    async def redeploy(self, unloaded: Collection[str], route: str) -> None:
        """Changes the application of the calling replica, and returns when all replicas have changed."""
        from ray import serve

        name = serve.get_replica_context().app_name
        await asyncio.to_thread(serve.run, self.application(unloaded), name=name, route_prefix=route)
