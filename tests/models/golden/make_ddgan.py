"""Make ddgan.npz: outputs and two training steps of NVlabs/denoising-diffusion-gan's own networks, in PyTorch.

    python tests/models/golden/make_ddgan.py FOLDER

FOLDER is a checkout of https://github.com/NVlabs/denoising-diffusion-gan (2022), whose licence allows research and
evaluation only: nothing of it lies here. Its networks, diffusion and posterior are called as they are; the loop over
batches, which cannot be called, is the one of its train_ddgan.py, with the noise drawn by NumPy. The numbers here were
made with PyTorch 2 on a CPU. `NARROW`, `drawn` and `weights` are shared with the test.
"""

import sys
import types
from pathlib import Path

import numpy as np

BATCH, SIZE, CHANNELS, STEPS, UPDATES, GAMMA, EVERY = 8, 8, 3, 4, 2, 5.0, 2
RATES = {"generator": 1.6e-4, "discriminator": 1.25e-4}
NARROW = {
    "latent": 4, "width": 4, "levels": 2, "blocks": 1, "attention": 4, "style": 6, "mapping": 1,
    "discriminator_width": 2, "time": 8,
}  # fmt: skip


def weights(shapes, seed):
    """A value for every weight, of sizes that keep signals alive, in the order of the networks' weights."""
    rng = np.random.default_rng(seed)
    sizes = [1.6 / np.sqrt(np.prod(shape[:-1])) if len(shape) > 1 else 0.2 for shape in shapes]
    return [rng.normal(0.0, size, shape).astype(np.float32) for size, shape in zip(sizes, shapes, strict=True)]


class Drawn:
    """Random numbers of one step, in the order in which our model asks for them."""

    def __init__(self, step):
        self._rng = np.random.default_rng([7, step])

    def uniform(self, shape):
        return self._rng.random(shape, np.float32)

    def normal(self, shape):
        return self._rng.standard_normal(shape, np.float32)


def images(step):
    """A batch of real images float32 (n, h, w, c) in [-1, 1]."""
    return np.random.default_rng([8, step]).uniform(-1.0, 1.0, (BATCH, SIZE, SIZE, CHANNELS)).astype(np.float32)


def inputs():
    """What both networks are called with once: x_t, x_{t+1}, times and z."""
    rng = np.random.default_rng(9)
    points, noisier = rng.standard_normal((2, BATCH, SIZE, SIZE, CHANNELS), np.float32)
    return points, noisier, np.arange(BATCH) % STEPS, rng.standard_normal((BATCH, NARROW["latent"]), np.float32)


def main(folder):
    sys.path.insert(0, str(folder))
    import torch
    from torch.utils import cpp_extension

    cpp_extension.load = lambda *_, **__: None  # kernels for a GPU, which a CPU never calls
    for name in ("torchvision", "torchvision.transforms", "torchvision.datasets", "datasets_prep.lsun",
                 "datasets_prep.stackmnist_data", "datasets_prep.lmdb_datasets"):  # fmt: skip
        sys.modules[name] = types.SimpleNamespace(
            transforms=None, CIFAR10=None, LSUN=None, StackedMNIST=None, LMDBDataset=None,
            _data_transforms_stacked_mnist=None,
        )  # fmt: skip
    import train_ddgan
    from score_sde.models.discriminator import Discriminator_small
    from score_sde.models.ncsnpp_generator_adagn import NCSNpp
    from torch.nn import functional

    settings = types.SimpleNamespace(
        image_size=SIZE, num_channels=CHANNELS, centered=True, num_channels_dae=NARROW["width"],
        n_mlp=NARROW["mapping"], ch_mult=[1, 2], num_res_blocks=NARROW["blocks"], attn_resolutions=(NARROW["attention"],),
        dropout=0.0, resamp_with_conv=True, conditional=True, fir=True, fir_kernel=[1, 3, 3, 1], skip_rescale=True,
        resblock_type="biggan", progressive="none", progressive_input="residual", progressive_combine="sum",
        embedding_type="positional", fourier_scale=16.0, not_use_tanh=False, nz=NARROW["latent"],
        z_emb_dim=NARROW["style"], num_timesteps=STEPS, beta_min=0.1, beta_max=20.0, use_geometric=False,
    )  # fmt: skip
    discriminator = Discriminator_small(
        nc=2 * CHANNELS, ngf=NARROW["discriminator_width"], t_emb_dim=NARROW["time"], act=torch.nn.LeakyReLU(0.2)
    )
    nets = {"generator": NCSNpp(settings), "discriminator": discriminator}
    for seed, net in enumerate(nets.values()):
        fill(net, seed)

    def tensor(array):
        return torch.tensor(np.moveaxis(array, -1, 1).copy() if array.ndim == 4 else array)

    points, noisier, times, latents = map(tensor, inputs())
    found = {
        "generated": np.moveaxis(nets["generator"](noisier, times, latents).detach().numpy(), 1, -1),
        "judged": nets["discriminator"](points, times, noisier).detach().numpy(),
    }
    forwards = train_ddgan.Diffusion_Coefficients(settings, "cpu")
    backwards = train_ddgan.Posterior_Coefficients(settings, "cpu")
    optimizers = {
        name: torch.optim.Adam(net.parameters(), lr=RATES[name], betas=(0.5, 0.9)) for name, net in nets.items()
    }
    losses = []
    for step in range(UPDATES):
        real, draw, drawn = tensor(images(step)), Drawn(step), []
        torch.randn_like = lambda like, drawn=drawn: drawn.pop(0)  # how the original draws noise

        def transition(real=real, draw=draw, drawn=drawn):
            time = torch.tensor((draw.uniform((BATCH,)) * STEPS).astype(np.int64))
            noise = [tensor(draw.normal((BATCH, SIZE, SIZE, CHANNELS))) for _ in range(2)]
            drawn[:] = [noise[1], noise[0]]  # it draws that of x_{t+1} first
            point, noisier = train_ddgan.q_sample_pairs(forwards, real, time)
            latents = torch.tensor(draw.normal((BATCH, NARROW["latent"])))
            drawn[:] = [tensor(draw.normal((BATCH, SIZE, SIZE, CHANNELS)))]
            fake = train_ddgan.sample_posterior(backwards, nets["generator"](noisier, time, latents), noisier, time)
            return time, point, noisier, fake

        time, point, noisier, fake = transition()
        nets["discriminator"].zero_grad()
        point.requires_grad = True
        of_real = nets["discriminator"](point, time, noisier).view(-1)
        loss_d = functional.softplus(-of_real).mean()
        loss_d.backward(retain_graph=True)
        if step % EVERY == 0:
            slope = torch.autograd.grad(of_real.sum(), point, create_graph=True)[0]
            (GAMMA / 2 * (slope.view(BATCH, -1).norm(2, dim=1) ** 2).mean()).backward()
        loss_fake = functional.softplus(nets["discriminator"](fake.detach(), time, noisier).view(-1)).mean()
        loss_fake.backward()
        optimizers["discriminator"].step()

        time, point, noisier, fake = transition()
        nets["generator"].zero_grad()
        loss_g = functional.softplus(-nets["discriminator"](fake, time, noisier).view(-1)).mean()
        loss_g.backward()
        optimizers["generator"].step()
        losses.append([loss_g.item(), (loss_d + loss_fake).item()])
    found["losses"] = np.array(losses, np.float32)
    for name, net in nets.items():
        found[name] = flat(net, lambda parameter: parameter.detach())
        found[f"{name}_moment"] = flat(net, lambda parameter, name=name: optimizers[name].state[parameter]["exp_avg"])
    np.savez_compressed(Path(__file__).with_name("ddgan.npz"), **found)


def ours(name, values):
    """An array of PyTorch's layout in ours: (out, in, h, w) to (h, w, in, out), and dense kernels (out, in) to (in, out)."""
    if values.ndim == 4:
        return values.transpose(2, 3, 1, 0)
    return values.T if values.ndim == 2 and name.endswith("weight") else values


def fill(net, seed):
    """Put `weights` into a network; ours have the order of its parameters."""
    import torch

    named = list(net.named_parameters())
    values = weights([ours(name, parameter.detach().numpy()).shape for name, parameter in named], seed)
    for (name, parameter), value in zip(named, values, strict=True):
        theirs = value.transpose(3, 2, 0, 1) if value.ndim == 4 else ours(name, value)
        parameter.data = torch.tensor(theirs.copy())


def flat(net, of):
    """Something of every parameter, in our layout and order, float32 (parameters,)."""
    named = list(net.named_parameters())
    return np.concatenate([ours(name, of(parameter).numpy()).ravel() for name, parameter in named])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
