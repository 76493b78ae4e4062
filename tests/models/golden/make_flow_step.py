"""Make flow_step.npz: one training step of a flow in PyTorch, in float64. Needs torch; the suite does not.

    PYTHONPATH=. python tests/models/golden/make_flow_step.py

Networks are those of benchmarks/peers/torch_unets.py. For each network of NETWORKS, from weights, images, noise and times that the suite draws again: the loss, and for every
weight in order its gradient (at most 60 values of it, and its norm) and its values after one update of AdamW.
"""

from pathlib import Path

import numpy as np

FILE = Path(__file__).with_name("flow_step.npz")
NETWORKS = {  # settings of the networks, and the side of the images
    "unet": ({"width": 4}, 8),
    "unet_adm": ({"width": 16, "blocks": 1, "attention": 8, "dropout": 0.0}, 16),
    "unet_adm, as TorchCFM": (
        {
            "width": 32,
            "blocks": 1,
            "attention": 8,
            "dropout": 0.0,
            "multipliers": "1,2,2,2",
            "heads": 4,
            "modulation": "shift",
            "resample": "learned",
        },
        16,
    ),
}
RATE, BETAS, EPSILON, DECAY = 1e-4, (0.9, 0.95), 1e-8, 0.01  # flow_matching's: PyTorch's defaults but for the betas


def batch(size):
    """Images in [-1, 1] and noise, float32 (2, size, size, 3), and times (2, 1)."""
    rng = np.random.default_rng(16)
    images = rng.uniform(-1.0, 1.0, (2, size, size, 3)).astype(np.float32)
    return images, rng.standard_normal((2, size, size, 3), dtype=np.float32), np.float32([[0.3], [0.9]])


def weights(shapes):
    """Weights of `shapes` in the package's order and layout: none is 0, so that every gradient is something."""
    rng = np.random.default_rng(17)
    return [rng.normal(0.5 if len(shape) == 1 else 0.0, 0.1, shape).astype(np.float32) for shape in shapes]


def sample(values):
    """At most 60 values of an array, evenly spaced."""
    flat = np.asarray(values).reshape(-1)
    return flat[np.linspace(0, len(flat) - 1, min(len(flat), 60)).astype(int)]


# --- the step --------------------------------------------------------------------------------------------------------


def ours(values):
    """An array of PyTorch's layout, channels before pixels, in the package's: channels last, inputs before outputs."""
    return values.transpose(2, 3, 1, 0) if values.ndim == 4 else (values[..., 0] if values.ndim == 3 else values).T


def theirs(values, shape):
    """The inverse of `ours`, to PyTorch's `shape`."""
    return values.transpose(3, 2, 0, 1) if len(shape) == 4 else values.T.reshape(shape)


def step(torch, net, size):
    """Loss, gradients' samples and norms, and the weights' samples after one update."""
    parameters = list(net.parameters())
    drawn = weights([ours(np.zeros(each.shape)).shape for each in parameters])
    for parameter, values in zip(parameters, drawn, strict=True):
        parameter.data = torch.tensor(theirs(values, parameter.shape).astype(np.float64))
    images, noise, times = (torch.tensor(each.astype(np.float64)) for each in batch(size))
    images, noise = images.permute(0, 3, 1, 2), noise.permute(0, 3, 1, 2)
    share = times[:, :, None, None]
    optimizer = torch.optim.AdamW(parameters, lr=RATE, betas=BETAS, eps=EPSILON, weight_decay=DECAY)
    loss = ((net((1 - share) * noise + share * images, times) - (images - noise)) ** 2).mean()
    loss.backward()
    gradients = [ours(each.grad.numpy()) for each in parameters]
    optimizer.step()
    return {
        "loss": np.array(float(loss.detach())),
        "norms": np.array([np.linalg.norm(each) for each in gradients]),
        "gradients": np.concatenate([sample(each) for each in gradients]).astype(np.float32),
        "after": np.concatenate([sample(ours(each.detach().numpy())) for each in parameters]).astype(np.float32),
    }


def main():
    import torch

    from benchmarks.peers import torch_unets

    torch.set_default_dtype(torch.float64)
    found = {}
    for name, (settings, size) in NETWORKS.items():
        made = torch_unets.SmallUNet if name == "unet" else torch_unets.AdmUNet
        net = made((size, size, 3), **settings)
        found |= {f"{name}: {key}": values for key, values in step(torch, net, size).items()}
    np.savez_compressed(FILE, **found)


if __name__ == "__main__":
    main()
