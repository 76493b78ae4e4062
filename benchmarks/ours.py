"""Our adversarial model as a worker builds it, for the benchmarks that drive it by hand."""

from typing import Any

import numpy as np


def model(network: str, train: Any, images: np.ndarray, **settings: Any) -> Any:
    """The model of a built-in pair of networks, for training images uint8 (n, h, w, c); `train` is a TrainSpec."""
    from harness.models.gan.training import build
    from harness.spec.models import NetworkSpec
    from harness.spec.parts import variant

    return build(variant(NetworkSpec, network)(name=network, **settings), train, images)


def both(rates: np.ndarray) -> dict[str, np.ndarray]:
    """The same rates, float32 (k,), for both networks."""
    return {"generator": rates, "discriminator": rates}
