"""Names of the files of a pipeline: short, of plain characters, and different on any file system."""

import re
from collections.abc import Iterable

_LONGEST = 80


def file_names(nodes: Iterable[str]) -> dict[str, str]:
    """Returns the beginning of the names of each node's files. It has no dot, since the endings begin with one."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for node in nodes:
        plain = re.sub("[^A-Za-z0-9_-]", "_", node)[:_LONGEST]
        plain = f"_{plain}" if plain.startswith("-") else plain
        name, number = plain, 2
        while name.lower() in taken:
            name, number = f"{plain}-{number}", number + 1
        taken.add(name.lower())
        found[node] = name
    return found


def initial_name(names: dict[str, str], consumer: str, producer: str) -> str:
    """Returns the name of the file with the initial data of an edge."""
    return f"{names[consumer]}.initial.{names[producer]}.pt"
