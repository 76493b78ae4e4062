"""Schedule-free AdamW (Defazio et al. 2024, "The Road Less Scheduled", arXiv 2405.15682): averaging in place of decay.

Three vectors: z takes AdamW's steps (without momentum), x is the mean of all z so far, and gradients are taken between
them, at y = (1 - β₁) z + β₁ x. Training differentiates y; what is scored, and what the moving average (EMA) averages,
is x, the sequence that the method returns. As in the authors' code (facebookresearch/schedule_free,
schedulefree/adamw_schedulefree.py; iterates are equal) a step's share in the mean goes by a power of the largest rate
so far, so that a warm-up's first steps count little, and weights decay at y. That code recovers x from y and z; x is
kept here, so that β₁ = 0 (y = z, and x is Polyak's average) can be scored too. x lags behind y where β₁ suits a network
ill (Song et al. 2025, arXiv 2507.09846), and a moving average of it more so: "ema" is there to compare, not to prefer.

Warm-up and rate come from the study's schedule; one that decays still counts its largest rate, as there. Moving
statistics of batch normalisation are gathered where training passes are, at y; for scores they are gathered anew at the
weights that are scored, by 50 passes, as the authors advise (harness.models.training): statistics of y make a DCGAN's
scores worse, most at small β₁. A network that writes its trained weights in its own pass (Keras' spectral normalisation)
writes y, which the next step makes anew from z and x.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from harness.kinds import number
from harness.lazy import tf
from harness.models.nn.optimizer import Optimizer, OptimizerPart, Settings, epsilon, weight_of_past


class ScheduleFree(Optimizer):
    """Its slots: z, the second moment of gradients, x; and (3,): the largest rate, the sum of shares and its rest.

    The sum is kept in two float32 numbers, or a long run's would lose what each step adds.
    """

    slots: ClassVar[int] = 4

    def initial(self, weights: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """z and x begin at the weights."""
        return [weights, np.zeros_like(weights), weights, np.zeros(3, np.float32)]

    def scored(self, weights: tf.Variable, slots: Sequence[tf.Variable]) -> tf.Variable:
        """x."""
        return slots[2]

    def _decay(self, weights: tf.Variable, rate: tf.Tensor, controls: Mapping[str, tf.Tensor]) -> None:
        """Weights decay as a part of the step of z."""

    def _apply(
        self,
        weights: tf.Variable,
        gradient: tf.Tensor,
        slots: Sequence[tf.Variable],
        rate: tf.Tensor,
        count: tf.Tensor,
        controls: Mapping[str, tf.Tensor],
    ) -> None:
        z, square, x, sums = slots
        beta1, beta2 = self._moments.beta1, self._beta2(controls)
        square.assign(beta2 * square + (1.0 - beta2) * tf.square(gradient))
        correction = tf.cast(1.0 - weight_of_past(beta2, count), tf.float32)
        step = gradient / (tf.sqrt(square / correction) + self._settings.epsilon)
        z.assign_sub(rate * (step + self._weight_decay(controls) * weights))
        share = self._share(rate, sums)
        x.assign((1.0 - share) * x + share * z)
        weights.assign((1.0 - beta1) * z + beta1 * x)

    def _share(self, rate: tf.Tensor, sums: tf.Variable) -> tf.Tensor:
        """This step's share in the mean; 0 as long as all rates are 0."""
        largest = tf.maximum(sums[0], rate)
        weight = tf.pow(tf.cast(largest, tf.float64), tf.constant(self._settings.weight_lr_power, tf.float64))
        total = tf.reduce_sum(tf.cast(sums[1:], tf.float64)) + weight
        rounded = tf.cast(total, tf.float32)
        rest = tf.cast(total - tf.cast(rounded, tf.float64), tf.float32)
        sums.assign(tf.stack([largest, rounded, rest]))
        return tf.cast(tf.math.divide_no_nan(weight, total), tf.float32)


@dataclass(frozen=True)
class ScheduleFreeSettings(Settings):
    """What may be set."""

    weight_decay: float = number(
        0.0,
        low=0.0,
        high=1.0,
        text="each update takes this times the rate off each weight, as it is where gradients are taken",
    )
    epsilon: float = epsilon(1e-8, text="added to the root of the second moment, after its bias correction")
    weight_lr_power: float = number(
        2.0, low=0.0, high=4.0, text="a step's share in the average goes by the largest rate so far to this power"
    )


PART = OptimizerPart(
    name="schedule_free",
    help="schedule-free AdamW (Defazio et al. 2024): scores an average of its steps, so needs no decay",
    settings=ScheduleFreeSettings,
    reads=("beta1", "beta2"),
    position=4,
    build=ScheduleFree,
)
