"""Noise and detail of images: the article's claim, measured on pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def grey(images: NDArray[np.uint8]) -> Array:
    """uint8 (n, h, w, c) as float64 luma (n, h, w) in [0, 255]; raises ValueError on anything else."""
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or images.dtype != np.uint8:
        raise ValueError(f"images are {images.dtype} {images.shape}, but allowed is uint8 (n, h, w, 1 or 3)")
    if min(images.shape[:3]) < 1:
        raise ValueError(f"images are {images.shape}, but at least one is needed")
    values = images.astype(np.float64)
    return values[..., 0] if images.shape[-1] == 1 else values @ np.array([0.299, 0.587, 0.114])


def noise_level(images: NDArray[np.uint8]) -> float:
    """Mean estimated standard deviation of pixel noise, in grey levels (Immerkær 1996).

    The mask is the difference of two Laplacians: it takes out planes and straight edges and leaves noise. Fine texture
    counts as noise too, so the level means something only beside that of real images. Needs 3 pixels per side.
    """
    values = grey(images)
    height, width = values.shape[1:]
    if height < 3 or width < 3:
        raise ValueError(f"images have {height}x{width} pixels, but the noise level needs at least 3x3")
    rows = values[:, :-2] - 2.0 * values[:, 1:-1] + values[:, 2:]
    mask = rows[:, :, :-2] - 2.0 * rows[:, :, 1:-1] + rows[:, :, 2:]
    level = np.abs(mask).mean(axis=(1, 2)) * math.sqrt(math.pi / 2.0) / 6.0
    return float(level.mean())


def radial_spectrum(images: NDArray[np.uint8]) -> Array:
    """Mean power by radial frequency 0 … ⌊min(h, w)/2⌋ cycles per image, of mean-free Hann-windowed images."""
    values = grey(images)
    height, width = values.shape[1:]
    window = np.outer(_hann(height), _hann(width))
    centred = (values - values.mean(axis=(1, 2), keepdims=True)) * window
    power = np.square(np.abs(np.fft.fft2(centred))).mean(axis=0)
    shortest = min(height, width)
    vertical = np.fft.fftfreq(height)[:, None] * shortest
    horizontal = np.fft.fftfreq(width)[None, :] * shortest
    radius = np.round(np.hypot(vertical, horizontal)).astype(int)
    kept = radius <= shortest // 2
    sums = np.bincount(radius[kept], weights=power[kept], minlength=shortest // 2 + 1)
    counts = np.bincount(radius[kept], minlength=shortest // 2 + 1)
    return np.asarray(sums / np.maximum(counts, 1))


def _hann(size: int) -> Array:
    """Hann window without zeros at its ends, so that no pixel is thrown away in small images."""
    return np.asarray(np.hanning(size + 2)[1:-1])


def high_frequency_share(images: NDArray[np.uint8]) -> float:
    """Share of the spectrum's power (summed over frequencies in the plane) above half the highest radial frequency.

    0 for images without any structure.
    """
    return _upper_share(radial_spectrum(images))


def _upper_share(spectrum: Array) -> float:
    radii = np.arange(len(spectrum))
    weights = np.maximum(radii, 1.0)  # a ring's area grows with its radius
    power = spectrum * weights
    total = float(power[1:].sum())
    return float(power[radii > (len(spectrum) - 1) / 2].sum()) / total if total > 0 else 0.0


_PIXELS_TOGETHER = 2**18


@dataclass
class PixelSums:
    """Noise level and high-frequency share of images of one size that come one at a time; few are kept meanwhile."""

    count: int = 0
    _noise: float = 0.0
    _spectrum: Array = field(default_factory=lambda: np.zeros(1))
    _waiting: list[NDArray[np.uint8]] = field(default_factory=list)

    def add(self, image: NDArray[np.uint8]) -> None:
        """Take in one image (h, w, c) of at least 3 pixels per side."""
        if self._waiting and self._waiting[0].shape != image.shape:
            self._flush()
        self._waiting.append(image)
        if len(self._waiting) * image.shape[0] * image.shape[1] >= _PIXELS_TOGETHER:
            self._flush()

    def _flush(self) -> None:
        images = np.stack(self._waiting)
        self._waiting = []
        self.count += len(images)
        self._noise += noise_level(images) * len(images)
        self._spectrum = self._spectrum + radial_spectrum(images) * len(images)

    @property
    def noise_level(self) -> float:
        """As `noise_level` of all images together."""
        if self._waiting:
            self._flush()
        return self._noise / self.count

    @property
    def high_frequency_share(self) -> float:
        """As `high_frequency_share` of all images together."""
        if self._waiting:
            self._flush()
        return _upper_share(self._spectrum / self.count)
