"""Models whose networks descend losses that a small object declares: all kinds but those with a step of their own.

An `Objective` says which networks there are, what their losses are on a batch of images, and how images are made. It runs
in the same compiled loop as every model (harness.models.training).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from harness.lazy import tf
from harness.models.model import TrainSettings
from harness.models.nn import draws
from harness.models.nn.draws import Draw
from harness.models.nn.layers import Call, Module, joined
from harness.models.nn.packing import Packing
from harness.models.training import Training

Nets: TypeAlias = "Mapping[str, Callable[..., tf.Tensor]]"  # networks by name, with the weights of this step
_PASS, _NETWORK = 2**40, 2**48  # between the seeds of passes and of networks: beyond all steps and their draws


class Objective(Protocol):
    """What a kind of model is, besides its networks.

    `losses` names what `loss` returns. A network descends the loss of its own name; networks without one descend the sum
    of all losses that are of no network. `sampled` names the networks that make images; their average is kept.
    """

    @property
    def losses(self) -> tuple[str, ...]: ...
    @property
    def sampled(self) -> tuple[str, ...]: ...
    @property
    def latent(self) -> int: ...

    def networks(self) -> Mapping[str, Module]:
        """The networks by name."""

    def loss(self, nets: Nets, images: tf.Tensor, draw: Draw) -> Mapping[str, tf.Tensor]:
        """The losses, scalars by name, on `images` (n, h, w, c) in [-1, 1]; all randomness comes from `draw`."""

    def sample(self, nets: Nets, latents: tf.Tensor) -> tf.Tensor:
        """Images in [-1, 1] of standard normal `latents` (n, latent); nothing here is random."""


class Descent(Training):
    """Training of an `Objective`."""

    def __init__(
        self,
        objective: Objective,
        *,
        train: TrainSettings,
        images: NDArray[np.uint8],
        controls: Sequence[str] = (),
        autograph: bool = True,
    ) -> None:
        """For training images uint8 (n, h, w, c); ValueError if a network has no loss to descend."""
        networks = objective.networks()
        super().__init__(
            networks,
            losses=objective.losses,
            averaged=objective.sampled,
            latent=objective.latent,
            train=train,
            images=images,
            controls=controls,
            autograph=autograph,
        )
        self._objective = objective
        sharing = tuple(name for name in networks if name not in objective.losses)
        shared = tuple(name for name in objective.losses if name not in networks)
        if sharing and not shared:
            raise ValueError(f"network '{sharing[0]}' has no loss to descend: losses are {', '.join(objective.losses)}")
        # Networks by the losses whose sum they descend: one pass back serves all that share a sum.
        self._descents: dict[tuple[str, ...], tuple[str, ...]]
        self._descents = {(name,): (name,) for name in networks if name in objective.losses}
        if sharing:
            self._descents[sharing] = shared

    def _step(
        self, step: tf.Tensor, rates: Mapping[str, tf.Tensor], controls: Mapping[str, tf.Tensor]
    ) -> Sequence[tf.Tensor]:
        images = self._real(step, 0)
        vectors = {name: self._read(name) for name in self.networks}
        with tf.GradientTape(persistent=len(self._descents) > 1) as tape:
            tape.watch([trained for trained, _ in vectors.values()])
            passes = {name: self._passes(name, vectors[name], step) for name in self.networks}
            draw = Draw(draws.seed_at(self._seeds, draws.LATENTS, step))
            found = self._objective.loss({name: each.forward for name, each in passes.items()}, images, draw)
            losses = {name: tf.cast(found[name], tf.float32) for name in self.losses}
            sums = [self._scale * tf.add_n([losses[name] for name in terms]) for terms in self._descents.values()]
        gradients: dict[str, tf.Tensor] = {}
        for names, descended in zip(self._descents, sums, strict=True):
            slopes = tape.gradient(descended, [vectors[name][0] for name in names])
            gradients |= zip(names, slopes, strict=True)
        for name in self.networks:
            self._rewrite(name, vectors[name][0], passes[name].statistics)
            self._apply(name, gradients[name], rates[name], step + 1, controls)
            self._keep(name, self._packing[name].moved(vectors[name][1], passes[name].statistics))
        self._average(step, controls)
        return [losses[name] for name in self.losses]

    def _passes(self, name: str, vectors: tuple[tf.Tensor, tf.Tensor], step: tf.Tensor) -> Passes:
        index = self.networks.index(name)
        seed = draws.seed_at(self._seeds, draws.NOISE, step) + tf.constant([0, index * _NETWORK], tf.int64)
        return Passes(self._modules[name], self._packing[name], self._packing[name].unpack(*vectors), seed)

    def _images_of(self, weights: Mapping[str, Sequence[tf.Tensor]], latents: tf.Tensor) -> tf.Tensor:
        def resting(name: str) -> Callable[..., tf.Tensor]:
            return lambda *inputs: self._modules[name](joined(inputs), weights[name], Call(training=False))

        images: tf.Tensor = self._objective.sample(
            {name: resting(name) for name in weights}, tf.cast(latents, self._compute)
        )
        return images


class Passes:
    """A network in one step: each pass has draws of its own, and sees the statistics that the one before left."""

    def __init__(self, module: Module, packing: Packing, weights: list[tf.Tensor], seed: tf.Tensor) -> None:
        self._module, self._packing, self._weights, self._seed, self._count = module, packing, weights, seed, 0
        self.statistics = Call(training=True)

    def forward(self, *inputs: Any) -> tf.Tensor:
        """The output for the network's inputs."""
        self._count += 1
        call = Call(training=True, seed=self._seed + tf.constant([0, self._count * _PASS], tf.int64))
        output = self._module(joined(inputs), self._weights, call)
        for index, moved in call.moved.items():
            self.statistics.moved[index] = self._weights[index] = self._packing.carried(index, moved)
        return output
