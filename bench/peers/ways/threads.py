"""Threads of a CPU, in place of plain streams where there is no GPU."""

from mixes import Mix

from ways import Use


def lend(mix: Mix, use: Use) -> None:
    """Lends nothing: there is nothing to make."""
    use({engine.name: 0 for engine in mix.engines}, {})
