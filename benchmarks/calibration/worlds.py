"""Simulated worlds: what scores of schedules look like where the truth is known."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Setting:
    """A world to draw studies from. Scores have standard deviation 1 (except where noise is heteroscedastic).

    `looks`: numbers of replicates at which the study is judged; a fixed design has one. `effect`: how much lower (better)
    the mean of the last schedule is. `correlation`: of two schedules in one replicate. `divergence`: chance of a run to
    diverge, whatever its schedule.
    """

    schedules: int = 3
    looks: tuple[int, ...] = (10,)
    noise: str = "gaussian"
    divergence: float = 0.0
    correlation: float = 0.4
    effect: float = 0.0
    rope: float = 0.0


NOISE = {
    "gaussian": lambda rng, shape: rng.normal(size=shape),
    "skewed": lambda rng, shape: rng.exponential(size=shape) - 1,  # skewness 2
    "heavy-tailed": lambda rng, shape: rng.standard_t(3, size=shape) / math.sqrt(3),
    "heteroscedastic": lambda rng, shape: rng.normal(size=shape) * np.linspace(1, 3, shape[-1]),
    "heteroscedastic, skewed": lambda rng, shape: (rng.exponential(size=shape) - 1) * np.linspace(1, 3, shape[-1]),
}

# (noise, share of diverging runs, correlation): where nothing differs, each of these is tried
WORLDS = (
    *((noise, 0.0, 0.4) for noise in NOISE),
    ("gaussian", 0.0, 0.0),
    ("gaussian", 0.0, 0.8),
    ("gaussian", 0.1, 0.4),
    ("gaussian", 0.3, 0.4),
    ("skewed", 0.1, 0.4),
    ("skewed", 0.3, 0.8),
)


def scores(setting: Setting, rng: np.random.Generator, studies: int, replicates: int) -> Array:
    """Scores of `studies` comparisons, (studies, replicates, schedules); +inf where a run diverged."""
    shape = (studies, replicates, setting.schedules)
    shared = NOISE[setting.noise.removeprefix("heteroscedastic, ").replace("heteroscedastic", "gaussian")](
        rng, (studies, replicates, 1)
    )
    own = NOISE[setting.noise](rng, shape)
    values = math.sqrt(setting.correlation) * shared + math.sqrt(1 - setting.correlation) * own
    values[..., -1] -= setting.effect
    values[rng.random(shape) < setting.divergence] = np.inf
    return 10.0 + values
