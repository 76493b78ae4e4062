"""Flow and variational autoencoder in PyTorch: networks by name, and the losses of a batch, as ours have them."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn

from benchmarks.peers.torch_networks import FromImage, ToImage
from benchmarks.peers.torch_unets import AdmUNet, SmallUNet

Nets = dict[str, nn.Module]
VARIANCE = 0.05  # of a pixel, as ours by default


def conv_vae(shape: tuple[int, int, int], *, latent: int, width: int) -> Nets:
    """Strided convolutions down to at most 7 pixels and up again."""
    size, widths = shape[0], []
    while size > 7 and size % 2 == 0:
        widths.append(width * 2 ** len(widths))
        size //= 2
    flat, inputs = size**2 * widths[-1], shape[2]
    encoder: list[nn.Module] = []
    for outputs in widths:
        encoder += [nn.Conv2d(inputs, outputs, 4, 2, 1), nn.SiLU()]
        inputs = outputs
    encoder += [FromImage(), nn.Linear(flat, 2 * latent)]
    decoder: list[nn.Module] = [nn.Linear(latent, flat), nn.SiLU(), ToImage(size)]
    for outputs in reversed([width, *widths[:-1]]):
        decoder += [nn.ConvTranspose2d(inputs, outputs, 4, 2, 1), nn.SiLU()]
        inputs = outputs
    decoder += [nn.Conv2d(inputs, shape[2], 3, 1, 1), nn.Tanh()]
    return {"encoder": nn.Sequential(*encoder), "decoder": nn.Sequential(*decoder)}


NETWORKS: dict[str, Callable[..., Nets]] = {
    "conv_vae": conv_vae,
    "unet": lambda shape, **settings: {"velocity": SmallUNet(shape, **settings)},
    "unet_adm": lambda shape, **settings: {"velocity": AdmUNet(shape, **settings)},
}
SAMPLED = {"flow": "velocity", "vae": "decoder"}  # whose average is kept


def flow(nets: Nets, images: torch.Tensor, noise: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
    """The mean squared error of the velocity at times (n, 1) on the lines from noise to images."""
    points = noise + times[:, :, None, None] * (images - noise)
    return (nets["velocity"](points, times) - (images - noise)).square().mean()


def vae(nets: Nets, images: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """The negative evidence lower bound, in nats per image."""
    mean, log_variance = nets["encoder"](images).chunk(2, 1)
    made = nets["decoder"](mean + torch.exp(0.5 * log_variance) * noise)
    squares = (images - made).square().sum((1, 2, 3)) / VARIANCE
    density = 0.5 * (squares + math.prod(images.shape[1:]) * math.log(2.0 * math.pi * VARIANCE))
    divergence = 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).sum(1)
    return (density + divergence).mean()
