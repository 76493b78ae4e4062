"""Optimizers over one flat vector of weights: a few operations an update instead of a few for each weight.

Each is Keras' formula with Keras' epsilon, so that a setting means what a Keras user expects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import tensorflow as tf

EPSILON = 1e-7
Slots = tuple[tf.Tensor, ...]
Update = Callable[[tf.Tensor, tf.Tensor, Slots, tf.Tensor, tf.Tensor], tuple[tf.Tensor, Slots]]


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
    """The update (weights, gradient, slots, rate, count) -> (weights, slots); `count` is 1 at the first update."""
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
        weights: tf.Tensor, gradient: tf.Tensor, slots: Slots, rate: tf.Tensor, count: tf.Tensor
    ) -> tuple[tf.Tensor, Slots]:
        first, second = slots
        time = tf.cast(count, tf.float64)
        correction = tf.sqrt(1.0 - tf.pow(tf.constant(beta2, tf.float64), time))
        correction /= 1.0 - tf.pow(tf.constant(beta1, tf.float64), time)
        step = rate * tf.cast(correction, tf.float32)
        first += (gradient - first) * (1.0 - beta1)
        second += (tf.square(gradient) - second) * (1.0 - beta2)
        return weights - step * first / (tf.sqrt(second) + EPSILON), (first, second)

    return apply


def _sgd(settings: OptimizerSettings) -> Update:
    """Stochastic gradient descent with (heavy-ball) momentum."""

    def apply(
        weights: tf.Tensor, gradient: tf.Tensor, slots: Slots, rate: tf.Tensor, count: tf.Tensor
    ) -> tuple[tf.Tensor, Slots]:
        velocity = slots[0] * settings.momentum - rate * gradient
        return weights + velocity, (velocity,)

    return apply


def _rmsprop(settings: OptimizerSettings) -> Update:
    """RMSprop (Tieleman & Hinton 2012) with `beta2` as its decay, and momentum."""

    def apply(
        weights: tf.Tensor, gradient: tf.Tensor, slots: Slots, rate: tf.Tensor, count: tf.Tensor
    ) -> tuple[tf.Tensor, Slots]:
        second, velocity = slots
        second = settings.beta2 * second + (1.0 - settings.beta2) * tf.square(gradient)
        step = rate * gradient / tf.sqrt(second + EPSILON)
        velocity = settings.momentum * velocity + step
        return weights - velocity, (second, velocity)

    return apply
