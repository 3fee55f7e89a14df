"""The inputs that are recorded for each node: one step of the pipeline on random inputs."""

from collections.abc import Mapping

import torch
from torch import Tensor

from greenlane.leapp._description import Description, Node, Port
from greenlane.leapp._wiring import Wiring

_SEED = 2024


class Recording:
    """Values of one step: of the pipeline's inputs, of feedback at its beginning, and of the outputs so far."""

    def __init__(self, description: Description, wiring: Wiring, initial: Mapping[Port, Tensor]) -> None:
        self._wiring = wiring
        self._initial = initial
        self._outputs: dict[Port, Tensor] = {}
        generator = torch.Generator().manual_seed(_SEED)
        self._inputs = {port: _random(description, port, generator) for port in description.inputs}

    def inputs_of(self, node: Node) -> list[Tensor]:
        """Returns the inputs of a node, on the CPU. The nodes before it must have run."""
        values = []
        for number in range(len(node.inputs)):
            port = Port(node.name, number)
            feed = self._wiring[port]
            if feed.kind == "flow" and feed.output is not None:
                values.append(self._outputs[feed.output])
            else:
                values.append(self._initial[port] if feed.kind == "feedback" else self._inputs[port])
        return values

    def add_outputs(self, node: Node, outputs: list[Tensor]) -> None:
        """Keeps the outputs of a node for the nodes behind it."""
        self._outputs |= {Port(node.name, number): each.cpu() for number, each in enumerate(outputs)}


def _random(description: Description, port: Port, generator: torch.Generator) -> Tensor:
    wanted = description.nodes[port.node].inputs[port.number]
    if wanted.dtype.is_floating_point:
        return torch.rand(wanted.shape, generator=generator).to(wanted.dtype)
    return torch.zeros(wanted.shape, dtype=wanted.dtype)
