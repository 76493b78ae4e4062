"""Make steps.npz: one training step of published networks in PyTorch.

    PYTHONPATH=. python tests/models/golden/make_steps.py

It needs torch; the suite does not. Networks, losses and penalty are those of benchmarks/peers/torch_networks.py, which says
whose code they follow. Weights are in our order and shapes.
"""

from pathlib import Path

import numpy as np
import recipe
import torch
from torch import nn

from benchmarks.peers.torch_networks import NETWORKS, gradient_penalty, loss_of_discriminator, loss_of_generator


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


def step(name, updates):
    case, drawn = recipe.CASES[name], {key: torch.from_numpy(each) for key, each in recipe.batch(name).items()}
    shape = (case["side"], case["side"], case["channels"])
    generator, discriminator = NETWORKS[name](recipe.LATENT, shape, **case["settings"])
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
    loss = loss_of_discriminator(case["loss"], of_real, of_fake)
    if case["loss"] == "wasserstein_gp":
        loss = loss + gradient_penalty(discriminator, real[0], fake, drawn["mixtures"][0])
    loss.backward(retain_graph=True)
    if updates == "joint":
        generator.zero_grad()
        made = loss_of_generator(case["loss"], of_fake)
        weights = list(generator.parameters())
        for weight, gradient in zip(weights, torch.autograd.grad(made, weights), strict=True):
            weight.grad = gradient
        adam_d.step()
    else:
        adam_d.step()
        slopes_d = [weight.grad.clone() for weight in discriminator.parameters()]
        made = loss_of_generator(case["loss"], discriminator(generator(drawn["latents"][1])))
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
