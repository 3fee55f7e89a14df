"""The networks of a small robot pipeline, and how large they are on each kind of device.

The weights are random: what matters to a scheduler is the work that a forward pass makes,
not what it means. Every size is fixed, so that a package has one shape and one latency.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class VisionConfig:
    """Sizes of the vision encoder; `image` must be a multiple of `patch`."""

    batch: int
    image: int
    patch: int
    dim: int
    depth: int
    heads: int


@dataclass(frozen=True)
class PolicyConfig:
    """Sizes of the policy network."""

    batch: int
    observation: int
    action: int
    hidden: int
    layers: int


@dataclass(frozen=True)
class HeadConfig:
    """Sizes of the action head; `steps` is the number of denoising steps in one call."""

    batch: int
    tokens: int
    action: int
    context: int
    dim: int
    depth: int
    heads: int
    steps: int


@dataclass(frozen=True)
class HogConfig:
    """Sizes of the neighbour: `products` multiplications of size x size matrices."""

    size: int
    products: int


@dataclass(frozen=True)
class SweepConfig:
    """Sizes of the other neighbour: `passes` over a matrix of size x size."""

    size: int
    passes: int


@dataclass(frozen=True)
class Preset:
    """All the sizes for one kind of device; `dtype` names an attribute of torch."""

    dtype: str
    vision: VisionConfig
    policy: PolicyConfig
    head: HeadConfig
    hog: HogConfig
    sweep: SweepConfig


POLICY = PolicyConfig(batch=1, observation=64, action=16, hidden=512, layers=4)

PRESETS = {
    "cuda": Preset(
        dtype="float16",
        vision=VisionConfig(batch=16, image=224, patch=16, dim=256, depth=7, heads=4),
        policy=POLICY,
        head=HeadConfig(batch=192, tokens=256, action=16, context=256, dim=320, depth=4, heads=5, steps=4),
        hog=HogConfig(size=8192, products=6),
        sweep=SweepConfig(size=16384, passes=8),
    ),
    # Two slow cores must be enough for the deadlines in robot.toml.
    "cpu": Preset(
        dtype="float32",
        vision=VisionConfig(batch=1, image=160, patch=16, dim=192, depth=6, heads=3),
        policy=POLICY,
        head=HeadConfig(batch=1, tokens=64, action=16, context=192, dim=192, depth=4, heads=3, steps=4),
        hog=HogConfig(size=512, products=6),
        sweep=SweepConfig(size=1024, passes=8),
    ),
}


class Block(nn.Module):
    """A pre-norm transformer block: self-attention, then a two-layer perceptron."""

    def __init__(self, dim: int, heads: int) -> None:
        """Make a block for tokens of width `dim`, which `heads` must divide."""
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens (batch, length, dim) to tokens of the same shape."""
        batch, length, dim = x.shape
        qkv = self.qkv(self.norm1(x)).view(batch, length, 3, self.heads, dim // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        attended = nn.functional.scaled_dot_product_attention(q, k, v)
        x = x + self.proj(attended.transpose(1, 2).reshape(batch, length, dim))
        x = x + self.mlp(self.norm2(x))
        return x


class Vision(nn.Module):
    """A vision transformer that turns each picture into one feature vector."""

    def __init__(self, cfg: VisionConfig) -> None:
        """Make the encoder with random weights."""
        super().__init__()
        patches = (cfg.image // cfg.patch) ** 2
        self.embed = nn.Conv2d(3, cfg.dim, kernel_size=cfg.patch, stride=cfg.patch)
        self.position = nn.Parameter(0.02 * torch.randn(1, patches, cfg.dim))
        self.blocks = nn.Sequential(*(Block(cfg.dim, cfg.heads) for _ in range(cfg.depth)))
        self.norm = nn.LayerNorm(cfg.dim)
        init_weights(self)

    def forward(self, pictures: Tensor) -> Tensor:
        """Map pictures (batch, 3, image, image) to features (batch, dim)."""
        x = self.embed(pictures).flatten(2).transpose(1, 2) + self.position
        features: Tensor = self.norm(self.blocks(x)).mean(dim=1)
        return features


class Policy(nn.Module):
    """A perceptron from an observation to an action: the fast control loop."""

    def __init__(self, cfg: PolicyConfig) -> None:
        """Make the network with random weights."""
        super().__init__()
        widths = [cfg.observation] + [cfg.hidden] * cfg.layers
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), nn.SiLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(cfg.hidden, cfg.action), nn.Tanh())
        # A SiLU halves the signal; without the gain five layers would send it to nearly zero,
        # and comparing outputs would then prove nothing.
        init_weights(self, gain=1.7)

    def forward(self, observation: Tensor) -> Tensor:
        """Map observations (batch, observation) to actions in -1..1 (batch, action)."""
        action: Tensor = self.layers(observation)
        return action


class ActionHead(nn.Module):
    """A diffusion-style head: denoises a sequence of actions, given a context vector."""

    step_embedding: Tensor

    def __init__(self, cfg: HeadConfig) -> None:
        """Make the denoiser with random weights, and the schedule of its steps."""
        super().__init__()
        # Signal left at each step, from almost pure noise to none, by the cosine schedule.
        times = [0.98 * (1 - i / cfg.steps) for i in range(cfg.steps + 1)]
        self.alphas = [math.cos(t * math.pi / 2) ** 2 for t in times]
        self.register_buffer("step_embedding", sinusoids(times[:-1], cfg.dim))
        self.step = nn.Sequential(nn.Linear(cfg.dim, cfg.dim), nn.SiLU(), nn.Linear(cfg.dim, cfg.dim))
        self.context = nn.Linear(cfg.context, cfg.dim)
        self.embed = nn.Linear(cfg.action, cfg.dim)
        self.position = nn.Parameter(0.02 * torch.randn(1, cfg.tokens, cfg.dim))
        self.blocks = nn.Sequential(*(Block(cfg.dim, cfg.heads) for _ in range(cfg.depth)))
        self.norm = nn.LayerNorm(cfg.dim)
        self.out = nn.Linear(cfg.dim, cfg.action)
        init_weights(self)

    def denoise(self, noisy: Tensor, condition: Tensor) -> Tensor:
        """Estimate the clean actions behind the noisy ones, in -1..1."""
        x = self.embed(noisy) + self.position + condition.unsqueeze(1)
        return torch.tanh(self.out(self.norm(self.blocks(x))))

    def forward(self, noise: Tensor, context: Tensor) -> Tensor:
        """Map noise (batch, tokens, action) and a context (batch, context) to actions."""
        x = noise
        context_embedding = self.context(context)
        steps = self.step(self.step_embedding)
        # A plain loop: torch.export unrolls it, and the package holds every step.
        for i, (now, then) in enumerate(pairwise(self.alphas)):
            clean = self.denoise(x, context_embedding + steps[i])
            # The network estimates the actions and not the noise, since the other way round
            # the first step divides by a number near zero, which half precision takes badly.
            residual = (x - math.sqrt(now) * clean) / math.sqrt(1 - now)
            x = math.sqrt(then) * clean + math.sqrt(1 - then) * residual
        return x


class Hog(nn.Module):
    """A neighbour without parameters that keeps the device busy with long kernels."""

    def __init__(self, cfg: HogConfig) -> None:
        """Keep the sizes."""
        super().__init__()
        self.size = cfg.size
        self.products = cfg.products

    def forward(self, v: Tensor) -> Tensor:
        """Map a vector (size,) to another, through products of size x size matrices."""
        # The cosine gives the outer product its full rank: no compiler can shortcut the
        # products. Its argument is large, hence float32 whatever the model's own type is.
        frequencies = torch.arange(1, self.size + 1, device=v.device, dtype=torch.float32)
        a = torch.cos(torch.outer(v.float(), frequencies)).to(v.dtype)
        # The mean square of a cosine is 1/2: this scale keeps the size of the entries.
        scale = math.sqrt(2 / self.size)
        x = a
        for _ in range(self.products):
            x = (x @ a) * scale
        return x.float().square().mean(dim=1).to(v.dtype)


class Sweep(nn.Module):
    """A neighbour without parameters that keeps the memory busy: its matrix is larger than any cache."""

    def __init__(self, cfg: SweepConfig) -> None:
        """Keep the number of passes."""
        super().__init__()
        self.passes = cfg.passes

    def forward(self, v: Tensor) -> Tensor:
        """Map a vector (size,) to another, through passes over a size x size matrix."""
        x = v.unsqueeze(1) + v.flip(0).unsqueeze(0)
        # Means by columns and by rows in turn: no compiler can do two passes in one.
        for i in range(self.passes):
            x = torch.cos(x + x.mean(dim=i % 2, keepdim=True))
        return x.mean(dim=1)


def init_weights(model: nn.Module, gain: float = 1.0) -> None:
    """Draw weights that keep the size of a signal, so that the outputs depend on the inputs."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_normal_(module.weight, gain)
            nn.init.zeros_(module.bias)


def sinusoids(times: list[float], dim: int) -> Tensor:
    """Embed times in 0..1 as sines and cosines of many frequencies: (times, dim)."""
    frequencies = torch.exp(torch.linspace(0.0, math.log(1000.0), dim // 2))
    phases = torch.outer(torch.tensor(times), frequencies)
    return torch.cat([phases.sin(), phases.cos()], dim=1)
