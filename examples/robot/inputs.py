"""The inputs that the models are exported, checked and run with."""

import math
from typing import Any

import torch
from models import HeadConfig, HogConfig, PolicyConfig, SweepConfig, VisionConfig
from torch import Tensor, nn

# These lie inside the wheel of scikit-image; many of its other pictures are downloaded.
PICTURES = ("astronaut", "coffee", "chelsea", "rocket")

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def vision_inputs(cfg: VisionConfig) -> list[Tensor]:
    """Real pictures, cut square, resized and normalised: (batch, 3, image, image)."""
    pictures = [_picture(PICTURES[i % len(PICTURES)], cfg.image) for i in range(cfg.batch)]
    return [torch.stack(pictures)]


def policy_inputs(cfg: PolicyConfig) -> list[Tensor]:
    """One normalised observation: (batch, observation)."""
    return [torch.randn(cfg.batch, cfg.observation, generator=_generator(1))]


def head_inputs(cfg: HeadConfig) -> list[Tensor]:
    """Noise to begin with (batch, tokens, action) and a context (batch, context)."""
    generator = _generator(2)
    noise = torch.randn(cfg.batch, cfg.tokens, cfg.action, generator=generator)
    return [noise, torch.randn(cfg.batch, cfg.context, generator=generator)]


def hog_inputs(cfg: HogConfig) -> list[Tensor]:
    """Angles that the neighbour's matrix is made from: (size,)."""
    return [(2 * torch.rand(cfg.size, generator=_generator(3)) - 1) * math.pi]


def sweep_inputs(cfg: SweepConfig) -> list[Tensor]:
    """Angles that the other neighbour's matrix is made from: (size,)."""
    return [(2 * torch.rand(cfg.size, generator=_generator(4)) - 1) * math.pi]


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _picture(name: str, size: int) -> Tensor:
    # Imported here, so that the other models can be exported without scikit-image.
    from skimage import data

    pixels: Any = getattr(data, name)()
    picture = torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
    side = min(picture.shape[1:])
    top, left = ((extent - side) // 2 for extent in picture.shape[1:])
    square = picture[:, top : top + side, left : left + side].unsqueeze(0)
    resized = nn.functional.interpolate(square, size=(size, size), mode="bilinear", antialias=True, align_corners=False)
    mean = torch.tensor(IMAGENET_MEAN).view(3, 1, 1)
    std = torch.tensor(IMAGENET_STD).view(3, 1, 1)
    return (resized.squeeze(0) - mean) / std
