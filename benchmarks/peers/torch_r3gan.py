"""R3GAN's networks in PyTorch, after Huang et al. 2024 and as brownvc/R3GAN (R3GAN/Networks.py, Resamplers.py) computes them.

Images are resampled by strided convolutions with a fixed kernel, each channel by itself, as there. Parameters are made in
our weights' order.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

_SLOPE, _GROUP, _SMALLEST = 0.2, 16, 4


class Filter(nn.Module):
    """Sides doubled or halved by the filter [1, 3, 3, 1]."""

    def __init__(self, channels: int, *, up: bool) -> None:
        super().__init__()
        side = torch.tensor([1.0, 3.0, 3.0, 1.0])
        kernel = torch.outer(side, side) / (16.0 if up else 64.0)
        self.register_buffer("kernel", kernel.expand(channels, 1, 4, 4).contiguous(), persistent=False)
        self.resample = F.conv_transpose2d if up else F.conv2d

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.resample(x, self.kernel, stride=2, padding=1, groups=len(self.kernel))


class Block(nn.Module):
    """x plus a bottleneck the other way round: wide inside, where channels are convolved in groups."""

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = 2 * width
        self.main = nn.Sequential(
            nn.Conv2d(width, inner, 1),
            nn.LeakyReLU(_SLOPE, True),
            nn.Conv2d(inner, inner, 3, padding=1, groups=inner // _GROUP),
            nn.LeakyReLU(_SLOPE, True),
            nn.Conv2d(inner, width, 1, bias=False),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.main(x)


class Basis(nn.Module):
    """Features (n, c) spread over 4x4 pixels by a learnt pattern for each channel, or gathered from them by it."""

    def __init__(self, channels: int, *, spread: bool) -> None:
        super().__init__()
        self.pattern, self.spread = nn.Parameter(torch.randn(channels, 1, _SMALLEST, _SMALLEST)), spread

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pattern = self.pattern[:, 0]
        return pattern * x[:, :, None, None] if self.spread else (x * pattern).sum((2, 3))


def r3gan_small(latent: int, shape: tuple[int, int, int], *, width: int, blocks: int) -> tuple[nn.Module, nn.Module]:
    """Without classes."""
    generator: list[nn.Module] = [nn.Linear(latent, width, bias=False), Basis(width, spread=True)]
    discriminator: list[nn.Module] = [nn.Conv2d(shape[2], width, 1, bias=False)]
    for stage in range(int(math.log2(shape[0] // _SMALLEST)) + 1):
        if stage:
            generator.append(Filter(width, up=True))
            discriminator.append(Filter(width, up=False))
        generator += [Block(width) for _ in range(blocks)]
        discriminator += [Block(width) for _ in range(blocks)]
    generator.append(nn.Conv2d(width, shape[2], 1, bias=False))
    discriminator += [Basis(width, spread=False), nn.Linear(width, 1, bias=False)]
    return nn.Sequential(*generator), nn.Sequential(*discriminator)
