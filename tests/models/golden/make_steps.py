"""Make steps.npz: one training step of published networks in PyTorch, the networks written as their PyTorch code has them.

    python tests/models/golden/make_steps.py

It needs torch; the suite does not. Networks: `dcgan` as PyTorch's DCGAN tutorial builds one; `sngan_resnet32` and
`wgan_gp_resnet32` after kwotsin/mimicry (torch_mimicry/nets, modules/resblocks.py), activations in place included.
Weights are in our order and shapes.
"""

from pathlib import Path

import numpy as np
import recipe
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import spectral_norm


class ToImage(nn.Module):
    """Units to an image of 4x4 pixels, whose channels run fastest."""

    def forward(self, x):
        return x.view(len(x), 4, 4, -1).permute(0, 3, 1, 2).contiguous()


class FromImage(nn.Module):
    """The way back."""

    def forward(self, x):
        return x.permute(0, 2, 3, 1).flatten(1)


def norm(channels, eps):
    return nn.BatchNorm2d(channels, eps=eps, momentum=0.1)


def dcgan(width):
    """For 16x16 images: two doublings from 4x4."""
    generator = nn.Sequential(
        nn.Linear(recipe.LATENT, 16 * 4 * width), ToImage(), norm(4 * width, 1e-3), nn.LeakyReLU(0.2),
        nn.ConvTranspose2d(4 * width, 2 * width, 4, 2, 1), norm(2 * width, 1e-3), nn.LeakyReLU(0.2),
        nn.ConvTranspose2d(2 * width, width, 4, 2, 1), norm(width, 1e-3), nn.LeakyReLU(0.2),
        nn.Conv2d(width, 1, 3, 1, 1), nn.Tanh(),
    )  # fmt: skip
    discriminator = nn.Sequential(
        nn.Conv2d(1, 2 * width, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(2 * width, 4 * width, 4, 2, 1), nn.LeakyReLU(0.2),
        FromImage(), nn.Linear(16 * 4 * width, 1),
    )  # fmt: skip
    return generator, discriminator


class Up(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.b1, self.c1 = norm(channels, 1e-5), nn.Conv2d(channels, channels, 3, 1, 1)
        self.b2, self.c2 = norm(channels, 1e-5), nn.Conv2d(channels, channels, 3, 1, 1)
        self.c_sc, self.relu = nn.Conv2d(channels, channels, 1), nn.ReLU(True)

    def forward(self, x):
        def doubled(h):
            return F.interpolate(h, scale_factor=2, mode="bilinear", align_corners=False)

        return self.c2(self.relu(self.b2(self.c1(doubled(self.relu(self.b1(x))))))) + self.c_sc(doubled(x))


class First(nn.Module):
    def __init__(self, channels, wrap):
        super().__init__()
        self.c1, self.c2 = wrap(nn.Conv2d(3, channels, 3, 1, 1)), wrap(nn.Conv2d(channels, channels, 3, 1, 1))
        self.c_sc, self.relu = wrap(nn.Conv2d(3, channels, 1)), nn.ReLU(True)

    def forward(self, x):
        return F.avg_pool2d(self.c2(self.relu(self.c1(x))), 2) + self.c_sc(F.avg_pool2d(x, 2))


class Block(nn.Module):
    def __init__(self, channels, wrap, *, down):
        super().__init__()
        self.c1, self.c2 = wrap(nn.Conv2d(channels, channels, 3, 1, 1)), wrap(nn.Conv2d(channels, channels, 3, 1, 1))
        self.c_sc, self.relu = wrap(nn.Conv2d(channels, channels, 1)) if down else None, nn.ReLU(True)

    def forward(self, x):
        main = self.c2(self.relu(self.c1(self.relu(x))))  # in place: from here on x is rectified
        return F.avg_pool2d(main, 2) + F.avg_pool2d(self.c_sc(x), 2) if self.c_sc else main + x


class Judge(nn.Module):
    def __init__(self, channels, wrap, pool):
        super().__init__()
        downs = (True, False, False)
        self.blocks = nn.Sequential(First(channels, wrap), *[Block(channels, wrap, down=down) for down in downs])
        self.l5, self.pool = wrap(nn.Linear(channels, 1)), pool

    def forward(self, x):
        return self.l5(self.pool(F.relu(self.blocks(x)), dim=(2, 3)))


def resnets(width, half, wrap, pool):
    generator = nn.Sequential(
        nn.Linear(recipe.LATENT, 16 * width), ToImage(), Up(width), Up(width), Up(width),
        norm(width, 1e-5), nn.ReLU(True), nn.Conv2d(width, 3, 3, 1, 1), nn.Tanh(),
    )  # fmt: skip
    return generator, Judge(half, wrap, pool)


NETWORKS = {
    "dcgan": lambda settings: dcgan(settings["width"]),
    "sngan_resnet32": lambda settings: resnets(settings["width"], settings["width"] // 2, spectral_norm, torch.sum),
    "wgan_gp_resnet32": lambda settings: resnets(
        settings["width"], settings["critic_width"], lambda layer: layer, torch.mean
    ),
}


def order(module):
    """(layer, name, from our axes to PyTorch's) of each weight in our order: the layers', then kernel, bias, statistics."""
    found = []
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            found += [(layer, name, None) for name in ("weight", "bias", "running_mean", "running_var")]
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            # (k, k, inputs, outputs) becomes (outputs, inputs, k, k); transposed ones have both pairs the other way round
            axes = (1, 0) if isinstance(layer, nn.Linear) else (3, 2, 0, 1)
            normalised = hasattr(layer, "weight_u")
            found += [(layer, "weight_orig" if normalised else "weight", axes), (layer, "bias", None)]
            found += [(layer, "weight_u", None)] if normalised else []
    return found


def ours(tensor, axes):
    values = tensor.detach().numpy()
    return values if axes is None else values.transpose(np.argsort(axes))


def load(module, seed):
    for place, (layer, name, axes) in enumerate(order(module)):
        target = getattr(layer, name)
        values = recipe.weight(seed, place, ours(target, axes).shape)
        with torch.no_grad():
            target.copy_(torch.from_numpy(values if axes is None else values.transpose(axes).copy()))


def flat(module, what):
    """One vector of all that `what` gives of (tensor, axes), in our order; None is left out."""
    values = [what(getattr(layer, name), axes) for layer, name, axes in order(module)]
    return np.concatenate([np.zeros(0), *[each.ravel() for each in values if each is not None]]).astype(np.float32)


def gradients(module):
    return flat(module, lambda tensor, axes: ours(tensor.grad, axes) if isinstance(tensor, nn.Parameter) else None)


def trained(module):
    return flat(module, lambda tensor, axes: ours(tensor, axes) if isinstance(tensor, nn.Parameter) else None)


def moving(module):
    return flat(module, lambda tensor, axes: None if isinstance(tensor, nn.Parameter) else ours(tensor, axes))


def loss_d(loss, real, fake):
    return {
        "non_saturating": lambda: F.softplus(-real).mean() + F.softplus(fake).mean(),
        "hinge": lambda: F.relu(1.0 - real).mean() + F.relu(1.0 + fake).mean(),
        "wasserstein_gp": lambda: fake.mean() - real.mean(),
    }[loss]()


def loss_g(loss, fake):
    return F.softplus(-fake).mean() if loss == "non_saturating" else -fake.mean()


def penalty(discriminator, real, fake, mixture):
    mixed = mixture.view(-1, 1, 1, 1) * real + (1.0 - mixture.view(-1, 1, 1, 1)) * fake.detach()
    mixed.requires_grad_(True)
    (slope,) = torch.autograd.grad(discriminator(mixed).sum(), mixed, create_graph=True)
    return 10.0 * ((slope.flatten(1).norm(2, dim=1) - 1.0) ** 2).mean()


def step(name, updates):
    case, drawn = recipe.CASES[name], {key: torch.from_numpy(each) for key, each in recipe.batch(name).items()}
    generator, discriminator = NETWORKS[name](case["settings"])
    load(generator, 1)
    load(discriminator, 2)
    of_adam = {"lr": recipe.RATE, "betas": (case["beta1"], recipe.BETA2)}
    adam_g, adam_d = (torch.optim.Adam(network.parameters(), **of_adam) for network in (generator, discriminator))
    real = drawn["real"].permute(0, 1, 4, 2, 3).contiguous()
    fake = generator(drawn["latents"][0])
    shown = fake if updates == "joint" else fake.detach()
    if updates == "joint":  # ours has always judged generated images first; published codes judge real ones first
        of_fake = discriminator(shown)
    of_real = discriminator(real[0])
    if updates == "alternating":
        of_fake = discriminator(shown)
    loss = loss_d(case["loss"], of_real, of_fake)
    if case["loss"] == "wasserstein_gp":
        loss = loss + penalty(discriminator, real[0], fake, drawn["mixtures"][0])
    loss.backward(retain_graph=True)
    if updates == "joint":
        generator.zero_grad()
        made = loss_g(case["loss"], of_fake)
        weights = list(generator.parameters())
        for weight, gradient in zip(weights, torch.autograd.grad(made, weights), strict=True):
            weight.grad = gradient
        adam_d.step()
    else:
        adam_d.step()
        slopes_d = [weight.grad.clone() for weight in discriminator.parameters()]
        made = loss_g(case["loss"], discriminator(generator(drawn["latents"][1])))
        made.backward()
        for weight, slope in zip(discriminator.parameters(), slopes_d, strict=True):
            weight.grad = slope
    adam_g.step()
    found = {"losses": np.array([made.item(), loss.item()], np.float32)}
    for role, network in (("generator", generator), ("discriminator", discriminator)):
        found |= {f"{role}/gradient": gradients(network), f"{role}/weights": trained(network)}
        found |= {f"{role}/moving": moving(network)}
    return found


def main():
    torch.set_num_threads(1)
    kept = {}
    for name in recipe.CASES:
        for updates in recipe.UPDATES:
            found = step(name, updates)
            kept |= {f"{name}/{updates}/{what}": values for what, values in found.items() if values.size}
    path = Path(__file__).with_name("steps.npz")
    np.savez_compressed(path, **kept)
    print(f"{path}: {path.stat().st_size / 1e3:.0f} kB, PyTorch {torch.__version__}")


if __name__ == "__main__":
    main()
