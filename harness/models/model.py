"""What a study trains: the contract of a model, and the declarations of models, networks and losses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from harness import kinds
from harness.kinds import Part, Shape
from harness.models.nn.optimizer import Moments
from harness.seeds import Seeds

Losses = Mapping[str, NDArray[np.float32]]  # by name, of every step of a chunk: float32 (k,) each


class Diverged(Exception):
    """Training cannot go on; `step` is the first bad step (counted from 1), `reason` says what was seen.

    `losses` are those of the sound steps before it in the same chunk.
    """

    def __init__(self, step: int, reason: str, losses: Losses | None = None) -> None:
        super().__init__(f"diverged at step {step}: {reason}")
        self.step, self.reason, self.losses = step, reason, dict(losses or {})


class Model(Protocol):
    """Networks with their optimizers, for one data set and one set of settings; it trains many runs one after another.

    `networks` are those whose rates a schedule may set, `losses` the names of what `advance` returns, `latent` is the
    length of the vectors that images are generated from, `step` the number of steps done. Images are made by the `weights`
    'raw', as trained, or by one of the averages that the settings name.
    """

    networks: tuple[str, ...]
    losses: tuple[str, ...]
    latent: int
    step: int

    def prepare(self) -> None:
        """Compile what can be before the first run, so that no run's time holds it."""

    def start(self, seeds: Seeds) -> None:
        """Go to the beginning of the run with `seeds`."""

    def advance(
        self, rates: Mapping[str, NDArray[np.float32]], controls: Mapping[str, NDArray[np.float32]] | None = None
    ) -> Losses:
        """Train as many steps as there are rates, float32 (k,) by network, from `step` on; raises Diverged.

        `controls` are what else changes from step to step, float32 (k,) by the names that the model was built with.
        """

    def generate(self, latents: NDArray[np.float32], *, weights: str) -> NDArray[np.uint8]:
        """Images uint8 (n, h, w, c) of standard normal `latents` float32 (n, latent), by the weights named."""

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything that training depends on besides the settings: arrays by name."""

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Continue from what `state` returned; ValueError names what does not fit."""

    def parameters(self) -> dict[str, int]:
        """Number of trained values of each network."""


class PartSettings(Protocol):
    """What a model reads of a study's [network] or loss: a part's name, and its settings."""

    @property
    def name(self) -> str: ...
    @property
    def settings(self) -> Any: ...


class TrainSettings(Moments, Protocol):
    """What every model reads of a study's [train], besides what its optimizer does."""

    @property
    def batch(self) -> int: ...
    @property
    def optimizer(self) -> PartSettings: ...
    @property
    def averages(self) -> Mapping[str, float]: ...
    @property
    def ema_ramp(self) -> float: ...
    @property
    def flip(self) -> bool: ...
    @property
    def precision(self) -> str: ...
    @property
    def xla(self) -> bool | str: ...


@dataclass(frozen=True, kw_only=True)
class ModelPart(Part):
    """A kind of model. `build` takes (network, train, images, settings) and returns a Model.

    `networks` are the names of its networks, `network` is the built-in part that a study uses unless it names another.
    `ratio` names the network, if any, whose rate may be a multiple of the others' (space.discriminator_ratio). `reads` are
    the keys of [train] that it reads besides those of every model; where `conditional` is among them, `build` also takes
    `labels`, the classes of the images, int64 (n,). It takes `controls` where values other than rates change from step
    to step: some of harness.models.training.CONTROLS. `ideal` is as a loss's, of a model that does not read `loss`.
    """

    role: ClassVar[str] = "model"
    networks: tuple[str, ...]
    network: str
    ratio: str = ""
    reads: tuple[str, ...] = ()
    ideal: float | None = None


@dataclass(frozen=True, kw_only=True)
class NetworkPart(Part):
    """Networks for a kind of model. `build` takes (settings, shape) and returns them by name.

    Where `conditional` is true, they can see classes: `build` also takes the number of `classes`, 0 for none; with
    classes, each network is called with (input, classes one-hot (n, classes)). `memory` takes (settings, shape) and returns the megabytes of activations per image of a batch. The slopes of the
    discriminator are `bounded` where it is spectrally normalised, say.
    """

    role: ClassVar[str] = "network"
    model: str
    conditional: bool = False
    bounded: bool = False


def network_for(network: PartSettings, shape: Shape) -> NetworkPart:
    """The declaration of a study's [network]; ValueError says which images it can make if these are none of them."""
    part = cast(NetworkPart, kinds.find("network", network.name, key="network.name"))
    instead = part.fits(shape)
    if instead is not None:
        raise ValueError(f"network '{part.name}' makes {instead}, but the data have {'x'.join(map(str, shape))}")
    return part


@dataclass(frozen=True, kw_only=True)
class LossPart(Part):
    """An adversarial loss. `build` takes its settings and returns a harness.models.gan.loss.Loss.

    `penalty` names the penalty that it has within it, if any. One that `needs_bound` makes no sense unless the
    discriminator's slopes are bounded, by a penalty or by the network. `ideal` is the discriminator's loss, without its
    penalty, where generated images are distributed like real ones and it is the best possible (Hazimeh & Ponomareva 2023,
    section 3); None where that is not known.
    """

    role: ClassVar[str] = "loss"
    penalty: str = ""
    needs_bound: bool = False
    ideal: float | None = None


@dataclass(frozen=True, kw_only=True)
class PenaltyPart(Part):
    """A penalty on the discriminator's slopes. `build` takes its settings and returns a harness.models.gan.penalty.Penalty.

    The settings extend harness.models.gan.penalty.Settings. One that `vanishes` is 0 where the discriminator is flat.
    """

    role: ClassVar[str] = "penalty"
    vanishes: bool = False


@dataclass(frozen=True, kw_only=True)
class AugmentationPart(Part):
    """An augmentation of what the discriminator sees, real and generated alike.

    `build` takes its settings and returns a function (images, draw) to images of the same shape (n, h, w, c) in [-1, 1],
    through which gradients go; all its randomness comes from `draw`, a harness.models.nn.draws.Draw.
    """

    role: ClassVar[str] = "augmentation"
