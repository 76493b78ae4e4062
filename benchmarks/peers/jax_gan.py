"""The pair in JAX: one jit-compiled step whose state is given away, called from Python; no library on top."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from benchmarks.peers.plan import Layer, Plan

AXES = ("NHWC", "HWIO", "NHWC")


def _initial(layers: tuple[Layer, ...], rng: np.random.Generator) -> list[list[np.ndarray]]:
    """Trained weights of each layer."""
    made = []
    for layer in layers:
        match layer.kind:
            case "dense":
                shape = (layer.inputs, layer.outputs)
            case "convolution":
                shape = (layer.kernel, layer.kernel, layer.inputs, layer.outputs)
            case "transposed":
                shape = (layer.kernel, layer.kernel, layer.outputs, layer.inputs)
            case "norm":
                made.append([np.ones(layer.outputs, np.float32), np.zeros(layer.outputs, np.float32)])
                continue
            case _:
                made.append([])
                continue
        made.append([0.02 * rng.standard_normal(shape, dtype=np.float32), np.zeros(layer.outputs, np.float32)])
    return made


def _statistics(layers: tuple[Layer, ...]) -> list[list[np.ndarray]]:
    return [
        [np.zeros(layer.outputs, np.float32), np.ones(layer.outputs, np.float32)] if layer.kind == "norm" else []
        for layer in layers
    ]


def _apply(layers, weights, statistics, x, *, training, key=None):
    """Output, and new moving statistics."""
    moved = []
    for place, layer in enumerate(layers):
        own, new = weights[place], []
        match layer.kind:
            case "dense":
                x = x @ own[0] + own[1]
            case "convolution":
                x = lax.conv_general_dilated(x, own[0], (layer.stride,) * 2, "SAME", dimension_numbers=AXES) + own[1]
            case "transposed":
                x = lax.conv_transpose(
                    x, own[0], (layer.stride,) * 2, "SAME", dimension_numbers=AXES, transpose_kernel=True
                )
                x += own[1]
            case "norm":
                mean, variance = statistics[place]
                if training:
                    axes = tuple(range(x.ndim - 1))
                    seen, spread = x.mean(axes), x.var(axes)
                    new = [mean + (seen - mean) * (1 - layer.value), variance + (spread - variance) * (1 - layer.value)]
                    mean, variance = seen, spread
                x = (x - mean) * (own[0] * lax.rsqrt(variance + 1e-3)) + own[1]
            case "leaky":
                x = jnp.where(x > 0, x, layer.value * x)
            case "dropout":
                if training:
                    kept = jax.random.bernoulli(jax.random.fold_in(key, place), 1 - layer.value, x.shape)
                    x = jnp.where(kept, x / (1 - layer.value), 0.0)
            case "shape":
                x = x.reshape((-1, *layer.shape) if layer.shape else (x.shape[0], -1))
            case "tanh":
                x = jnp.tanh(x)
        moved.append(new)
    return x, moved


def _adam(weights, gradients, slots, rate, count):
    """Adam with the bias correction in the rate, as ours."""
    step = rate * jnp.sqrt(1 - 0.999**count) / (1 - 0.5**count)
    first = jax.tree.map(lambda m, g: m + (g - m) * 0.5, slots[0], gradients)
    second = jax.tree.map(lambda v, g: v + (g * g - v) * 0.001, slots[1], gradients)
    new = jax.tree.map(lambda w, m, v: w - step * m / (jnp.sqrt(v) + 1e-7), weights, first, second)
    return new, (first, second)


class JaxGan:
    """Both networks with their optimizers and the moving average of the generator."""

    def __init__(self, plan: Plan, images: np.ndarray, *, batch: int, ema: float) -> None:
        self.plan, self._batch, self._ema = plan, batch, ema
        self._images = jnp.asarray(images)
        rng = np.random.default_rng(0)
        self._set(_initial(plan.generator, rng), _statistics(plan.generator), _initial(plan.discriminator, rng))
        self._update = jax.jit(self._updated, donate_argnums=0)
        self._drawn = jax.jit(self._step, donate_argnums=0)

    def _set(self, generator, statistics, discriminator) -> None:
        zeros = lambda tree: jax.tree.map(lambda a: jnp.zeros(a.shape, jnp.float32), tree)  # noqa: E731
        copy = partial(jax.tree.map, lambda a: jnp.array(a, copy=True))
        self.state = {
            "generator": copy(generator),
            "statistics": copy(statistics),
            "discriminator": copy(discriminator),
            "slots": tuple((zeros(tree), zeros(tree)) for tree in (generator, discriminator)),
            "average": (copy(generator), copy(statistics)),
            "step": jnp.zeros((), jnp.int32),
            "key": jax.random.key(0),
        }

    def parameters(self) -> dict[str, int]:
        """Number of trained values of each network."""
        return {
            name: sum(leaf.size for leaf in jax.tree.leaves(self.state[name]))
            for name in ("generator", "discriminator")
        }

    def _updated(self, state, real, latents, rates):
        plan = self.plan
        key = jax.random.fold_in(state["key"], state["step"])
        keys = jax.random.split(key)

        # One pass for both gradients: `pull` carries them back to the weights that each loss is about.
        def logits_of(generator, discriminator):
            fake, moved = _apply(plan.generator, generator, state["statistics"], latents, training=True)
            judged, _ = _apply(plan.discriminator, discriminator, None, fake, training=True, key=keys[0])
            return judged[:, 0], moved

        def real_of(discriminator):
            return _apply(plan.discriminator, discriminator, None, real, training=True, key=keys[1])[0][:, 0]

        softplus = jax.nn.softplus
        logits, pull, moved = jax.vjp(logits_of, state["generator"], state["discriminator"], has_aux=True)
        judged, pull_real = jax.vjp(real_of, state["discriminator"])
        loss_d = softplus(-judged).mean() + softplus(logits).mean()
        loss_g = softplus(-logits).mean()
        share = 1.0 / self._batch
        _, of_fake = pull(jax.nn.sigmoid(logits) * share)
        (of_real,) = pull_real(-jax.nn.sigmoid(-judged) * share)
        gradient_g, _ = pull(-jax.nn.sigmoid(-logits) * share)
        gradient_d = jax.tree.map(jnp.add, of_fake, of_real)
        count = (state["step"] + 1).astype(jnp.float32)
        slots_g, slots_d = state["slots"]
        discriminator, slots_d = _adam(state["discriminator"], gradient_d, slots_d, rates[1], count)
        generator, slots_g = _adam(state["generator"], gradient_g, slots_g, rates[0], count)
        time = state["step"].astype(jnp.float32)
        share = 1 - jnp.minimum(self._ema, (1 + time) / (10 + time))
        average = jax.tree.map(lambda a, w: a + (w - a) * share, state["average"], (generator, moved))
        new = {
            "generator": generator,
            "statistics": moved,
            "discriminator": discriminator,
            "slots": (slots_g, slots_d),
            "average": average,
            "step": state["step"] + 1,
            "key": state["key"],
        }
        return new, (loss_g, loss_d)

    def _step(self, state, images, rates):
        keys = jax.random.split(jax.random.fold_in(state["key"], state["step"]), 4)[2:]
        chosen = jax.random.randint(keys[0], (self._batch,), 0, len(images))
        real = images[chosen].astype(jnp.float32) * (1.0 / 127.5) - 1.0
        return self._updated(state, real, jax.random.normal(keys[1], (self._batch, self.plan.latent)), rates)

    def advance(self, rates: dict[str, np.ndarray]) -> tuple[float, float]:
        """Train as many steps as there are rates, by network; the last losses."""
        for pair in zip(rates["generator"], rates["discriminator"], strict=True):
            self.state, losses = self._drawn(self.state, self._images, pair)
        return tuple(float(loss) for loss in losses)

    # --- what the check asks ----------------------------------------------------------------------------------------

    def load(self, generator: list[np.ndarray], discriminator: list[np.ndarray]) -> None:
        """Take weights as ours list them."""
        trained, statistics = _split(self.plan.generator, generator)
        self._set(trained, statistics, _split(self.plan.discriminator, discriminator)[0])

    def make(self, latents: np.ndarray, *, training: bool) -> np.ndarray:
        """Images (n, h, w, c) of latents."""
        state = self.state
        made, _ = _apply(self.plan.generator, state["generator"], state["statistics"], latents, training=training)
        return np.asarray(made)

    def judge(self, images: np.ndarray) -> np.ndarray:
        """Logits (n,) of images, without dropout."""
        made, _ = _apply(self.plan.discriminator, self.state["discriminator"], None, images, training=False)
        return np.asarray(made)[:, 0]

    def given(self, real: np.ndarray, latents: np.ndarray, rate: float) -> tuple[float, float]:
        """One step on a given batch; the losses."""
        self.state, losses = self._update(self.state, real, latents, (np.float32(rate), np.float32(rate)))
        return tuple(float(loss) for loss in losses)


def _split(layers: tuple[Layer, ...], weights: list[np.ndarray]):
    """Our list of weights as trained weights and moving statistics of each layer."""
    left, trained, statistics = list(weights), [], []
    for layer in layers:
        own = [left.pop(0), left.pop(0)] if layer.kind in ("dense", "convolution", "transposed", "norm") else []
        trained.append(own)
        statistics.append([left.pop(0), left.pop(0)] if layer.kind == "norm" else [])
    return trained, statistics
