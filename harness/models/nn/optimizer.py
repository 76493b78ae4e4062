"""Optimizers over one flat vector of weights, by TensorFlow's fused kernels: one pass over memory for each slot.

Each is Keras' formula with Keras' epsilon unless its settings say otherwise, so that a setting means what a Keras user
expects.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from harness.kinds import Part, number
from harness.lazy import tf

EPSILON = 1e-7


class Moments(Protocol):
    """What optimizers read of a study's [train]."""

    @property
    def beta1(self) -> float: ...
    @property
    def beta2(self) -> float: ...
    @property
    def momentum(self) -> float: ...


@dataclass(frozen=True)
class Settings:
    """What may be set of every optimizer."""

    weight_decay: float = number(
        0.0,
        low=0.0,
        high=1.0,
        text="decoupled weight decay (Loshchilov & Hutter 2019): each update first takes this times the rate off each weight",
    )
    clip_norm: float = number(
        0.0, low=0.0, high=1e6, text="largest norm of a network's gradient, which is scaled down to it; 0: none"
    )


def epsilon(default: float = EPSILON, *, text: str) -> Any:
    """The setting that keeps a division by a moment from a division by zero; above 0, so that padding stays 0."""
    return number(default, low=1e-15, high=1.0, text=text, later=True)


class Optimizer(ABC):
    """An update of a vector of weights in place. `slots` is how many vectors it keeps."""

    slots: ClassVar[int]

    def __init__(self, settings: Any, moments: Moments) -> None:
        """With the optimizer's own settings, and the decays of its moments."""
        self._settings, self._moments = settings, moments

    def initial(self, weights: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """The slots before the first update of `weights` (n,): zeros (n,), unless an optimizer has others."""
        return [np.zeros_like(weights) for _ in range(self.slots)]

    def scored(self, weights: tf.Variable, slots: Sequence[tf.Variable]) -> tf.Variable:
        """Where the weights (n,) lie that images are made and averages taken of: those trained, or a slot."""
        return weights

    def update(
        self,
        weights: tf.Variable,
        gradient: tf.Tensor,
        slots: Sequence[tf.Variable],
        rate: tf.Tensor,
        count: tf.Tensor,
        controls: Mapping[str, tf.Tensor] = MappingProxyType({}),
    ) -> None:
        """Update `weights` (n,) by the `gradient` of their loss; `count` is 1 at the first update.

        `controls` hold this step's beta2 or weight decay, float32 scalars, where they change from step to step. Weights
        that are 0 and have no gradient, as those of padding, stay 0.
        """
        if self._settings.clip_norm:
            gradient = tf.clip_by_norm(gradient, self._settings.clip_norm)
        self._decay(weights, rate, controls)
        self._apply(weights, gradient, slots, rate, count, controls)

    def _decay(self, weights: tf.Variable, rate: tf.Tensor, controls: Mapping[str, tf.Tensor]) -> None:
        """Take decoupled weight decay off, before the update."""
        if "weight_decay" in controls or self._settings.weight_decay:
            tf.raw_ops.ResourceApplyGradientDescent(
                var=weights.handle, alpha=rate * self._weight_decay(controls), delta=weights.value()
            )

    @abstractmethod
    def _apply(
        self,
        weights: tf.Variable,
        gradient: tf.Tensor,
        slots: Sequence[tf.Variable],
        rate: tf.Tensor,
        count: tf.Tensor,
        controls: Mapping[str, tf.Tensor],
    ) -> None:
        """The update without weight decay, by the clipped gradient."""

    def _weight_decay(self, controls: Mapping[str, tf.Tensor]) -> Any:
        """This step's: a number, or a float32 scalar."""
        return controls.get("weight_decay", self._settings.weight_decay)

    def _beta2(self, controls: Mapping[str, tf.Tensor]) -> Any:
        """This step's: a number, or a float32 scalar."""
        return controls.get("beta2", self._moments.beta2)


def weight_of_past(beta: Any, count: tf.Tensor) -> tf.Tensor:
    """β^t, float64: what a mean with decay β (a number or a scalar) owes to its start at 0 after `count` updates."""
    exact = tf.cast(beta, tf.float64) if tf.is_tensor(beta) else tf.constant(beta, tf.float64)
    return tf.pow(exact, tf.cast(count, tf.float64))


@dataclass(frozen=True, kw_only=True)
class OptimizerPart(Part):
    """An optimizer. `build` takes (settings, moments) and returns an Optimizer; `reads` are the keys of [train] it reads."""

    role: ClassVar[str] = "optimizer"
    reads: tuple[str, ...] = ()
