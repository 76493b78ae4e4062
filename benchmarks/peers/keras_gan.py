"""The pair as the Keras and TensorFlow DCGAN tutorials have it: models, optimizers and a `tf.function` step of each trial.

Built anew for every trial, and its step is called from Python; the rates come from a Keras schedule.
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from benchmarks.peers.plan import Layer, Plan


def settle(threads: int) -> None:
    """Give this process its threads."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)


class Table(keras.optimizers.schedules.LearningRateSchedule):
    """One rate per step, from a table; the last one from there on."""

    def __init__(self, rates: np.ndarray) -> None:
        self._rates = tf.constant(rates)

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        return self._rates[tf.minimum(tf.cast(step, tf.int32), tf.size(self._rates) - 1)]


def _layer(layer: Layer) -> keras.Layer:
    made = keras.layers
    match layer.kind:
        case "dense":
            return made.Dense(layer.outputs)
        case "convolution":
            return made.Conv2D(layer.outputs, layer.kernel, layer.stride, padding="same")
        case "transposed":
            return made.Conv2DTranspose(layer.outputs, layer.kernel, layer.stride, padding="same")
        case "norm":
            return made.BatchNormalization(momentum=layer.value, epsilon=1e-3)
        case "leaky":
            return made.LeakyReLU(negative_slope=layer.value)
        case "dropout":
            return made.Dropout(layer.value)
        case "shape":
            return made.Reshape(layer.shape) if layer.shape else made.Flatten()
        case "tanh":
            return made.Activation("tanh")
    raise ValueError(f"layer.kind is {layer.kind!r}, which no Keras layer is known for")


class KerasGan:
    """One trial: both models with their optimizers and the moving average of the generator."""

    def __init__(
        self, plan: Plan, images: np.ndarray, *, batch: int, ema: float, rates: tuple[np.ndarray, np.ndarray]
    ) -> None:
        self.plan, self._ema = plan, ema
        shape = (plan.side, plan.side, plan.channels)
        self.generator = keras.Sequential([keras.Input((plan.latent,)), *map(_layer, plan.generator)])
        self.discriminator = keras.Sequential([keras.Input(shape), *map(_layer, plan.discriminator)])
        self._optimizers = tuple(keras.optimizers.Adam(Table(rate), beta_1=0.5, beta_2=0.999) for rate in rates)
        self._average = [tf.Variable(each, trainable=False) for each in self._averaged()]
        self._count = tf.Variable(0.0)
        self._batches = iter(
            tf.data.Dataset.from_tensor_slices(images)
            .shuffle(len(images))
            .repeat()
            .batch(batch, drop_remainder=True)
            .map(lambda each: tf.cast(each, tf.float32) * (1.0 / 127.5) - 1.0)
            .prefetch(2)
        )
        self._batch = batch
        self._train_step = tf.function(self._update)
        self._drawn_step = tf.function(self._draw_and_update)

    def _averaged(self) -> list[tf.Variable]:
        return [each.value for each in self.generator.weights if each.dtype == "float32"]

    def parameters(self) -> dict[str, int]:
        """Number of trained values of each network."""
        return {
            name: sum(int(np.prod(each.shape)) for each in model.trainable_weights)
            for name, model in (("generator", self.generator), ("discriminator", self.discriminator))
        }

    def _update(self, real: tf.Tensor, latents: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as generator_tape, tf.GradientTape() as discriminator_tape:
            fake = self.generator(latents, training=True)
            judged = self.discriminator(real, training=True)
            logits = self.discriminator(fake, training=True)
            loss_g = tf.reduce_mean(tf.nn.softplus(-logits))
            loss_d = tf.reduce_mean(tf.nn.softplus(-judged)) + tf.reduce_mean(tf.nn.softplus(logits))
        gradients_g = generator_tape.gradient(loss_g, self.generator.trainable_variables)
        gradients_d = discriminator_tape.gradient(loss_d, self.discriminator.trainable_variables)
        self._optimizers[0].apply_gradients(zip(gradients_g, self.generator.trainable_variables, strict=True))
        self._optimizers[1].apply_gradients(zip(gradients_d, self.discriminator.trainable_variables, strict=True))
        share = 1.0 - tf.minimum(self._ema, (1.0 + self._count) / (10.0 + self._count))
        for average, current in zip(self._average, self._averaged(), strict=True):
            average.assign_add((current - average) * share)
        self._count.assign_add(1.0)
        return loss_g, loss_d

    def _draw_and_update(self, real: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return self._update(real, tf.random.normal((self._batch, self.plan.latent)))

    def advance(self, rates: dict[str, np.ndarray]) -> tuple[float, float]:
        """Train as many steps as there are rates, by network, which are those of its schedule; the last losses."""
        for _ in rates["generator"]:
            losses = self._drawn_step(next(self._batches))
        return tuple(float(loss) for loss in losses)

    # --- what the check asks ----------------------------------------------------------------------------------------

    def load(self, generator: list[np.ndarray], discriminator: list[np.ndarray]) -> None:
        """Take weights as ours list them."""
        self.generator.set_weights(generator)
        stateful = len(self.discriminator.get_weights()) - len(discriminator)  # of dropout's generators
        assert stateful >= 0
        for layer in self.discriminator.layers:
            if layer.trainable_weights:
                own = [discriminator.pop(0) for _ in layer.trainable_weights]
                layer.set_weights(own)

    def make(self, latents: np.ndarray, *, training: bool) -> np.ndarray:
        """Images (n, h, w, c) of latents."""
        return self.generator(latents, training=training).numpy()

    def judge(self, images: np.ndarray) -> np.ndarray:
        """Logits (n,) of images, without dropout."""
        return self.discriminator(images, training=False).numpy()[:, 0]

    def given(self, real: np.ndarray, latents: np.ndarray, rate: float) -> tuple[float, float]:
        """One step on a given batch; the losses. `rate` must be that of the schedule."""
        return tuple(float(loss) for loss in self._train_step(tf.constant(real), tf.constant(latents)))
