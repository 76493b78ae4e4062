"""RMSprop (Tieleman & Hinton 2012), with `beta2` as its decay, and momentum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from harness.lazy import tf
from harness.models.nn.optimizer import EPSILON, Optimizer, OptimizerPart, Settings


class RootMeanSquare(Optimizer):
    """The gradient divided by the root of its moving mean square, with momentum."""

    slots: ClassVar[int] = 2

    def _apply(
        self, weights: tf.Variable, gradient: tf.Tensor, slots: Sequence[tf.Variable], rate: tf.Tensor, count: tf.Tensor
    ) -> None:
        tf.raw_ops.ResourceApplyRMSProp(
            var=weights.handle,
            ms=slots[0].handle,
            mom=slots[1].handle,
            lr=rate,
            rho=self._moments.beta2,
            momentum=self._moments.momentum,
            epsilon=EPSILON,
            grad=gradient,
        )


PART = OptimizerPart(
    name="rmsprop",
    help="gradients divided by their root mean square (Tieleman & Hinton 2012)",
    settings=Settings,
    reads=("beta2", "momentum"),
    position=3,
    build=RootMeanSquare,
)
