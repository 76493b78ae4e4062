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


SHAPES = ((8, 8, 1), (28, 28, 1), (32, 32, 3), (64, 64, 3))
TRACED_LONG = ("unet_adm", "ncsnpp")  # minutes: in their place narrow ones, with each kind of block once


def smallest(network: str = "dcgan", **train: Any) -> Any:
    """The model of a built-in network on the smallest images that it fits, in a plain graph."""
    from harness import kinds
    from harness.doctor.selftest import NARROW
    from harness.spec.models import TrainSpec

    found = kinds.find("network", network, key="network.name")
    shape = next(shape for shape in SHAPES if found.fits(shape) is None)
    settings = TrainSpec(steps=1, batch=4, xla=False, **train)
    narrow = NARROW[network] if network in TRACED_LONG else {}
    return model(network, settings, np.zeros((16, *shape), np.uint8), kind=found.model, **narrow)


def both(rates: np.ndarray) -> dict[str, np.ndarray]:
    """The same rates, float32 (k,), for both networks."""
    return {"generator": rates, "discriminator": rates}
