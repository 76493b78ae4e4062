"""A kind of model of the user's own: an object that says what the networks, their losses and its images are.

The file of `network.name` gives the object (harness.models.keras_network.OwnKind); it is trained as every model is that
descends losses (harness.models.objective).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import kinds
from harness.models.model import ModelPart, PartSettings, TrainSettings
from harness.models.objective import Descent


def build(
    network: PartSettings,
    train: TrainSettings,
    images: NDArray[np.uint8],
    settings: object = None,
    *,
    controls: Sequence[str] = (),
) -> Descent:
    """The model of the object that the file of `network` gives, for training images uint8 (n, h, w, c).

    Raises ValueError, or CodeError naming file and line, for an object that cannot be trained.
    """
    part = kinds.find("network", network.name, key="network.name")
    shape: kinds.Shape = tuple(images.shape[1:])
    objective: Any = part.builder(network.settings, shape)
    if isinstance(objective, dict):
        raise ValueError(
            f"network.name is '{network.name}', which gives networks ({', '.join(objective)}), but model.name is 'own', "
            "which needs an object with networks, losses and sample; leave model.name out to train a GAN"
        )
    return Descent(objective, train=train, images=images, controls=controls)


PART = ModelPart(
    name="own",
    help="a kind of your own: an object in your file with networks, losses and sample (docs/own_code.md)",
    networks=(),
    network="",
    build=build,
)
