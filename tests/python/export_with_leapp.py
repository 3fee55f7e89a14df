"""Exports a pipeline of three nodes with LEAPP, and runs it there for 50 steps. LEAPP patches PyTorch, so this is a
program of its own.

usage: export_with_leapp.py FOLDER. The folder gets the export in `robot`, and the inputs and outputs of each step in
`reference.pt`. It needs LEAPP and PyTorch 2.11 or newer, and runs on the CPU.
"""

import os
import sys
from pathlib import Path
from typing import Any

os.environ["CUDA_VISIBLE_DEVICES"] = ""  # LEAPP takes a GPU if there is one

import leapp
import torch
from leapp import annotate
from leapp.inference_manager import InferenceManager
from leapp.utils.enums import InputKindEnum, OutputKindEnum
from leapp.utils.tensor_description import GraphConfigs, TensorSemantics
from torch import Tensor, nn

STEPS = 50
VISION, POLICY, HEAD = 'vision "左"', "policy", "policy.1"  # the last one looks like the second output of policy


class Vision(nn.Module):
    """Features of a picture, and its brightness."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(12, 6)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Returns both."""
        return torch.tanh(self.linear(image.flatten(1))), image.mean(dim=(1, 2))


class Policy(nn.Module):
    """An action from features, joints, a choice, the last plan and a hidden state."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.action = nn.Linear(6 + 3 + 4 + 8, 8), nn.Linear(8, 4)

    def forward(self, features: Tensor, joints: Tensor, mode: Tensor, last: Tensor, hidden: Tensor) -> Any:
        """Returns the action and the next state."""
        hidden = 0.5 * hidden + torch.tanh(self.hidden(torch.cat([features, joints, last, hidden], 1)))
        return torch.sin(self.action(hidden)) * (1 + mode), hidden


class Head(nn.Module):
    """A chunk of actions, their sum, and the first one for the next step."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4 + 4, 8)

    def forward(self, action: Tensor, previous: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns the three."""
        chunk = torch.tanh(self.linear(torch.cat([action, previous], 1))).reshape(1, 2, 4)
        return chunk, chunk.sum(dim=(1, 2)), chunk[:, 0] + 0.25


def export(folder: Path) -> None:
    """Traces two steps and writes the export."""
    vision, policy, head = Vision(), Policy(), Head()
    last, hidden = torch.full((1, 4), 0.5), torch.full((1, 8), -0.25)
    leapp.start("robot", save_path=str(folder))
    for _ in range(2):
        image, joints, mode = torch.rand(1, 4, 3), torch.rand(1, 3), torch.ones(1, 1, dtype=torch.int64)
        seen = annotate.input_tensors(VISION, {"image": image})
        features, brightness = vision(seen)
        features, _ = annotate.output_tensors(
            VISION, {"features": features, "brightness": brightness}, export_with="exported-program"
        )
        given = [
            TensorSemantics(name="features", ref=features),
            TensorSemantics(
                name="joints", ref=joints, kind=InputKindEnum.JOINT_POSITION, element_names=["a", "b", "c"]
            ),
            TensorSemantics(name="mode", ref=mode),
            TensorSemantics(name="last", ref=last),
        ]
        state = annotate.input_tensors(POLICY, given)
        action, hidden = policy(*state, annotate.state_tensors(POLICY, {"hidden": hidden}))
        annotate.update_state(POLICY, {"hidden": hidden})
        action = annotate.output_tensors(POLICY, {"action": action}, export_with="exported-program")
        action, previous = annotate.input_tensors(HEAD, {"action": action, "previous": last})
        chunk, total, following = head(action, previous)
        results = [
            TensorSemantics(name="chunk", ref=chunk, kind=OutputKindEnum.JOINT_POSITION),
            TensorSemantics(name="total", ref=total),
            TensorSemantics(name="next", ref=following),
        ]
        _, _, last = annotate.output_tensors(HEAD, results, export_with="exported-program")
    leapp.stop()
    leapp.compile_graph(visualize=False, graph_configs=GraphConfigs(frequency=50.0))


def reference(yaml: Path) -> dict[str, list[dict[str, Tensor]]]:
    """Returns what LEAPP's own runtime reads and gives in each step."""
    manager = InferenceManager(str(yaml))
    steps: dict[str, list[dict[str, Tensor]]] = {"inputs": [], "outputs": []}
    for step in range(STEPS):
        given = {}
        for key, value in manager.get_mock_input().items():
            given[key] = value if value.is_floating_point() else torch.full_like(value, step % 3)
        steps["inputs"].append({key: value.clone() for key, value in given.items()})
        steps["outputs"].append({key: value.clone() for key, value in manager.run_policy(given).items()})
    return steps


def main() -> None:
    """Writes the export and the reference."""
    folder = Path(sys.argv[1])
    torch.manual_seed(0)
    with torch.no_grad():
        export(folder)
        torch.save(reference(folder / "robot" / "robot.yaml"), folder / "reference.pt")


if __name__ == "__main__":
    main()
