"""What the golden training steps begin with: numbers drawn by NumPy alone, for PyTorch's side and for ours."""

import numpy as np

BATCH, LATENT, RATE, BETA2 = 4, 6, 2e-3, 0.9
UPDATES = ("joint", "alternating")
CASES = {  # what a study would say: image side and channels, the network's settings, loss, β₁
    "dcgan": {"side": 16, "channels": 1, "settings": {"width": 4}, "loss": "non_saturating", "beta1": 0.5},
    "sngan_resnet32": {"side": 32, "channels": 3, "settings": {"width": 6}, "loss": "hinge", "beta1": 0.0},
    "wgan_gp_resnet32": {
        "side": 32,
        "channels": 3,
        "settings": {"width": 6, "critic_width": 4},
        "loss": "wasserstein_gp",
        "beta1": 0.0,
    },
}


def weight(seed: int, place: int, shape: tuple[int, ...]) -> np.ndarray:
    """The weight at `place` in our order and of our shape: kernels normal as He et al. (2015), vectors around 0.4."""
    rng = np.random.default_rng([seed, place])
    if len(shape) == 1:
        return rng.uniform(0.2, 0.6, shape).astype(np.float32)
    return (np.sqrt(2.0 / np.prod(shape[:-1])) * rng.standard_normal(shape)).astype(np.float32)


def batch(name: str) -> dict[str, np.ndarray]:
    """Real images in [-1, 1], latents and mixing fractions, two of each: of the first and of the second pass of a step."""
    side, channels = CASES[name]["side"], CASES[name]["channels"]
    rng = np.random.default_rng(sorted(CASES).index(name))
    return {
        "real": rng.uniform(-1.0, 1.0, (2, BATCH, side, side, channels)).astype(np.float32),
        "latents": rng.standard_normal((2, BATCH, LATENT)).astype(np.float32),
        "mixtures": rng.uniform(0.0, 1.0, (2, BATCH)).astype(np.float32),
    }
