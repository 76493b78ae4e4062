"""Make optimizers.npz: the iterates of PyTorch's optimizers and of the authors' schedule-free AdamW.

    python tests/models/golden/make_optimizers.py

Needs torch and schedulefree; the suite does not. What both sides start from is drawn here, from NumPy's generator.
"""

from pathlib import Path

import numpy as np

PATH = Path(__file__).with_name("optimizers.npz")
STEPS = 20
RATES = np.linspace(0.03, 0.003, STEPS).astype(np.float32)
CONSTANT = np.full(STEPS, 0.01, np.float32)
BETA2 = np.linspace(0.9, 0.99, STEPS).astype(np.float32)
DECAYS = np.linspace(0.0, 0.5, STEPS).astype(np.float32)

QUADRATIC_STEPS, WARM_UP = 60, 10
CURVATURE = np.logspace(-2, 1, 16).astype(np.float32)
QUADRATIC = {  # rates, and weight decay
    "plain": (np.full(QUADRATIC_STEPS, 0.05, np.float32), 0.0),
    "warm-up": (
        np.float32(0.05) * np.minimum(1.0, np.arange(1, QUADRATIC_STEPS + 1) / WARM_UP).astype(np.float32),
        0.0,
    ),
    "warm-up, weight decay": (
        np.float32(0.05) * np.minimum(1.0, np.arange(1, QUADRATIC_STEPS + 1) / WARM_UP).astype(np.float32),
        0.1,
    ),
    "a rate that falls": (np.linspace(0.05, 0.0, QUADRATIC_STEPS).astype(np.float32), 0.1),
}

# A dcgan of 8x8 pixels: batch, seed of its initial weights, settings of the optimizer, rates.
BATCH, LATENT, WIDTH, SEED = 8, 8, 4, 3
BETAS, EPSILON, DECAY = (0.9, 0.99), 1e-4, 0.1  # so large an epsilon that gradients of rounding alone move nothing
GAN_RATES = np.array([1e-3, 2e-3, 3e-3, 3e-3, 3e-3, 3e-3], np.float32)


def start_and_gradients():
    """A vector (12,), and gradients (STEPS, 12) of sizes from 1e-9 to 1: from far below epsilons to far above."""
    rng = np.random.default_rng(3)
    sizes = np.logspace(-9, 0, 12)
    return rng.normal(size=12).astype(np.float32), (rng.normal(size=(STEPS, 12)) * sizes).astype(np.float32)


def quadratic_start_and_target():
    """Two vectors (16,)."""
    rng = np.random.default_rng(4)
    return rng.normal(size=16).astype(np.float32), rng.normal(size=16).astype(np.float32)


def batches():
    """Real images (BATCH, 8, 8, 1) in [-1, 1], and latents (BATCH, LATENT), the same at every step."""
    rng = np.random.default_rng(5)
    real = np.tanh(rng.normal(0.5, 1.0, (BATCH, 8, 8, 1)))
    return real.astype(np.float32), rng.normal(size=(BATCH, LATENT)).astype(np.float32)


def initial_weights():
    """Of both networks, as a run draws them whose seed of weights is SEED; without moving statistics."""
    deepest, ones, zeros = 2 * WIDTH, np.ones, np.zeros
    shapes = {
        "generator": [
            *((LATENT, 16 * deepest), (16 * deepest, zeros), (deepest, ones), (deepest, zeros)),
            *((4, 4, WIDTH, deepest), (WIDTH, zeros), (WIDTH, ones), (WIDTH, zeros)),
            *((3, 3, WIDTH, 1), (1, zeros)),
        ],
        "discriminator": [(4, 4, 1, deepest), (deepest, zeros), (16 * deepest, 1), (1, zeros)],
    }
    found = {}
    for index, (name, listed) in enumerate(shapes.items()):
        rng = np.random.default_rng([SEED, index])
        found[name] = [
            shape[1](shape[0], np.float32)
            if callable(shape[1])
            else (0.02 * rng.standard_normal(shape)).astype(np.float32)
            for shape in listed
        ]
    return found


def iterates(make, gradients, rates, beta2=None, decays=None):
    """Weights (STEPS, 12) after each step of a PyTorch optimizer."""
    import torch

    weights = torch.nn.Parameter(torch.tensor(start_and_gradients()[0]))
    optimizer, found = make([weights]), []
    group = optimizer.param_groups[0]
    for step, gradient in enumerate(gradients):
        group["lr"] = float(rates[step])
        if beta2 is not None:
            group["betas"] = (group["betas"][0], float(beta2[step]))
        if decays is not None:
            group["weight_decay"] = float(decays[step])
        weights.grad = torch.tensor(gradient)
        optimizer.step()
        found.append(weights.detach().numpy().copy())
    return np.stack(found)


def of_torch():
    """Iterates by case."""
    from torch import optim

    gradients = start_and_gradients()[1]
    large = gradients / np.abs(gradients).mean(0)
    moments = {"lr": 0.1, "betas": (0.5, 0.9)}
    return {
        "adam": iterates(lambda w: optim.Adam(w, **moments, eps=1e-8), gradients, RATES),
        "adam, large epsilon": iterates(lambda w: optim.Adam(w, **moments, eps=1e-3), gradients, RATES),
        "adamw": iterates(lambda w: optim.AdamW(w, **moments, eps=1e-8, weight_decay=0.3), gradients, RATES),
        "adam, beta2 changes": iterates(lambda w: optim.Adam(w, **moments, eps=1e-8), gradients, RATES, beta2=BETA2),
        "adamw, weight decay changes": iterates(
            lambda w: optim.AdamW(w, **moments, eps=1e-8), gradients, RATES, decays=DECAYS
        ),
        "sgd": iterates(lambda w: optim.SGD(w, lr=0.1, momentum=0.8), large, CONSTANT),
        "rmsprop": iterates(lambda w: optim.RMSprop(w, lr=0.1, alpha=0.9, momentum=0.8, eps=1e-8), large, CONSTANT),
    }


def averaged(weights, optimizer):
    """x of each of the weights, which stay at y."""
    optimizer.eval()
    found = [weight.detach().numpy().copy() for weight in weights]
    optimizer.train()
    return found


def on_the_quadratic(rates, decay):
    """y and x, (QUADRATIC_STEPS, 16) each, of the authors' optimizer."""
    import schedulefree
    import torch

    start, target = map(torch.tensor, quadratic_start_and_target())
    weights = torch.nn.Parameter(start)
    optimizer = schedulefree.AdamWScheduleFree(
        [weights], lr=0.1, betas=(0.9, 0.99), eps=1e-8, weight_decay=decay, foreach=False
    )
    optimizer.train()
    y, x = [], []
    for rate in rates:
        optimizer.param_groups[0]["lr"] = float(rate)
        weights.grad = torch.tensor(CURVATURE) * (weights.detach() - target)
        optimizer.step()
        y.append(weights.detach().numpy().copy())
        x.append(averaged([weights], optimizer)[0])
    return np.stack(y), np.stack(x)


def dcgan(generator, discriminator, latents, real):
    """Losses of generator and discriminator, by weights in TensorFlow's order of axes."""
    import torch
    import torch.nn.functional as F

    def kernel(weight):
        return weight.permute(3, 2, 0, 1)

    def normalised(x, scale, offset):
        return F.batch_norm(x, None, None, scale, offset, training=True, eps=1e-3)

    g, d = generator, discriminator
    x = (latents @ g[0] + g[1]).view(BATCH, 4, 4, 2 * WIDTH).permute(0, 3, 1, 2)
    x = F.leaky_relu(normalised(x, g[2], g[3]), 0.2)
    x = F.conv_transpose2d(x, kernel(g[4]), g[5], stride=2, padding=1)
    x = F.leaky_relu(normalised(x, g[6], g[7]), 0.2)
    fake = torch.tanh(F.conv2d(x, kernel(g[8]), g[9], padding=1))

    def judge(images):
        y = F.leaky_relu(F.conv2d(images, kernel(d[0]), d[1], stride=2, padding=1), 0.2)
        return y.permute(0, 2, 3, 1).reshape(BATCH, -1) @ d[2] + d[3]

    of_fake, of_real = judge(fake), judge(real.permute(0, 3, 1, 2))
    return F.softplus(-of_fake).mean(), F.softplus(-of_real).mean() + F.softplus(of_fake).mean()


def on_dcgan():
    """y and x of both networks after the steps, as flat vectors, from one pass per step for both."""
    import schedulefree
    import torch

    weights, optimizers = {}, {}
    for name, values in initial_weights().items():
        weights[name] = [torch.nn.Parameter(torch.tensor(value)) for value in values]
        optimizers[name] = schedulefree.AdamWScheduleFree(
            weights[name], betas=BETAS, eps=EPSILON, weight_decay=DECAY, foreach=False
        )
        optimizers[name].train()
    real, latents = map(torch.tensor, batches())
    for rate in GAN_RATES:
        losses = dict(zip(weights, dcgan(*weights.values(), latents, real), strict=True))
        for name, loss in losses.items():
            gradients = torch.autograd.grad(loss, weights[name], retain_graph=True)
            for weight, gradient in zip(weights[name], gradients, strict=True):
                weight.grad = gradient
        for optimizer in optimizers.values():
            optimizer.param_groups[0]["lr"] = float(rate)
            optimizer.step()
    found = {}
    for name, values in weights.items():
        found[f"{name} y"] = np.concatenate([value.detach().numpy().ravel() for value in values])
        found[f"{name} x"] = np.concatenate([value.ravel() for value in averaged(values, optimizers[name])])
    return found


def main():
    made = {f"torch: {case}": values for case, values in of_torch().items()}
    for case, (rates, decay) in QUADRATIC.items():
        made[f"quadratic: {case}, y"], made[f"quadratic: {case}, x"] = on_the_quadratic(rates, decay)
    made |= {f"dcgan: {name}": values for name, values in on_dcgan().items()}
    np.savez_compressed(PATH, **made)


if __name__ == "__main__":
    main()
