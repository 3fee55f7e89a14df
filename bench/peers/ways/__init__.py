"""The peers' ways to make streams: one module for each peer, each with `lend`."""

from collections.abc import Callable
from typing import Any

# Uses an engine's streams (handles by name) while they live, with the peer's notes on them.
Use = Callable[[dict[str, int], dict[str, Any]], None]


class AbsentError(Exception):
    """The peer is not installed here, or cannot run here."""
