"""Stochastic gradient descent with (heavy-ball) momentum.

Keras' form: the velocity takes in the rate, so that a rate that changes leaves earlier steps' share as it was. PyTorch
multiplies the whole velocity by the present rate; at a constant rate both are the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from harness.lazy import tf
from harness.models.nn.optimizer import Optimizer, OptimizerPart, Settings


class GradientDescent(Optimizer):
    """The velocity is momentum times itself minus rate times the gradient; weights move by it."""

    slots: ClassVar[int] = 1

    def _apply(
        self,
        weights: tf.Variable,
        gradient: tf.Tensor,
        slots: Sequence[tf.Variable],
        rate: tf.Tensor,
        count: tf.Tensor,
        controls: Mapping[str, tf.Tensor],
    ) -> None:
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=weights.handle, accum=slots[0].handle, lr=rate, grad=gradient, momentum=self._moments.momentum
        )


PART = OptimizerPart(
    name="sgd",
    help="stochastic gradient descent with momentum",
    settings=Settings,
    reads=("momentum",),
    position=2,
    build=GradientDescent,
)
