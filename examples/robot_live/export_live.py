"""Compile the models of robot_live.toml, and record what its camera sees.

The encoder and the action head are those of ../robot, for one picture at a time. The policy takes what the encoder
made of a picture, the joints, and its own last action. Beside each model's files (see ../robot/export.py) the out
folder gets

    camera.items.pt  pictures: a camera that moves over photographs of scikit-image
    noise.pt         the sequence of actions with which the head begins
"""

import argparse
import hashlib
import logging
import sys
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "robot"))

import export as robot  # noqa: E402
import inputs  # noqa: E402
import models  # noqa: E402

JOINTS = 16
ACTION = 16
SHIFT = 32  # pixels that the camera moves over each photograph, in steps of 4
BUILD_OF_ROBOT = robot.build


@dataclass(frozen=True)
class Preset(models.Preset):
    """The sizes, and what else the stamps must know of."""

    source: str


def preset_for(device: str) -> Preset:
    """Return sizes for one picture at a time; on a CPU, sizes with which two slow cores keep 30 pictures a second."""
    if device == "cuda":
        vision = replace(models.PRESETS[device].vision, batch=1)
        head = replace(models.PRESETS[device].head, batch=1, tokens=64)
    else:
        vision = models.VisionConfig(batch=1, image=96, patch=16, dim=128, depth=3, heads=4)
        head = models.HeadConfig(batch=1, tokens=64, action=ACTION, context=128, dim=128, depth=1, heads=4, steps=4)
    policy = models.PolicyConfig(batch=1, observation=vision.dim + JOINTS + ACTION, action=ACTION, hidden=256, layers=3)
    others = {name: getattr(models.PRESETS[device], name) for name in ("dtype", "hog", "sweep")}
    source = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    return Preset(vision=vision, policy=policy, head=head, source=source, **others)


class Policy(nn.Module):
    """The policy of ../robot, for an observation in three parts."""

    def __init__(self, cfg: models.PolicyConfig) -> None:
        """Make the network with random weights."""
        super().__init__()
        self.policy = models.Policy(cfg)

    def forward(self, features: Tensor, joints: Tensor, last: Tensor) -> Tensor:
        """Map features, joints and the last action, each (batch, length), to actions (batch, action)."""
        action: Tensor = self.policy(torch.cat([features, joints, last], dim=1))
        return action


def build(name: str, preset: models.Preset) -> tuple[nn.Module, list[Tensor]]:
    """Make a model and its inputs, as the robot's export asks for them."""
    model, arguments = BUILD_OF_ROBOT(name, preset)
    if name == "policy":
        parts = arguments[0].split([preset.vision.dim, JOINTS, ACTION], dim=1)
        return Policy(preset.policy), [part.contiguous() for part in parts]
    return model, arguments


def record(out: Path, target: robot.Target) -> None:
    """Write the recorded items, unless they are newer than the models that they were made for."""
    items = out / "camera.items.pt"
    if items.exists() and items.stat().st_mtime > (out / "vision.stamp.json").stat().st_mtime:
        return
    size = target.preset.vision.image
    (photographs,) = inputs.vision_inputs(replace(target.preset.vision, batch=4, image=size + SHIFT))
    pictures = [
        photographs[one : one + 1, :, at : at + size, at : at + size].to(target.dtype).contiguous()
        for one in range(len(photographs))
        for at in range(0, SHIFT, 4)
    ]
    noise, _ = torch.load(out / "head.inputs.pt")
    torch.save([noise], out / "noise.pt")
    torch.save(pictures, items)


def main() -> int:
    """Run the program; return its exit status."""
    parser = argparse.ArgumentParser(description="Compile the models of robot_live.toml into .pt2 packages.")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--out", type=Path, default=HERE / "build", metavar="DIR")
    parser.add_argument("--force", action="store_true", help="export even what is up to date")
    arguments = parser.parse_args()
    robot.build = build  # robot.export() makes the models by it
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # as ../robot/export.py does
    warnings.filterwarnings("ignore", message=r"`isinstance\(treespec, LeafSpec\)`")
    try:
        target = robot.choose_target(arguments.device)
        target = replace(target, preset=preset_for(target.device.type))
        robot.prepare(arguments.out)
        with robot.locked(arguments.out):
            for name in robot.ROBOT:
                print(robot.update(name, target, arguments.out, force=arguments.force), flush=True)
            record(arguments.out, target)
    except robot.ExportError as error:
        print(f"export_live.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("export_live.py: interrupted; run it again to finish", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
