"""Layers made of layers: chains, sums of branches, and networks whose layers have names."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from harness.lazy import tf
from harness.models.nn.layers import Call, Called, Layer, Weight, with_weights


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


class Composed(ABC):
    """A layer made of others, whose weights it has in their order; each example by itself."""

    per_example: ClassVar[bool] = True

    @property
    @abstractmethod
    def layers(self) -> tuple[Layer, ...]:
        """The layers that it is made of."""

    def weights(self) -> list[Weight]:
        """All weights in order."""
        return [weight for layer in self.layers for weight in layer.weights()]

    def called(self, weights: Sequence[tf.Tensor], call: Call, first: int) -> Iterator[Called]:
        """Its layers as functions of their inputs."""
        return with_weights(self.layers, weights, call, first)


class Layered:
    """A network whose layers have names: for those that are more than one layer after another."""

    def __init__(self, layers: dict[str, Layer]) -> None:
        """With the layers in the order of their weights."""
        self._layers = layers

    @property
    def per_example(self) -> bool:
        """Whether an example's output depends on no other example of its batch."""
        return all(layer.per_example for layer in self._layers.values())

    def weights(self) -> list[Weight]:
        """All weights in order."""
        return [weight for layer in self._layers.values() for weight in layer.weights()]

    def initial(self, rng: np.random.Generator) -> list[NDArray[np.float32]]:
        """Initial values of all weights, drawn one after another."""
        return [weight.initial(rng, weight.shape) for weight in self.weights()]

    def called(self, weights: Sequence[tf.Tensor], call: Call) -> dict[str, Called]:
        """The layers by name as functions of their inputs, in one pass with these weights."""
        called = with_weights(tuple(self._layers.values()), weights, call)
        return dict(zip(self._layers, called, strict=True))
