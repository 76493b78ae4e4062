"""What a penalty on the discriminator's slopes is, and the sum of those of a study."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from harness import kinds
from harness.kinds import number
from harness.lazy import tf
from harness.models.gan.loss import Critic, Loss
from harness.models.model import PartSettings
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


@dataclass(frozen=True)
class Penalised:
    """A loss with a penalty of its own, which belongs to it at every update."""

    loss: Loss
    own: Penalty

    @property
    def per_example(self) -> bool:
        return self.loss.per_example or self.own.per_example

    @property
    def pairs(self) -> bool:
        return self.loss.pairs

    def discriminator(self, real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
        return self.loss.discriminator(real, fake)

    def generator(self, real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
        return self.loss.generator(real, fake)

    def penalty(self, critic: Critic, real: tf.Tensor, fake: tf.Tensor, draw: Draw) -> tf.Tensor:
        return self.own(critic, real, fake, draw)


@dataclass(frozen=True)
class Penalties:
    """All penalties of a study, each with its `every`."""

    each: tuple[tuple[Penalty, int], ...]

    @classmethod
    def of(cls, chosen: Iterable[PartSettings]) -> Penalties:
        """Build what a study's train.penalties names."""
        return cls(
            tuple(
                # settings of a part that has none cannot say that it is to be added more seldom
                (
                    kinds.find("penalty", one.name, key="train.penalties").builder(one.settings),
                    getattr(one.settings, "every", 1),
                )
                for one in chosen
            )
        )

    @property
    def per_example(self) -> bool:
        """Whether one of them is right only with a discriminator that looks at each image by itself."""
        return any(penalty.per_example for penalty, _ in self.each)

    def __call__(
        self,
        critic: Critic,
        real: tf.Tensor,
        fake: tf.Tensor,
        draw: Draw,
        *,
        count: tf.Tensor,
        factor: tf.Tensor | float = 1.0,
    ) -> tf.Tensor | None:
        """Their sum at the discriminator's update number `count`, float32 scalar; None if there are none.

        `count` is int64, 1 at the first update. A penalty of every k-th update is added k times when `count` is a multiple
        of k, so that its mean over updates is that of the penalty, and costs nothing otherwise. `factor`, float32 scalar,
        multiplies the sum. Each penalty has draws of its own, whatever the others are given.
        """
        terms = [
            _lazily(every, count, partial(penalty, critic, real, fake, draw.apart(index)))
            for index, (penalty, every) in enumerate(self.each)
        ]
        if not terms:
            return None
        total = terms[0] if len(terms) == 1 else tf.add_n(terms)
        return total if isinstance(factor, float) and factor == 1.0 else factor * total


def _lazily(every: int, count: tf.Tensor, value: Callable[[], tf.Tensor]) -> tf.Tensor:
    """`every` times the value where `count` is a multiple of it, else 0 without computing the value."""
    if every == 1:
        return value()
    return tf.cond(tf.equal(count % every, 0), lambda: every * value(), lambda: tf.zeros(()))
