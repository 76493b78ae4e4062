"""The velocity's U-Nets in PyTorch, of points (n, c, h, w) and times (n, 1); parameters are made in our weights' order.

`SmallUNet` is the package's `unet`; `AdmUNet` follows facebookresearch/flow_matching, examples/image/models/unet.py.
"""

from __future__ import annotations

import itertools
import math

import torch
import torch.nn.functional as F
from torch import nn


def group_norm(channels: int, groups: int) -> nn.Module:
    """With fewer groups where these do not divide the channels."""
    return nn.GroupNorm(math.gcd(channels, groups), channels)


class Cut(nn.Module):
    """A convolution with stride 2 of an image with a border below and to the right, as TensorFlow pads."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, 3, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.convolution(F.pad(x, (0, 1, 0, 1)))


class SmallBlock(nn.Module):
    """A residual block to whose middle the time is added."""

    def __init__(self, inputs: int, outputs: int, embedded: int) -> None:
        super().__init__()
        self.before = nn.Sequential(group_norm(inputs, 4), nn.SiLU(), nn.Conv2d(inputs, outputs, 3, padding=1))
        self.time = nn.Linear(embedded, outputs)
        self.after = nn.Sequential(nn.SiLU(), nn.Conv2d(outputs, outputs, 3, padding=1))
        self.past = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        return self.after(self.before(x) + self.time(time)[:, :, None, None]) + self.past(x)


class SmallUNet(nn.Module):
    """Sides are halved until at most 7 pixels are left."""

    def __init__(self, shape: tuple[int, int, int], *, width: int) -> None:
        super().__init__()
        size, levels, embedded = shape[0], 0, 4 * width
        while size > 7 and size % 2 == 0:
            size, levels = size // 2, levels + 1
        widths = [width * min(2**level, 4) for level in range(levels + 1)]
        self.register_buffer("frequencies", torch.logspace(0.0, 2.0, 8), persistent=False)
        self.time = nn.Sequential(nn.Linear(16, embedded), nn.SiLU(), nn.Linear(embedded, embedded), nn.SiLU())
        self.first = nn.Conv2d(shape[2], width, 3, padding=1)
        self.levels = nn.ModuleList(
            nn.ModuleList(
                [
                    SmallBlock(outer, outer, embedded),
                    Cut(outer, inner),
                    nn.ConvTranspose2d(inner, outer, 4, stride=2, padding=1),
                    SmallBlock(2 * outer, outer, embedded),
                ]
            )
            for outer, inner in itertools.pairwise(widths)
        )
        self.middle = SmallBlock(widths[-1], widths[-1], embedded)
        self.out = nn.Sequential(group_norm(width, 4), nn.SiLU(), nn.Conv2d(width, shape[2], 3, padding=1))

    def forward(self, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        angles = time * self.frequencies
        time = self.time(torch.cat([torch.sin(angles), torch.cos(angles)], 1))
        x, kept = self.first(x), []
        for down, halve, _, _ in self.levels:
            kept.append(down(x, time))
            x = halve(kept[-1])
        x = self.middle(x, time)
        for _, _, double, up in reversed(self.levels):
            x = up(torch.cat([double(x), kept.pop()], 1), time)
        return self.out(x)


class AdmBlock(nn.Module):
    """A residual block; with `scales` the time scales and shifts what is normalised, else it is added before."""

    def __init__(self, inputs: int, outputs: int, embedded: int, dropout: float, *, scales: bool) -> None:
        super().__init__()
        self.scales = scales
        self.before = nn.Sequential(group_norm(inputs, 32), nn.SiLU(), nn.Conv2d(inputs, outputs, 3, padding=1))
        self.time = nn.Sequential(nn.SiLU(), nn.Linear(embedded, outputs * (2 if scales else 1)))
        self.norm = group_norm(outputs, 32)
        self.after = nn.Sequential(nn.SiLU(), nn.Dropout(dropout), nn.Conv2d(outputs, outputs, 3, padding=1))
        self.past = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        inner, timed = self.before(x), self.time(time)[:, :, None, None]
        if self.scales:
            scale, shift = timed.chunk(2, 1)
            inner = self.norm(inner) * (1 + scale) + shift
        else:
            inner = self.norm(inner + timed)
        return self.past(x) + self.after(inner)


class Attention(nn.Module):
    """Attention of every pixel to all pixels."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm, self.project = group_norm(channels, 32), nn.Conv1d(channels, 3 * channels, 1)
        self.last = nn.Conv1d(channels, channels, 1)

    def forward(self, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        flat = x.flatten(2)
        parts = self.project(self.norm(flat)).unflatten(1, (3, self.heads, -1)).transpose(-1, -2)
        seen = F.scaled_dot_product_attention(*parts.unbind(1))
        return x + self.last(seen.transpose(-1, -2).flatten(1, 2)).view(x.shape)


class Resample(nn.Module):
    """Sides doubled or halved: by copies and means, or by a `learned` convolution."""

    def __init__(self, channels: int, *, up: bool, learned: bool) -> None:
        super().__init__()
        self.up = up
        self.convolution = nn.Conv2d(channels, channels, 3, stride=1 if up else 2, padding=1) if learned else None

    def forward(self, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        x = F.interpolate(x, scale_factor=2, mode="nearest") if self.up else x
        if self.convolution is not None:
            return self.convolution(x)
        return x if self.up else F.avg_pool2d(x, 2)


class First(nn.Conv2d):
    """A convolution that does not see the time."""

    def forward(self, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        return super().forward(x)


class AdmUNet(nn.Module):
    """The U-Net of Dhariwal & Nichol 2021; settings are those of `unet_adm`."""

    def __init__(
        self,
        shape: tuple[int, int, int],
        *,
        width: int,
        blocks: int,
        attention: int,
        dropout: float,
        multipliers: str = "2,2,2",
        heads: int = 1,
        modulation: str = "scale",
        resample: str = "fixed",
    ) -> None:
        super().__init__()
        widths, size, learned = [int(each) * width for each in multipliers.split(",")], shape[0], resample == "learned"
        current = widths[0]

        def block(inputs: int, outputs: int) -> nn.Module:
            return AdmBlock(inputs, outputs, 4 * width, dropout, scales=modulation == "scale")

        def attentions(level: int) -> list[nn.Module]:
            return [Attention(widths[level], heads)] if size >> level == attention else []

        self.half = width // 2
        self.time = nn.Sequential(nn.Linear(width, 4 * width), nn.SiLU(), nn.Linear(4 * width, 4 * width))
        down, up, kept = [[First(shape[2], current, 3, padding=1)]], [], [current]
        for level, outputs in enumerate(widths):
            for _ in range(blocks):
                down.append([block(current, outputs), *attentions(level)])
                current = outputs
                kept.append(current)
            if level < len(widths) - 1:
                down.append([Resample(current, up=False, learned=learned)])
                kept.append(current)
        middle = [block(current, current), Attention(current, heads), block(current, current)]
        for level in reversed(range(len(widths))):
            for index in range(blocks + 1):
                up.append([block(current + kept.pop(), widths[level]), *attentions(level)])
                current = widths[level]
                if level and index == blocks:
                    up[-1].append(Resample(current, up=True, learned=learned))
        self.down = nn.ModuleList(nn.ModuleList(stage) for stage in down)
        self.middle = nn.ModuleList(middle)
        self.up = nn.ModuleList(nn.ModuleList(stage) for stage in up)
        self.out = nn.Sequential(group_norm(current, 32), nn.SiLU(), nn.Conv2d(current, shape[2], 3, padding=1))

    def forward(self, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        angles = time * torch.exp(-math.log(10_000) * torch.arange(self.half) / self.half)
        time = self.time(torch.cat([torch.cos(angles), torch.sin(angles)], 1))
        kept = []
        for stage in self.down:
            x = through(stage, x, time)
            kept.append(x)
        x = through(self.middle, x, time)
        for stage in self.up:
            x = through(stage, torch.cat([x, kept.pop()], 1), time)
        return self.out(x)


def through(stage: nn.ModuleList, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
    """What layers, one after another, make of x."""
    for layer in stage:
        x = layer(x, time)
    return x
