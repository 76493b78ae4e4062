"""What DINOv2's golden features begin with: weights and images drawn by NumPy alone, for PyTorch's side and for ours."""

from __future__ import annotations

import zlib

import numpy as np


def weights(shapes, seed):
    """Weights by the state dict's names, of PyTorch's `shapes`: activations keep their order of size, and every part
    of the network matters to the features."""
    made = {}
    for name, shape in shapes.items():
        rng = np.random.Generator(np.random.PCG64([seed, zlib.crc32(name.encode())]))
        drawn = rng.standard_normal(shape, dtype=np.float32)
        if name.endswith("gamma"):
            value = 0.3 + 0.1 * drawn
        elif "norm" in name and name.endswith("weight"):
            value = 1.0 + 0.1 * drawn
        elif name.endswith("bias"):
            value = 0.1 * drawn
        elif name in ("pos_embed", "cls_token"):
            value = 0.5 * drawn
        else:
            value = drawn / np.sqrt(np.prod(shape[1:], dtype=np.float32))
        made[name] = value.astype(np.float32)
    return made


def images(count, height, width, seed):
    """uint8 (n, h, w, 3): coloured waves, and noise of an amplitude that differs from image to image."""
    rng = np.random.Generator(np.random.PCG64(seed))
    rows, columns = np.meshgrid(np.linspace(0, 1, height), np.linspace(0, 1, width), indexing="ij")
    made = np.empty((count, height, width, 3), np.uint8)
    for place in range(count):
        image = np.full((height, width, 3), 127.5) + 40 * rng.standard_normal(3)
        for _ in range(4):
            along, across, phase = rng.uniform(-6, 6), rng.uniform(-6, 6), rng.uniform(0, 6.28)
            wave = np.sin(2 * np.pi * (along * rows + across * columns) + phase)
            image += 45 * wave[..., None] * rng.standard_normal(3)
        image += rng.uniform(0, 25) * rng.standard_normal(image.shape)
        made[place] = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    return made
