"""Diffusion in few large steps, and the way back (Xiao, Kreis & Vahdat 2022, their section 3.1 and appendix A)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.lazy import tf

_BEGINNING = 1e-3  # of the continuous time, whose end is 1


class Diffusion:
    """Images x₀ that become noise in T steps: x_{t+1} = √(1 - β_t) · x_t + √β_t · noise, t = 0 to T - 1.

    The variances β discretise the variance-preserving diffusion of Song et al. (2021), whose rate rises linearly from
    `beta_min` to `beta_max`, at equal times, as NVlabs/denoising-diffusion-gan, train_ddgan.py does. Images and noise
    are float32 (n, h, w, c), times int32 (n,).
    """

    def __init__(self, *, steps: int, beta_min: float, beta_max: float) -> None:
        self.steps = steps
        time = _BEGINNING + (1.0 - _BEGINNING) * np.arange(steps + 1) / steps
        remaining = np.exp(-0.5 * time**2 * (beta_max - beta_min) - time * beta_min)
        variance = 1.0 - remaining[1:] / remaining[:-1]
        share = np.concatenate([[1.0], np.cumprod(1.0 - variance)])  # of an image's variance that is left in x_0 … x_T
        before, gone = 1.0 - share[:-1], 1.0 - share[1:]  # noise in x_t and in x_{t+1}
        self.variance: NDArray[np.float64] = variance
        self._kept, self._noise = np.sqrt(share), np.sqrt(1.0 - share)
        self._step_kept, self._step_noise = np.sqrt(1.0 - variance), np.sqrt(variance)
        self._of_image = variance * np.sqrt(share[:-1]) / gone
        self._of_point = before * np.sqrt(1.0 - variance) / gone
        self._spread = np.sqrt(variance * before / gone)

    def pair(self, images: tf.Tensor, time: tf.Tensor, noises: tuple[tf.Tensor, tf.Tensor]) -> tuple[Any, Any]:
        """The images `time` steps on, x_t, and one step further, x_{t+1}."""
        first, second = noises
        point = _at(self._kept, time) * images + _at(self._noise, time) * first
        return point, _at(self._step_kept, time) * point + _at(self._step_noise, time) * second

    def back(self, images: tf.Tensor, point: tf.Tensor, time: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        """A draw of x_t given x₀ = `images` and x_{t+1} = `point`: normal, with the mean and variance of Ho et al. (2020).

        At time 0 it is `images`, without noise.
        """
        mean = _at(self._of_image, time) * images + _at(self._of_point, time) * point
        return mean + _at(self._spread, time) * noise


def _at(values: NDArray[np.float64], time: tf.Tensor) -> tf.Tensor:
    """Those of `values` at the times of a batch, float32 (n, 1, 1, 1)."""
    return tf.reshape(tf.gather(tf.constant(values, tf.float32), time), (-1, 1, 1, 1))
