"""Layers made of layers: chains, and sums of branches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.lazy import tf
from harness.models.nn.layers import Call, Layer, Weight, with_weights


@dataclass(frozen=True)
class Chain:
    """Layers one after another; without any, what goes in comes out."""

    layers: tuple[Layer, ...]

    @property
    def per_example(self) -> bool:
        """Whether an example's output depends on no other example of its batch."""
        return all(layer.per_example for layer in self.layers)

    def weights(self) -> Sequence[Weight]:
        return [weight for layer in self.layers for weight in layer.weights()]

    def __call__(self, x: tf.Tensor, weights: Sequence[tf.Tensor], call: Call, first: int) -> tf.Tensor:
        for layer in with_weights(self.layers, weights, call, first):
            x = layer(x)
        return x


@dataclass(frozen=True)
class Sum:
    """The sum of what branches make of the same input, as in residual networks (He et al. 2016)."""

    branches: tuple[Layer, ...]

    @property
    def per_example(self) -> bool:
        """Whether an example's output depends on no other example of its batch."""
        return all(branch.per_example for branch in self.branches)

    def weights(self) -> Sequence[Weight]:
        return [weight for branch in self.branches for weight in branch.weights()]

    def __call__(self, x: tf.Tensor, weights: Sequence[tf.Tensor], call: Call, first: int) -> tf.Tensor:
        return tf.add_n([branch(x) for branch in with_weights(self.branches, weights, call, first)])
