"""Make flow_step.npz: one training step of a flow in PyTorch, in float64. Needs torch; the suite does not.

    python tests/models/golden/make_flow_step.py

For each network of NETWORKS, from weights, images, noise and times that the suite draws again: the loss, and for every
weight in order its gradient (at most 60 values of it, and its norm) and its values after one update of AdamW.
"""

import math
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


# --- the networks ----------------------------------------------------------------------------------------------------


def small_unet(torch, width, size):
    """The package's `unet` on 8 pixels: one halving."""
    nn, functional = torch.nn, torch.nn.functional

    class Block(nn.Module):
        def __init__(self, inputs, outputs):
            super().__init__()
            self.before = nn.Sequential(norm(inputs), nn.SiLU(), nn.Conv2d(inputs, outputs, 3, padding=1))
            self.time = nn.Linear(4 * width, outputs)
            self.after = nn.Sequential(nn.SiLU(), nn.Conv2d(outputs, outputs, 3, padding=1))
            self.past = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

        def forward(self, x, time):
            return self.after(self.before(x) + self.time(time)[:, :, None, None]) + self.past(x)

    def norm(channels):
        return nn.GroupNorm(math.gcd(channels, 4), channels)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.time = nn.Sequential(nn.Linear(16, 4 * width), nn.SiLU(), nn.Linear(4 * width, 4 * width), nn.SiLU())
            self.first = nn.Conv2d(3, width, 3, padding=1)
            self.down = Block(width, width)
            self.halved = nn.Conv2d(width, 2 * width, 3, stride=2)
            self.doubled = nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1)
            self.up = Block(2 * width, width)
            self.middle = Block(2 * width, 2 * width)
            self.out = nn.Sequential(norm(width), nn.SiLU(), nn.Conv2d(width, 3, 3, padding=1))

        def forward(self, x, time):
            angles = time * torch.tensor(np.geomspace(1.0, 100.0, 8))
            time = self.time(torch.cat([torch.sin(angles), torch.cos(angles)], 1))
            kept = self.down(self.first(x), time)
            inner = self.middle(self.halved(functional.pad(kept, (0, 1, 0, 1))), time)
            return self.out(self.up(torch.cat([self.doubled(inner), kept], 1), time))

    return Net()


def adm_unet(torch, settings, size):
    """ADM's U-Net as in facebookresearch/flow_matching, examples/image/models/unet.py, without dropout."""
    nn, functional = torch.nn, torch.nn.functional
    width, blocks, heads = settings["width"], settings["blocks"], settings.get("heads", 1)
    widths = [int(each) * width for each in settings.get("multipliers", "2,2,2").split(",")]
    scales, learned = settings.get("modulation") != "shift", settings.get("resample") == "learned"

    def norm(channels):
        return nn.GroupNorm(math.gcd(channels, 32), channels)

    class Block(nn.Module):
        def __init__(self, inputs, outputs):
            super().__init__()
            self.before = nn.Sequential(norm(inputs), nn.SiLU(), nn.Conv2d(inputs, outputs, 3, padding=1))
            self.time = nn.Sequential(nn.SiLU(), nn.Linear(4 * width, outputs * (2 if scales else 1)))
            self.norm = norm(outputs)
            self.after = nn.Sequential(nn.SiLU(), nn.Conv2d(outputs, outputs, 3, padding=1))
            self.past = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

        def forward(self, x, time):
            inner, timed = self.before(x), self.time(time)[:, :, None, None]
            if scales:
                scale, shift = timed.chunk(2, 1)
                inner = self.norm(inner) * (1 + scale) + shift
            else:
                inner = self.norm(inner + timed)
            return self.past(x) + self.after(inner)

    class Attention(nn.Module):
        def __init__(self, channels):
            super().__init__()
            self.norm, self.project = norm(channels), nn.Conv1d(channels, 3 * channels, 1)
            self.last = nn.Conv1d(channels, channels, 1)

        def forward(self, x, time):
            flat = x.flatten(2)
            parts = self.project(self.norm(flat)).unflatten(1, (3, heads, -1)).transpose(-1, -2)
            seen = functional.scaled_dot_product_attention(*parts.unbind(1))
            return x + self.last(seen.transpose(-1, -2).flatten(1, 2)).view_as(x)

    class Resample(nn.Module):
        def __init__(self, channels, up):
            super().__init__()
            self.up, self.convolution = up, None
            if learned:
                self.convolution = nn.Conv2d(channels, channels, 3, stride=1 if up else 2, padding=1)

        def forward(self, x, time):
            x = functional.interpolate(x, scale_factor=2, mode="nearest") if self.up else x
            if self.convolution is not None:
                return self.convolution(x)
            return x if self.up else functional.avg_pool2d(x, 2)

    class First(nn.Conv2d):
        def forward(self, x, time):
            return super().forward(x)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.time = nn.Sequential(nn.Linear(width, 4 * width), nn.SiLU(), nn.Linear(4 * width, 4 * width))
            current = widths[0]
            down, up, kept = [[First(3, current, 3, padding=1)]], [], [current]
            for level, outputs in enumerate(widths):
                for _ in range(blocks):
                    attention = [Attention(outputs)] if size >> level == settings["attention"] else []
                    down.append([Block(current, outputs), *attention])
                    current = outputs
                    kept.append(current)
                if level < len(widths) - 1:
                    down.append([Resample(current, False)])
                    kept.append(current)
            middle = [Block(current, current), Attention(current), Block(current, current)]
            for level in reversed(range(len(widths))):
                for index in range(blocks + 1):
                    attention = [Attention(widths[level])] if size >> level == settings["attention"] else []
                    up.append([Block(current + kept.pop(), widths[level]), *attention])
                    current = widths[level]
                    if level and index == blocks:
                        up[-1].append(Resample(current, True))
            self.down = nn.ModuleList(nn.ModuleList(stage) for stage in down)
            self.middle = nn.ModuleList(middle)
            self.up = nn.ModuleList(nn.ModuleList(stage) for stage in up)
            self.out = nn.Sequential(norm(current), nn.SiLU(), nn.Conv2d(current, 3, 3, padding=1))

        def forward(self, x, time):
            half = width // 2
            angles = time * torch.exp(-math.log(10_000) * torch.arange(half) / half)
            time = self.time(torch.cat([torch.cos(angles), torch.sin(angles)], 1))
            kept = []
            for stage in self.down:
                x = through(stage, x, time)
                kept.append(x)
            x = through(self.middle, x, time)
            for stage in self.up:
                x = through(stage, torch.cat([x, kept.pop()], 1), time)
            return self.out(x)

    def through(stage, x, time):
        for layer in stage:
            x = layer(x, time)
        return x

    return Net()


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

    torch.set_default_dtype(torch.float64)
    found = {}
    for name, (settings, size) in NETWORKS.items():
        net = small_unet(torch, settings["width"], size) if name == "unet" else adm_unet(torch, settings, size)
        found |= {f"{name}: {key}": values for key, values in step(torch, net, size).items()}
    np.savez_compressed(FILE, **found)


if __name__ == "__main__":
    main()
