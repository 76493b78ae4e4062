"""Our model as a worker builds it, for the benchmarks that drive it by hand."""

from typing import Any

import numpy as np


def model(network: str, train: Any, images: np.ndarray, *, kind: str = "gan", **settings: Any) -> Any:
    """The model of built-in networks, for training images uint8 (n, h, w, c); `train` is a TrainSpec, `kind` the model's."""
    from harness import kinds
    from harness.spec.models import NetworkSpec
    from harness.spec.parts import variant

    part = kinds.find("model", kind, key="model.name")
    return part.builder(variant(NetworkSpec, network)(name=network, **settings), train, images, part.set({}))


def both(rates: np.ndarray) -> dict[str, np.ndarray]:
    """The same rates, float32 (k,), for both networks."""
    return {"generator": rates, "discriminator": rates}
