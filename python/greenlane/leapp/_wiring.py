"""What feeds each input of each node."""

from dataclasses import dataclass
from typing import Literal

from greenlane.leapp._description import Description, Port
from greenlane.leapp._error import LeappError, shown

_AGAIN = "export the pipeline again with LEAPP"
_MOST_ROUTES = 64
"""greenlane measures paths of at most so many routes."""


@dataclass(frozen=True)
class Feed:
    """What feeds an input."""

    kind: Literal["source", "flow", "feedback"]
    output: Port | None = None
    """The output that feeds it; None for a source."""


Wiring = dict[Port, Feed]
"""The feed of each input of each node."""


def wire(description: Description) -> Wiring:
    """Finds the feed of each input.

    :raises LeappError: an input has no feed or two, types do not fit, data flows against the order of the nodes, or
        feedback closes no cycle.
    """
    feeds: dict[Port, list[Feed]] = {
        Port(node.name, number): [] for node in description.nodes.values() for number in range(len(node.inputs))
    }
    for port in description.inputs:
        feeds[port].append(Feed("source"))
    for output, port in description.flow:
        feeds[port].append(Feed("flow", output))
    for output, port in description.feedback:
        feeds[port].append(Feed("feedback", output))
    file = shown(description.file)
    for port, found in feeds.items():
        name = shown(name_of(description, port))
        if not found:
            raise LeappError(file, f"nothing feeds the input {name}", _AGAIN)
        if len(found) > 1:
            raise LeappError(file, f"{len(found)} things feed the input {name}", f"remove one, or {_AGAIN}")
        _check_types(description, port, found[0])
    wiring = {port: found[0] for port, found in feeds.items()}
    _check_order(description, wiring)
    _check_cycles(description, wiring)
    return wiring


def name_of(description: Description, port: Port) -> str:
    """Returns LEAPP's key of an input."""
    return f"{port.node}/{description.nodes[port.node].inputs[port.number].name}"


def output_name_of(description: Description, port: Port) -> str:
    """Returns LEAPP's key of an output."""
    return f"{port.node}/{description.nodes[port.node].outputs[port.number].name}"


def producers(wiring: Wiring, node: str, kind: str) -> list[str]:
    """Returns the nodes that feed a node in this way, each once."""
    return list(
        dict.fromkeys(
            feed.output.node
            for port, feed in wiring.items()
            if port.node == node and feed.kind == kind and feed.output is not None
        )
    )


def routes(description: Description, wiring: Wiring, source: Port) -> dict[str, int]:
    """Returns the nodes that data of a source reaches, with the number of ways to each."""
    found: dict[str, int] = {}
    for node in description.nodes:  # producers come first
        count = int(node == source.node) + sum(found.get(each, 0) for each in producers(wiring, node, "flow"))
        if count:
            found[node] = count
    return found


def is_measured(ways: int) -> bool:
    """Returns whether greenlane measures a path of this number of ways."""
    return ways <= _MOST_ROUTES


def _check_types(description: Description, port: Port, feed: Feed) -> None:
    if feed.output is None:
        return
    given = description.nodes[feed.output.node].outputs[feed.output.number]
    taken = description.nodes[port.node].inputs[port.number]
    if (given.dtype, given.shape) != (taken.dtype, taken.shape):
        raise LeappError(
            shown(description.file),
            f"the output {shown(output_name_of(description, feed.output))} is {given}, "
            f"and the input {shown(name_of(description, port))} that it feeds is {taken}",
            _AGAIN,
        )


def _check_order(description: Description, wiring: Wiring) -> None:
    """Refuses data from a node that has not run yet, and feedback from one that has: LEAPP knows neither."""
    order = {name: number for number, name in enumerate(description.nodes)}
    for port, feed in wiring.items():
        if feed.output is None:
            continue
        is_before = order[feed.output.node] < order[port.node]
        if is_before != (feed.kind == "flow"):
            key, how = ("data_flow", "before") if feed.kind == "flow" else ("feedback_flow", "after or at")
            raise LeappError(
                shown(description.file),
                f"'{key}' feeds the input {shown(name_of(description, port))} from node {shown(feed.output.node)}, "
                f"which must come {how} its consumer in 'models'",
                "if a program wrote the YAML again with sorted keys, let it keep their order (sort_keys=False), "
                f"or {_AGAIN}",
            )


def _check_cycles(description: Description, wiring: Wiring) -> None:
    """Refuses feedback to a node that its producer does not depend on: either of the two may run first."""
    for port, feed in wiring.items():
        if feed.kind != "feedback" or feed.output is None:
            continue
        reached, open_ = {feed.output.node}, [feed.output.node]
        while open_:
            node = open_.pop()
            new = set(producers(wiring, node, "flow")) - reached
            reached |= new
            open_ += new
        if port.node not in reached:
            raise LeappError(
                shown(description.file),
                f"the input {shown(name_of(description, port))} takes the last output of node "
                f"{shown(feed.output.node)}, which takes nothing from {shown(port.node)}: LEAPP hands over the value "
                "of the last step, and greenlane the newest value, which may be that of the same step",
                f"run {shown(feed.output.node)} before {shown(port.node)}, or keep the last output as a state of "
                f"{shown(port.node)} (annotate.state_tensors), and export again",
            )
