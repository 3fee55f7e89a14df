"""How peers make streams: a module a peer, each with `lend`."""

from collections.abc import Callable
from typing import Any

# What is done with an engine's streams (handles by name) while they live, and what the peer has to say of them.
Use = Callable[[dict[str, int], dict[str, Any]], None]


class AbsentError(Exception):
    """The peer is not installed here, or cannot run here."""
