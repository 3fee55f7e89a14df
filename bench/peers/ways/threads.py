"""Threads of a CPU: what plain streams are where there is no GPU."""

from mixes import Mix

from ways import Use


def lend(mix: Mix, use: Use) -> None:
    """There is nothing to make."""
    use({engine.name: 0 for engine in mix.engines}, {})
