"""Adam (Kingma & Ba 2015), and AdamW (Loshchilov & Hutter 2019), which is Adam with decoupled weight decay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.kinds import number
from harness.lazy import tf
from harness.models.nn.optimizer import EPSILON, Optimizer, OptimizerPart, Settings


class Adam(Optimizer):
    """Adam in Keras' form, with the bias correction in the rate."""

    slots: ClassVar[int] = 2

    def _apply(
        self, weights: tf.Variable, gradient: tf.Tensor, slots: Sequence[tf.Variable], rate: tf.Tensor, count: tf.Tensor
    ) -> None:
        beta1, beta2 = self._moments.beta1, self._moments.beta2
        time = tf.cast(count, tf.float64)
        correction = tf.sqrt(1.0 - tf.pow(tf.constant(beta2, tf.float64), time))
        correction /= 1.0 - tf.pow(tf.constant(beta1, tf.float64), time)
        tf.raw_ops.ResourceApplyAdam(
            var=weights.handle,
            m=slots[0].handle,
            v=slots[1].handle,
            beta1_power=0.0,  # the kernel's own correction is in float32: ours, in float64, is in the rate
            beta2_power=0.0,
            lr=rate * tf.cast(correction, tf.float32),
            beta1=beta1,
            beta2=beta2,
            epsilon=EPSILON,
            grad=gradient,
        )


@dataclass(frozen=True)
class DecaySettings(Settings):
    """What may be set of AdamW."""

    weight_decay: float = number(
        0.004, low=0.0, high=1.0, text="each update first takes this times the rate off each weight (default: Keras')"
    )


PARTS = (
    OptimizerPart(
        name="adam",
        help="adaptive moments (Kingma & Ba 2015)",
        settings=Settings,
        reads=("beta1", "beta2"),
        position=0,
        build=Adam,
    ),
    OptimizerPart(
        name="adamw",
        help="Adam with decoupled weight decay (Loshchilov & Hutter 2019)",
        settings=DecaySettings,
        reads=("beta1", "beta2"),
        position=1,
        build=Adam,
    ),
)
