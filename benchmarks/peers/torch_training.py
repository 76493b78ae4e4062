"""Training in PyTorch, eager or compiled, in one layout of memory: of pairs of networks, of flows and of autoencoders.

Adam is the fused one, the moving average one call, and what can be compiled together is.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.peers import given, torch_networks, torch_objectives

EMA, RATE = 0.999, 2e-4


def made(settings: dict[str, Any], images: np.ndarray) -> Training:
    """The training of a case, one thread; `images` are uint8 (n, h, w, c)."""
    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
    return (Adversarial if settings["model"] == "gan" else Descent)(settings, images)


class Training(ABC):
    """Networks by name with an optimizer each, of which one, `sampled`, is averaged."""

    version = str(torch.__version__)

    def __init__(
        self, settings: dict[str, Any], images: np.ndarray, networks: dict[str, nn.Module], sampled: str
    ) -> None:
        self._settings = settings
        self._memory = torch.channels_last if settings["layout"] == "channels_last" else torch.contiguous_format
        self._images = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
        self.networks = {name: network.to(memory_format=self._memory) for name, network in networks.items()}
        self._weights = {name: list(network.parameters()) for name, network in networks.items()}
        self.parameters = sum(weight.numel() for weights in self._weights.values() for weight in weights)
        adam = {"lr": RATE, "betas": (settings["beta1"], 0.999), "fused": True}
        self._adam = {name: torch.optim.Adam(weights, **adam) for name, weights in self._weights.items()}
        statistics = [each for each in networks[sampled].buffers() if each.is_floating_point()]
        self._averaged = [each.detach() for each in (*self._weights[sampled], *statistics)]
        self._average = [each.clone() for each in self._averaged]

    def advance(self, steps: int) -> None:
        """Train so many steps."""
        for _ in range(steps):
            self._step()
            torch._foreach_lerp_(self._average, self._averaged, 1.0 - EMA)

    def losses(self) -> list[float]:
        """The losses without noise of training, of the weights and the batch that `benchmarks.peers.given` draws."""
        kept = {name: copy.deepcopy(network.state_dict()) for name, network in self.networks.items()}
        for place, network in enumerate(self.networks.values()):
            _give(network, place, mirrored=self._settings["mirrored"])
            network.eval()
        shape = (self._images.shape[2], self._images.shape[3], self._images.shape[1])
        real = torch.from_numpy(given.images(shape)).permute(0, 3, 1, 2).contiguous(memory_format=self._memory)
        if self._settings["mirrored"]:
            real = real.flip(2, 3)
        hooks = (
            [hook for network in self.networks.values() for hook in _hooks(network)]
            if self._settings["mirrored"]
            else []
        )
        found = self._losses(real, given.Numbers())
        for hook in hooks:
            hook.remove()
        for name, network in self.networks.items():
            network.load_state_dict(kept[name])
            network.train()
        return [loss.item() for loss in found]

    @abstractmethod
    def _step(self) -> None:
        """One update of every network."""

    @abstractmethod
    def _losses(self, real: torch.Tensor, numbers: given.Numbers) -> list[torch.Tensor]:
        """The losses of a step on these images, in order, without an update."""

    def _compiled(self, function: Any) -> Any:
        return torch.compile(function) if self._settings["compiled"] else function

    def _real(self) -> torch.Tensor:
        chosen = torch.randint(len(self._images), (self._settings["batch"],))
        return (self._images[chosen].float() * (1.0 / 127.5) - 1.0).contiguous(memory_format=self._memory)

    def _update(self, names: tuple[str, ...], loss: torch.Tensor) -> None:
        weights = [weight for name in names for weight in self._weights[name]]
        for weight, slope in zip(weights, torch.autograd.grad(loss, weights), strict=True):
            weight.grad = slope
        for name in names:
            self._adam[name].step()


class Adversarial(Training):
    """Alternating updates: so many of the discriminator, each with a batch of its own, then one of the generator."""

    def __init__(self, settings: dict[str, Any], images: np.ndarray) -> None:
        made = torch_networks.NETWORKS[settings["network"]](settings["latent"], images.shape[1:], **settings["values"])
        generator, discriminator = made
        super().__init__(
            settings, images, {"generator": generator, "discriminator": discriminator}, sampled="generator"
        )
        self._generator, self._discriminator = self.networks.values()
        self._make, self._judge = self._compiled(self._generator), self._compiled(self._discriminator)
        # As one compiled function: of two, the second would change what the first keeps of spectral normalisation.
        self._judge_both = self._compiled(self._both)

    def _both(self, real: torch.Tensor, fake: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self._discriminator(real), self._discriminator(fake)

    def _step(self) -> None:
        for _ in range(self._settings["critics"]):
            with torch.no_grad():
                fake = self._fake()
            mixture = torch.rand(self._settings["batch"])
            self._update(("discriminator",), self._loss_of_discriminator(self._real(), fake, mixture))
        self._update(("generator",), self._loss_of_generator())

    def _fake(self) -> torch.Tensor:
        return self._make(torch.randn(self._settings["batch"], self._settings["latent"]))

    def _loss_of_generator(self) -> torch.Tensor:
        of_fake, of_real = self._judge(self._fake())[:, 0], None
        if self._settings["loss"] == "relativistic":
            with torch.no_grad():
                of_real = self._judge(self._real())[:, 0]
        return torch_networks.loss_of_generator(self._settings["loss"], of_fake, of_real)

    def _loss_of_discriminator(self, real: torch.Tensor, fake: torch.Tensor, mixture: torch.Tensor) -> torch.Tensor:
        loss, penalties = self._settings["loss"], self._settings["penalties"]
        if (
            penalties
        ):  # through what is not compiled, which alone can be differentiated twice; as brownvc/R3GAN, Trainer.py
            real, fake = (each.detach().requires_grad_(True) for each in (real, fake))
        of_real, of_fake = (self._both if penalties else self._judge_both)(real, fake)
        found = torch_networks.loss_of_discriminator(loss, of_real[:, 0], of_fake[:, 0])
        for name, weight in penalties.items():
            slope = torch_networks.squared_slope(*((of_real, real) if name == "r1" else (of_fake, fake)))
            found = found + 0.5 * weight * slope
        if loss == "wasserstein_gp":
            found = found + torch_networks.gradient_penalty(self._discriminator, real, fake, mixture)
        return found

    def _losses(self, real: torch.Tensor, numbers: given.Numbers) -> list[torch.Tensor]:
        with torch.no_grad():
            fake = self._generator(torch.from_numpy(numbers.normal((len(real), self._settings["latent"]))))
        of_real, of_fake = self._both(real, fake)
        mixture = torch.from_numpy(numbers.uniform((len(real),)))
        return [
            torch_networks.loss_of_generator(self._settings["loss"], of_fake[:, 0], of_real[:, 0]),
            self._loss_of_discriminator(real, fake, mixture),
        ]


class Descent(Training):
    """A flow, or an autoencoder, whose networks all descend one loss."""

    def __init__(self, settings: dict[str, Any], images: np.ndarray) -> None:
        networks = torch_objectives.NETWORKS[settings["network"]](images.shape[1:], **settings["values"])
        super().__init__(settings, images, networks, sampled=torch_objectives.SAMPLED[settings["model"]])
        self._flow = settings["model"] == "flow"
        self._loss = self._compiled(self._uncompiled)

    def _uncompiled(self, real: torch.Tensor, *drawn: torch.Tensor) -> torch.Tensor:
        return (torch_objectives.flow if self._flow else torch_objectives.vae)(self.networks, real, *drawn)

    def _step(self) -> None:
        real = self._real()
        if self._flow:
            drawn = (torch.randn_like(real), torch.rand(len(real), 1))
        else:
            drawn = (torch.randn(len(real), self._settings["values"]["latent"]),)
        self._update(tuple(self.networks), self._loss(real, *drawn))

    def _losses(self, real: torch.Tensor, numbers: given.Numbers) -> list[torch.Tensor]:
        count, channels, height, width = real.shape
        if self._flow:
            noise = torch.from_numpy(numbers.normal((count, height, width, channels))).permute(0, 3, 1, 2)
            return [self._uncompiled(real, noise, torch.from_numpy(numbers.uniform((count, 1))))]
        return [self._uncompiled(real, torch.from_numpy(numbers.normal((count, self._settings["values"]["latent"]))))]


def _hooks(network: nn.Module) -> list[Any]:
    """Let a network of mirrored images see and make vectors in the order of ours."""
    return [
        layer.register_forward_hook(lambda layer, given, image: image.flip(2, 3))
        if isinstance(layer, torch_networks.ToImage)
        else layer.register_forward_pre_hook(lambda layer, given: (given[0].flip(2, 3),))
        for layer in network.modules()
        if isinstance(layer, torch_networks.ToImage | torch_networks.FromImage)
    ]


def _give(network: nn.Module, place: int, *, mirrored: bool) -> None:
    """Give a network the drawn weights: layer after layer a kernel, a bias, and statistics."""
    index = 0
    for layer in network.modules():
        own = dict(layer.named_parameters(recurse=False)) | dict(layer.named_buffers(recurse=False))
        names = ("weight_orig", "weight", "pattern", "bias", "running_mean", "running_var", "weight_u")
        for name in names:
            if own.get(name) is None or (name == "weight" and "weight_orig" in own):
                continue
            target = own[name]
            values = torch.from_numpy(given.weight(place, index, _ours(target)))
            index += 1
            with torch.no_grad():
                target.copy_(_theirs(values, target))
                if mirrored and target.ndim == 4:
                    target.copy_(target.flip(2, 3))
        if "weight_u" in own:
            matrix, left = own["weight_orig"].detach().flatten(1), own["weight_u"]
            own["weight_v"].copy_(nn.functional.normalize(matrix.T @ left, dim=0))


def _ours(target: torch.Tensor) -> tuple[int, ...]:
    """The shape of a weight in ours: kernels (k, k, inputs, outputs), matrices (inputs, outputs)."""
    shape = tuple(target.shape)
    return (*shape[2:], shape[1], shape[0]) if len(shape) == 4 else shape[1::-1] if len(shape) > 1 else shape


def _theirs(values: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    if target.ndim == 4:
        return values.permute(3, 2, 0, 1)
    return values if target.ndim == 1 else values.T.reshape(target.shape)
