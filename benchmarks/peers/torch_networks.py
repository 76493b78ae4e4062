"""Networks of published GANs in PyTorch, as their PyTorch codes have them, and a step of training in parts.

`sngan_resnet32` and `wgan_gp_resnet32` are after kwotsin/mimicry (torch_mimicry/nets, modules/resblocks.py), activations in
place included; `dcgan_studiogan` after POSTECH-CVLab/PyTorch-StudioGAN (src/models/deep_conv.py), `dcgan_cnn32` after
w86763777/pytorch-gan-collections (source/models/dcgan.py), `sndcgan` after google/compare_gan; `article` and `r3gan_small`
are made elsewhere in this folder. Images become vectors, and
vectors images, with channels running fastest, as in ours: weights need no other order. Where PyTorch pads at the other end than TensorFlow
(`article`, `dcgan_cnn32`), these are our networks with all images mirrored.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import spectral_norm

from benchmarks.peers import plan as plans
from benchmarks.peers import torch_gan
from benchmarks.peers.torch_r3gan import r3gan_small

Pair = tuple[nn.Module, nn.Module]
Wrap = Callable[[nn.Module], nn.Module]


class ToImage(nn.Module):
    """Units to an image of side x side pixels."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self._side = side

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.view(len(x), self._side, self._side, -1).permute(0, 3, 1, 2).contiguous()


class FromImage(nn.Module):
    """The way back."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.permute(0, 2, 3, 1).flatten(1)


class Pool(nn.Module):
    """Pixels of each channel added up."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.sum((2, 3))


def norm(channels: int, eps: float) -> nn.Module:
    """Batch normalisation of images."""
    return nn.BatchNorm2d(channels, eps=eps, momentum=0.1)


def dcgan(latent: int, shape: tuple[int, int, int], *, width: int) -> Pair:
    """Ours, as PyTorch's DCGAN tutorial builds one."""
    side, widths = shape[0], []
    while side > 7 and side % 2 == 0:
        widths.append(width * 2 ** len(widths))
        side //= 2
    inputs = 2 * widths[-1]
    generator = [nn.Linear(latent, side**2 * inputs), ToImage(side), norm(inputs, 1e-3), nn.LeakyReLU(0.2)]
    for outputs in reversed(widths):
        generator += [nn.ConvTranspose2d(inputs, outputs, 4, 2, 1), norm(outputs, 1e-3), nn.LeakyReLU(0.2)]
        inputs = outputs
    generator += [nn.Conv2d(inputs, shape[2], 3, 1, 1), nn.Tanh()]
    discriminator, inputs = [], shape[2]
    for outputs in widths:
        discriminator += [nn.Conv2d(inputs, 2 * outputs, 4, 2, 1), nn.LeakyReLU(0.2)]
        inputs = 2 * outputs
    discriminator += [FromImage(), nn.Linear(side**2 * inputs, 1)]
    return nn.Sequential(*generator), nn.Sequential(*discriminator)


class Up(nn.Module):
    """mimicry's GBlock."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.b1, self.c1 = norm(channels, 1e-5), nn.Conv2d(channels, channels, 3, 1, 1)
        self.b2, self.c2 = norm(channels, 1e-5), nn.Conv2d(channels, channels, 3, 1, 1)
        self.c_sc, self.relu = nn.Conv2d(channels, channels, 1), nn.ReLU(True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        def doubled(h: torch.Tensor) -> torch.Tensor:
            return F.interpolate(h, scale_factor=2, mode="bilinear", align_corners=False)

        return self.c2(self.relu(self.b2(self.c1(doubled(self.relu(self.b1(x))))))) + self.c_sc(doubled(x))


class First(nn.Module):
    """mimicry's DBlockOptimized."""

    def __init__(self, channels: int, wrap: Wrap) -> None:
        super().__init__()
        self.c1, self.c2 = wrap(nn.Conv2d(3, channels, 3, 1, 1)), wrap(nn.Conv2d(channels, channels, 3, 1, 1))
        self.c_sc, self.relu = wrap(nn.Conv2d(3, channels, 1)), nn.ReLU(True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.avg_pool2d(self.c2(self.relu(self.c1(x))), 2) + self.c_sc(F.avg_pool2d(x, 2))


class Block(nn.Module):
    """mimicry's DBlock: the ReLU in place changes x, so that what goes past the block is rectified too."""

    def __init__(self, channels: int, wrap: Wrap, *, down: bool) -> None:
        super().__init__()
        self.c1, self.c2 = wrap(nn.Conv2d(channels, channels, 3, 1, 1)), wrap(nn.Conv2d(channels, channels, 3, 1, 1))
        self.c_sc, self.relu = wrap(nn.Conv2d(channels, channels, 1)) if down else None, nn.ReLU(True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        main = self.c2(self.relu(self.c1(self.relu(x))))
        return main + x if self.c_sc is None else F.avg_pool2d(main, 2) + F.avg_pool2d(self.c_sc(x), 2)


class Judge(nn.Module):
    """mimicry's discriminator of four blocks; `pool` is torch.sum or torch.mean."""

    def __init__(self, channels: int, wrap: Wrap, pool: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        downs = (True, False, False)
        self.blocks = nn.Sequential(First(channels, wrap), *[Block(channels, wrap, down=down) for down in downs])
        self.l5, self.pool = wrap(nn.Linear(channels, 1)), pool

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.l5(self.pool(F.relu(self.blocks(x)), dim=(2, 3)))


def _residual_generator(latent: int, width: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(latent, 16 * width),
        ToImage(4),
        *[Up(width) for _ in range(3)],
        norm(width, 1e-5),
        nn.ReLU(True),
        nn.Conv2d(width, 3, 3, 1, 1),
        nn.Tanh(),
    )


def sngan_resnet32(latent: int, shape: tuple[int, int, int], *, width: int) -> Pair:
    """mimicry's SNGAN."""
    return _residual_generator(latent, width), Judge(width // 2, spectral_norm, torch.sum)


def wgan_gp_resnet32(latent: int, shape: tuple[int, int, int], *, width: int, critic_width: int) -> Pair:
    """mimicry's WGAN-GP."""
    return _residual_generator(latent, width), Judge(critic_width, lambda layer: layer, torch.mean)


def sndcgan(latent: int, shape: tuple[int, int, int], *, width: int) -> Pair:
    """compare_gan's SNDCGAN."""
    side = shape[0] // 8
    units = side**2 * 8 * width
    generator = [nn.Linear(latent, units), nn.BatchNorm1d(units, eps=1e-5), nn.ReLU(True), ToImage(side)]
    for outputs in (4 * width, 2 * width, width):
        generator += [nn.ConvTranspose2d(2 * outputs, outputs, 4, 2, 1), norm(outputs, 1e-5), nn.ReLU(True)]
    generator += [nn.Conv2d(width, shape[2], 3, 1, 1), nn.Tanh()]
    discriminator = [spectral_norm(nn.Conv2d(shape[2], width, 3, 1, 1)), nn.LeakyReLU(0.1, True)]
    for inputs in (width, 2 * width, 4 * width):
        discriminator += [spectral_norm(nn.Conv2d(inputs, 2 * inputs, 4, 2, 1)), nn.LeakyReLU(0.1, True)]
        discriminator += [spectral_norm(nn.Conv2d(2 * inputs, 2 * inputs, 3, 1, 1)), nn.LeakyReLU(0.1, True)]
    discriminator += [FromImage(), spectral_norm(nn.Linear(units, 1))]
    return nn.Sequential(*generator), nn.Sequential(*discriminator)


def dcgan_studiogan(latent: int, shape: tuple[int, int, int], *, width: int) -> Pair:
    """StudioGAN's DCGAN."""
    generator = [nn.Linear(latent, 16 * 8 * width), ToImage(4)]
    for outputs in (4 * width, 2 * width, width):
        generator += [nn.ConvTranspose2d(2 * outputs, outputs, 4, 2, 1), norm(outputs, 1e-4), nn.ReLU(True)]
    generator += [nn.Conv2d(width, 3, 3, 1, 1), nn.Tanh()]
    discriminator, inputs = [], 3
    for outputs in (width, 2 * width, 4 * width):
        discriminator += [nn.Conv2d(inputs, outputs, 3, 1, 1), norm(outputs, 1e-4), nn.ReLU(True)]
        discriminator += [nn.Conv2d(outputs, outputs, 4, 2, 1), norm(outputs, 1e-4), nn.ReLU(True)]
        inputs = outputs
    discriminator += [nn.Conv2d(inputs, 8 * width, 3, 1, 1), norm(8 * width, 1e-4), nn.ReLU(True), Pool()]
    return nn.Sequential(*generator), nn.Sequential(*discriminator, nn.Linear(8 * width, 1))


def dcgan_cnn32(latent: int, shape: tuple[int, int, int], *, width: int) -> Pair:
    """w86763777's DCGAN; its first layer, a transposed convolution of one pixel, is a product."""
    widest = 16 * width
    generator = [nn.Linear(latent, 4 * widest, bias=False), ToImage(2), norm(widest, 1e-5), nn.ReLU(True)]
    for outputs in (8 * width, 4 * width, 2 * width):
        generator += [nn.ConvTranspose2d(2 * outputs, outputs, 4, 2, 1, bias=False), norm(outputs, 1e-5), nn.ReLU(True)]
    generator += [nn.ConvTranspose2d(2 * width, 3, 4, 2, 1, bias=False), nn.Tanh()]
    discriminator = [nn.Conv2d(3, width, 5, 2, 2, bias=False), nn.LeakyReLU(0.2, True)]
    for inputs in (width, 2 * width, 4 * width):
        discriminator += [nn.Conv2d(inputs, 2 * inputs, 5, 2, 2, bias=False), nn.LeakyReLU(0.2, True)]
        discriminator += [norm(2 * inputs, 1e-5)]
    return nn.Sequential(*generator), nn.Sequential(*discriminator, FromImage(), nn.Linear(4 * 8 * width, 1))


def article(latent: int, shape: tuple[int, int, int]) -> Pair:
    """The article's."""
    plan = plans.article(latent)
    generator = torch_gan.network(plan.generator, flat=True)
    discriminator = torch_gan.network(plan.discriminator, flat=False)
    return (
        nn.Sequential(*[ToImage(4) if isinstance(layer, torch_gan.Reshape) else layer for layer in generator]),
        nn.Sequential(*[FromImage() if isinstance(layer, nn.Flatten) else layer for layer in discriminator]),
    )


NETWORKS: dict[str, Callable[..., Pair]] = {
    made.__name__: made
    for made in (
        article,
        dcgan,
        sngan_resnet32,
        wgan_gp_resnet32,
        sndcgan,
        dcgan_studiogan,
        dcgan_cnn32,
        r3gan_small,
    )
}


def loss_of_discriminator(loss: str, real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """Without its penalty."""
    formulas: dict[str, Callable[[], Any]] = {
        "non_saturating": lambda: F.softplus(-real).mean() + F.softplus(fake).mean(),
        "hinge": lambda: F.relu(1.0 - real).mean() + F.relu(1.0 + fake).mean(),
        "wasserstein_gp": lambda: fake.mean() - real.mean(),
        "relativistic": lambda: F.softplus(fake - real).mean(),
    }
    return formulas[loss]()


def loss_of_generator(loss: str, fake: torch.Tensor, real: torch.Tensor | None = None) -> torch.Tensor:
    """Of logits of generated images, and of real ones where the loss pairs them."""
    if loss == "relativistic":
        return F.softplus(real - fake).mean()
    return F.softplus(-fake).mean() if loss == "non_saturating" else -fake.mean()


def squared_slope(logits: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Mean of ‖slope‖² at images of which the logits were made; R1 and R2 are half of it times their weight."""
    (slope,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return slope.square().sum((1, 2, 3)).mean()


def gradient_penalty(
    discriminator: nn.Module, real: torch.Tensor, fake: torch.Tensor, mixture: torch.Tensor
) -> torch.Tensor:
    """Ten times the mean of (‖slope‖ - 1)² at mixtures (Gulrajani et al. 2017)."""
    mixed = mixture.view(-1, 1, 1, 1) * real + (1.0 - mixture.view(-1, 1, 1, 1)) * fake.detach()
    mixed.requires_grad_(True)
    (slope,) = torch.autograd.grad(discriminator(mixed).sum(), mixed, create_graph=True)
    return 10.0 * ((slope.flatten(1).norm(2, dim=1) - 1.0) ** 2).mean()
