"""Optimizers over one flat vector of weights, by TensorFlow's fused kernels: one pass over memory for each slot.

Each is Keras' formula with Keras' epsilon, so that a setting means what a Keras user expects.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Protocol

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


class Optimizer(ABC):
    """An update of a vector of weights in place. `slots` is how many vectors of the weights' size it keeps."""

    slots: ClassVar[int]

    def __init__(self, settings: Any, moments: Moments) -> None:
        """With the optimizer's own settings, and the decays of its moments."""
        self._settings, self._moments = settings, moments

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

        `controls` hold this step's beta2 or weight decay where they change from step to step.
        """
        if self._settings.clip_norm:
            gradient = tf.clip_by_norm(gradient, self._settings.clip_norm)
        if self._settings.weight_decay:
            tf.raw_ops.ResourceApplyGradientDescent(
                var=weights.handle, alpha=rate * self._settings.weight_decay, delta=weights.value()
            )
        self._apply(weights, gradient, slots, rate, count)

    @abstractmethod
    def _apply(
        self, weights: tf.Variable, gradient: tf.Tensor, slots: Sequence[tf.Variable], rate: tf.Tensor, count: tf.Tensor
    ) -> None:
        """The update without weight decay, by the clipped gradient."""


@dataclass(frozen=True, kw_only=True)
class OptimizerPart(Part):
    """An optimizer. `build` takes (settings, moments) and returns an Optimizer; `reads` are the keys of [train] it reads."""

    role: ClassVar[str] = "optimizer"
    reads: tuple[str, ...] = ()
