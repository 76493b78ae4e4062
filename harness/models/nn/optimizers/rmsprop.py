"""RMSprop (Tieleman & Hinton 2012), with `beta2` as its decay, and momentum.

Keras' form: epsilon is added to the mean square, under the root; PyTorch adds it to the root. The velocity takes in the
rate, so that a rate that changes leaves earlier steps' share as it was; PyTorch multiplies the whole velocity by the
present rate. At a constant rate, and where gradients are far above epsilon, both are the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.lazy import tf
from harness.models.nn.optimizer import Optimizer, OptimizerPart, Settings, epsilon


class RootMeanSquare(Optimizer):
    """The gradient divided by the root of its moving mean square, with momentum."""

    slots: ClassVar[int] = 2

    def _apply(
        self,
        weights: tf.Variable,
        gradient: tf.Tensor,
        slots: Sequence[tf.Variable],
        rate: tf.Tensor,
        count: tf.Tensor,
        controls: Mapping[str, tf.Tensor],
    ) -> None:
        tf.raw_ops.ResourceApplyRMSProp(
            var=weights.handle,
            ms=slots[0].handle,
            mom=slots[1].handle,
            lr=rate,
            rho=self._beta2(controls),
            momentum=self._moments.momentum,
            epsilon=self._settings.epsilon,
            grad=gradient,
        )


@dataclass(frozen=True)
class RootMeanSquareSettings(Settings):
    """What may be set of RMSprop."""

    epsilon: float = epsilon(text="added to the mean square, under the root (Keras': 1e-7)")


PART = OptimizerPart(
    name="rmsprop",
    help="gradients divided by their root mean square (Tieleman & Hinton 2012)",
    settings=RootMeanSquareSettings,
    reads=("beta2", "momentum"),
    position=3,
    build=RootMeanSquare,
)
