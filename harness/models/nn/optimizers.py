"""Optimizers over one flat vector of weights, by TensorFlow's fused kernels: one pass over memory for each slot.

Each is Keras' formula with Keras' epsilon, so that a setting means what a Keras user expects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from harness.lazy import tf

EPSILON = 1e-7
Update: TypeAlias = "Callable[[tf.Variable, tf.Tensor, Sequence[tf.Variable], tf.Tensor, tf.Tensor], None]"


@dataclass(frozen=True)
class OptimizerSettings:
    """Hyperparameters besides the rate."""

    name: str
    beta1: float
    beta2: float
    momentum: float


def slot_count(settings: OptimizerSettings) -> int:
    """How many vectors of the weights' size the optimizer keeps."""
    return {"adam": 2, "sgd": 1, "rmsprop": 2}[settings.name]


def update(settings: OptimizerSettings) -> Update:
    """The update (weights, gradient, slots, rate, count), in place; `count` is 1 at the first update."""
    made: Mapping[str, Callable[[OptimizerSettings], Update]] = {
        "adam": _adam,
        "sgd": _sgd,
        "rmsprop": _rmsprop,
    }
    return made[settings.name](settings)


def _adam(settings: OptimizerSettings) -> Update:
    """Adam (Kingma & Ba 2015) in Keras' form, with the bias correction in the rate."""
    beta1, beta2 = settings.beta1, settings.beta2

    def apply(
        weights: tf.Variable, gradient: tf.Tensor, slots: Sequence[tf.Variable], rate: tf.Tensor, count: tf.Tensor
    ) -> None:
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

    return apply


def _sgd(settings: OptimizerSettings) -> Update:
    """Stochastic gradient descent with (heavy-ball) momentum."""

    def apply(
        weights: tf.Variable, gradient: tf.Tensor, slots: Sequence[tf.Variable], rate: tf.Tensor, count: tf.Tensor
    ) -> None:
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=weights.handle, accum=slots[0].handle, lr=rate, grad=gradient, momentum=settings.momentum
        )

    return apply


def _rmsprop(settings: OptimizerSettings) -> Update:
    """RMSprop (Tieleman & Hinton 2012) with `beta2` as its decay, and momentum."""

    def apply(
        weights: tf.Variable, gradient: tf.Tensor, slots: Sequence[tf.Variable], rate: tf.Tensor, count: tf.Tensor
    ) -> None:
        tf.raw_ops.ResourceApplyRMSProp(
            var=weights.handle,
            ms=slots[0].handle,
            mom=slots[1].handle,
            lr=rate,
            rho=settings.beta2,
            momentum=settings.momentum,
            epsilon=EPSILON,
            grad=gradient,
        )

    return apply
