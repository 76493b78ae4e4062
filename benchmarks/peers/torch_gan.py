"""The pair in PyTorch eager, as its DCGAN tutorial has it, with what makes it fast on a processor.

One pass of generator and discriminator serves both gradients, as ours; Adam is the fused one; the moving average is one
call over all tensors; `layout` is 'standard' or 'channels_last'. With `autocast` layers compute in bfloat16, as
`torch.autocast` has it; with `compiled` both networks are. PyTorch pads strided convolutions at the other end than
TensorFlow. So that it needs no copy to pad, this is our network with all images mirrored; `load` mirrors the weights.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.peers.plan import Layer, Plan


def settle(threads: int) -> None:
    """Give this process its threads."""
    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)


class Reshape(nn.Module):
    """Vectors to images, pixels of a channel next to each other."""

    def __init__(self, shape: tuple[int, ...], memory: torch.memory_format) -> None:
        super().__init__()
        height, width, channels = shape
        self._shape, self._memory = (channels, height, width), memory

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.view(-1, *self._shape).contiguous(memory_format=self._memory)


def _module(layer: Layer, memory: torch.memory_format, *, flat: bool) -> nn.Module:
    padding = (layer.kernel - 1) // 2
    match layer.kind:
        case "dense":
            return nn.Linear(layer.inputs, layer.outputs)
        case "convolution":
            return nn.Conv2d(layer.inputs, layer.outputs, layer.kernel, layer.stride, padding)
        case "transposed":
            return nn.ConvTranspose2d(
                layer.inputs, layer.outputs, layer.kernel, layer.stride, padding, output_padding=layer.kernel % 2
            )
        case "norm":
            made = nn.BatchNorm1d if flat else nn.BatchNorm2d
            return made(layer.outputs, eps=1e-3, momentum=1.0 - layer.value)
        case "leaky":
            return nn.LeakyReLU(layer.value)
        case "dropout":
            return nn.Dropout(layer.value)
        case "shape":
            return Reshape(layer.shape, memory) if layer.shape else nn.Flatten()
        case "tanh":
            return nn.Tanh()
    raise ValueError(f"layer.kind is {layer.kind!r}, which no module is known for")


def network(
    layers: tuple[Layer, ...], memory: torch.memory_format = torch.contiguous_format, *, flat: bool
) -> nn.Sequential:
    """Layers one after another, whose first input is `flat` or an image, in a layout of memory."""
    modules = []
    for layer in layers:
        if layer.kind == "shape":
            flat = not layer.shape
        modules.append(_module(layer, memory, flat=flat))
    return nn.Sequential(*modules).to(memory_format=memory)


class TorchGan:
    """Both networks with their optimizers and the moving average of the generator."""

    def __init__(
        self,
        plan: Plan,
        images: np.ndarray,
        *,
        batch: int,
        ema: float,
        layout: str = "standard",
        autocast: bool = False,
        compiled: bool = False,
    ) -> None:
        self._memory = torch.channels_last if layout == "channels_last" else torch.contiguous_format
        self.plan, self._batch, self._ema = plan, batch, ema
        self._images = torch.from_numpy(np.ascontiguousarray(images[:, ::-1, ::-1].transpose(0, 3, 1, 2)))
        self.generator = network(plan.generator, self._memory, flat=True)
        self.discriminator = network(plan.discriminator, self._memory, flat=False)
        self._autocast = autocast
        self._make, self._judge = self.generator, self.discriminator
        if compiled:
            from torch._functorch import config as functorch_config

            functorch_config.donated_buffer = False  # both losses go back through the discriminator
            self._make, self._judge = torch.compile(self.generator), torch.compile(self.discriminator)
        self._trained = {
            "generator": list(self.generator.parameters()),
            "discriminator": list(self.discriminator.parameters()),
        }
        self._optimizers = {
            name: torch.optim.Adam(weights, lr=1e-3, betas=(0.5, 0.999), eps=1e-7, fused=True)
            for name, weights in self._trained.items()
        }
        statistics = [each for each in self.generator.buffers() if each.is_floating_point()]
        self._averaged = [each.detach() for each in (*self._trained["generator"], *statistics)]
        self._average = [each.clone() for each in self._averaged]
        self.step = 0

    def parameters(self) -> dict[str, int]:
        """Number of trained values of each network."""
        return {name: sum(each.numel() for each in weights) for name, weights in self._trained.items()}

    def update(self, real: torch.Tensor, latents: torch.Tensor, rates: tuple[float, float]) -> tuple[float, float]:
        """One step; the losses of generator and discriminator (tensors)."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self._autocast):
            fake = self._make(latents)
            logits, of_real = self._judge(fake), self._judge(real)
        logits, of_real = logits.float(), of_real.float()
        loss_d = F.softplus(-of_real).mean() + F.softplus(logits).mean()
        loss_g = F.softplus(-logits).mean()
        losses = {"discriminator": loss_d, "generator": loss_g}
        gradients = {
            name: torch.autograd.grad(loss, self._trained[name], retain_graph=name == "discriminator")
            for name, loss in losses.items()
        }
        for (name, found), rate in zip(gradients.items(), (rates[1], rates[0]), strict=True):
            for weight, gradient in zip(self._trained[name], found, strict=True):
                weight.grad = gradient
            optimizer = self._optimizers[name]
            optimizer.param_groups[0]["lr"] = rate
            optimizer.step()
        decay = min(self._ema, (1.0 + self.step) / (10.0 + self.step))
        torch._foreach_lerp_(self._average, self._averaged, 1.0 - decay)
        self.step += 1
        return loss_g, loss_d

    def advance(self, rates: dict[str, np.ndarray]) -> tuple[float, float]:
        """Train as many steps as there are rates, by network; the last losses."""
        self.generator.train()
        self.discriminator.train()
        for pair in zip(rates["generator"].tolist(), rates["discriminator"].tolist(), strict=True):
            chosen = torch.randint(len(self._images), (self._batch,))
            real = (self._images[chosen].float() * (1.0 / 127.5) - 1.0).contiguous(memory_format=self._memory)
            losses = self.update(real, torch.randn(self._batch, self.plan.latent), pair)
        return tuple(loss.item() for loss in losses)

    # --- what the check asks ----------------------------------------------------------------------------------------

    def load(self, generator: list[np.ndarray], discriminator: list[np.ndarray]) -> None:
        """Take weights as ours list them."""
        for network, layers, weights in (
            (self.generator, self.plan.generator, generator),
            (self.discriminator, self.plan.discriminator, discriminator),
        ):
            _load(network, layers, weights, side=self.plan.side)

    def make(self, latents: np.ndarray, *, training: bool) -> np.ndarray:
        """Images (n, h, w, c) of latents."""
        self.generator.train(training)
        with torch.no_grad():
            return self.generator(torch.from_numpy(latents)).permute(0, 2, 3, 1).numpy()[:, ::-1, ::-1]

    def judge(self, images: np.ndarray) -> np.ndarray:
        """Logits (n,) of images, without dropout."""
        self.discriminator.eval()
        with torch.no_grad():
            return self.discriminator(self._mirrored(images))[:, 0].numpy()

    def _mirrored(self, images: np.ndarray) -> torch.Tensor:
        mirrored = torch.from_numpy(np.ascontiguousarray(images[:, ::-1, ::-1].transpose(0, 3, 1, 2)))
        return mirrored.contiguous(memory_format=self._memory)

    def given(self, real: np.ndarray, latents: np.ndarray, rate: float) -> tuple[float, float]:
        """One step on a given batch; the losses."""
        self.generator.train()
        self.discriminator.train()
        return tuple(loss.item() for loss in self.update(self._mirrored(real), torch.from_numpy(latents), (rate, rate)))


def _load(network: nn.Sequential, layers: tuple[Layer, ...], weights: list[np.ndarray], *, side: int) -> None:
    """Copy weights, turned to PyTorch's order of axes and mirrored."""
    left = [torch.from_numpy(np.ascontiguousarray(each)) for each in weights]
    kinds = [layer.kind for layer in layers]
    reshape = kinds.index("shape")
    for place, (module, layer) in enumerate(zip(network, layers, strict=True)):
        if layer.kind in ("convolution", "transposed"):
            kernel, bias = left.pop(0), left.pop(0)
            kernel = kernel.flip(0, 1).permute(3, 2, 0, 1)
            values = {"weight": kernel, "bias": bias}
        elif layer.kind == "dense":
            matrix, bias = left.pop(0), left.pop(0)
            if place > reshape:  # its input is a flattened image
                inner = side
                for before in layers[:place]:
                    inner //= before.stride
                matrix = matrix[_order(inner, inner, layer.inputs // inner**2)]
            values = {"weight": matrix.T, "bias": bias}
        elif layer.kind == "norm":
            names = ("weight", "bias", "running_mean", "running_var")
            values = {name: left.pop(0) for name in names}
        else:
            continue
        becomes_image = layers[reshape].shape and place < reshape and "dense" not in kinds[place + 1 : reshape]
        if becomes_image:
            order = _order(*layers[reshape].shape)
            values = {name: value[order] for name, value in values.items()}
        with torch.no_grad():
            for name, value in values.items():
                getattr(module, name).copy_(value)


def _order(height: int, width: int, channels: int) -> torch.Tensor:
    """Where each value of a mirrored image (c, h, w) lies in an image (h, w, c)."""
    places = torch.arange(height * width * channels).reshape(height, width, channels)
    return places.flip(0, 1).permute(2, 0, 1).reshape(-1)
