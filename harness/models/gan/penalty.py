"""What a penalty on the discriminator's slopes is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from harness.kinds import number
from harness.lazy import tf
from harness.models.gan.loss import Critic
from harness.models.nn.draws import Draw


@dataclass(frozen=True)
class Settings:
    """What may be set of every penalty."""

    every: int = number(
        1,
        low=1,
        high=1000,
        text="added at every this many updates of the discriminator, with this many times its weight (Karras et al. 2020)",
    )


class Penalty(Protocol):
    """A term of the discriminator's loss besides that of its logits.

    `per_example` says that it is right only with a discriminator that looks at each image by itself.
    """

    per_example: bool

    def __call__(self, critic: Critic, real: tf.Tensor, fake: tf.Tensor, draw: Draw) -> tf.Tensor:
        """Its value, float32 scalar, its weight included, without `every`.

        `critic` maps images (n, h, w, c) to logits float32 (n,) by the discriminator as it is now; `real` and `fake` are
        images in [-1, 1], as they are before augmentation; no gradient for `fake` goes through the penalty.
        """
