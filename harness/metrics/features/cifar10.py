"""A compact network that tells the classes of CIFAR-10, made by `harness features train` of a JPEG copy of its training images.

`--width 20 --epochs 8 --seed 1 --mirror`; its accuracy on the copy's test images stands in the file.
"""

from __future__ import annotations

import importlib.resources

from harness.metrics.extractor import FeaturesPart, squares
from harness.metrics.own import compact_file
from harness.metrics.own.compact_file import Compact


def load() -> Compact:
    """The network with the weights that ship with the package."""
    return compact_file.load(
        "cifar10", importlib.resources.files("harness.metrics").joinpath("weights", "cifar10.npz").read_bytes()
    )


PART = FeaturesPart(
    name="cifar10",
    help="our small classifier of CIFAR-10, 32x32",
    build=load,
    fits=squares(32),
    dimensions=80,
    trained_on="cifar10",
)
