"""A feature network as everything else sees it."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Extractor(Protocol):
    """A feature network: images to features.

    `sha256` (hex) identifies its weights, `dimensions` is the number of features per image.
    """

    name: str
    sha256: str
    dimensions: int

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features (n, d) of uint8 images (n, h, w, c)."""
