"""What is known of the feature networks without loading one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Network:
    """How many features an image has, and which sizes (height = width, in pixels) are taken; none named: any."""

    dimensions: int
    sides: tuple[int, ...] = ()


NETWORKS: Mapping[str, Network] = {
    "inception": Network(2048),
    "digits": Network(64, (8,)),
    "fashion_mnist": Network(96, (28, 32)),
}
