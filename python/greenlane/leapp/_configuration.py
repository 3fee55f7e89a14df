"""The TOML file of an export."""

from collections.abc import Collection

import torch

from greenlane.leapp._description import Description, Node, Port
from greenlane.leapp._error import plain
from greenlane.leapp._names import initial_name
from greenlane.leapp._toml import comment, key, string, strings
from greenlane.leapp._wiring import Wiring, is_measured, name_of, producers, routes

_LONGEST_COMMENT = 100


def configuration(
    description: Description,
    wiring: Wiring,
    device: torch.device,
    names: dict[str, str],
    random: Collection[str],
) -> str:
    """Returns the text of the file.

    :param names: the beginnings of the names of each node's files.
    :param random: the nodes that draw random numbers.
    """
    version = f" (LEAPP {description.leapp_version})" if description.leapp_version else ""
    lines = [
        comment(f"Made by `python -m greenlane.leapp` from {description.file.name}{version}."),
        "# This file is yours: set rates and deadlines, then plan. docs/leapp.md of greenlane says how.",
        "",
        f"device = {string(str(device))}",
    ]
    for port in description.inputs:
        lines += ["", *_source(description, port)]
    for node in description.nodes.values():
        lines += ["", *_engine(description, wiring, node, names, node.name in random)]
    for port in description.inputs:
        lines += _paths(description, wiring, port)
    return "\n".join([*lines, ""])


def reference(description: Description, port: Port) -> str:
    """Returns greenlane's name of an output: ``"node.1"``, or ``"node.01"`` if a node is called ``node.1``."""
    digits = str(port.number)
    while f"{port.node}.{digits}" in description.nodes:
        digits = f"0{digits}"
    return f"{port.node}.{digits}"


def _source(description: Description, port: Port) -> list[str]:
    tensor = description.nodes[port.node].inputs[port.number]
    rate = "..." if description.frequency is None else f"{description.frequency:.12g}"
    lines = [f"[source.{key(name_of(description, port))}]", comment(str(tensor))]
    lines += [comment(_short(f"{name}: {plain(value)}")) for name, value in tensor.semantics.items()]
    noted = "" if description.frequency is None else ": LEAPP noted this rate"
    return [*lines, f"# rate_hz = {rate}  # how often your program publishes{noted}"]


def _engine(description: Description, wiring: Wiring, node: Node, names: dict[str, str], is_random: bool) -> list[str]:
    start = f"{description.file.stem}/{names[node.name]}"
    lines = [
        f"[engine.{key(node.name)}]",
        f"model = {string(f'{start}.pt2')}",
        f"inputs = {string(f'{start}.inputs.pt')}",
    ]
    if is_random:
        lines.append("# It draws random numbers, so that there are no expected outputs.")
    if node.inputs:
        lines += ["from = [", *(_entry(description, wiring, node, number, names) for number in range(len(node.inputs)))]
        lines.append("]")
    triggers = [
        name_of(description, port) for port, feed in wiring.items() if port.node == node.name and feed.kind == "source"
    ]
    triggers += producers(wiring, node.name, "flow")
    if triggers:
        lines.append(f"on = {strings(triggers)}")
    else:
        lines += _without_trigger(description, wiring, node)
    lines.append("# deadline_ms = ...  # from new data to the result")
    sinks = [(port.number, node.outputs[port.number]) for port in description.outputs if port.node == node.name]
    if sinks:
        lines.append(comment(f"Your program reads pipeline.sink({string(node.name)}):"))
        for number, output in sinks:
            lines.append(comment(f"  output {number} is {string(output.name)}, {output}"))
            lines += [comment(_short(f"    {word}: {plain(value)}")) for word, value in output.semantics.items()]
    elif any(feed.output and feed.output.node == node.name != port.node for port, feed in wiring.items()):
        lines.append(comment(f"Its outputs feed other engines; pipeline.sink({string(node.name)}) gives them, too."))
    return lines


def _without_trigger(description: Description, wiring: Wiring, node: Node) -> list[str]:
    is_read = any(feed.output is not None and feed.output.node == node.name for feed in wiring.values())
    if node.inputs or is_read:
        return ["on = []  # your program calls trigger() of this engine; or write rate_hz = ... instead"]
    return ["# Your program calls this engine; or write rate_hz = ..."]


def _entry(description: Description, wiring: Wiring, node: Node, number: int, names: dict[str, str]) -> str:
    port = Port(node.name, number)
    feed = wiring[port]
    if feed.output is None:
        value = string(name_of(description, port))
    elif feed.kind == "flow":
        value = string(reference(description, feed.output))
    else:
        initial = string(f"{description.file.stem}/{initial_name(names, node.name, feed.output.node)}")
        value = f"{{ output = {string(reference(description, feed.output))}, initial = {initial} }}"
    return f"  {value},  {comment(node.inputs[number].name)}"


def _paths(description: Description, wiring: Wiring, source: Port) -> list[str]:
    ends = {port.node for port in description.outputs}
    name = name_of(description, source)
    lines: list[str] = []
    for node, ways in routes(description, wiring, source).items():
        if node not in ends:
            continue
        if not is_measured(ways):
            lines += ["", comment(_short(f"{ways} ways lead from {name} to {node}, too many to measure."))]
            continue
        lines += [
            "",
            f"[path.{key(f'{name} to {node}')}]",
            f"from = {string(name)}",
            f"to = {string(node)}",
            "# deadline_ms = ...  # from publish() to the first result that contains the item",
        ]
    return lines


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_COMMENT else text[: _LONGEST_COMMENT - 1] + "…"
