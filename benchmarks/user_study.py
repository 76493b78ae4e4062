"""The quick study as its user would write it without this harness: Optuna around a Keras training loop and a SciPy FID.

`python -m benchmarks.user_study DATABASE --trials 4 [--threads 1]`. Every trial builds its models, optimizers and
compiled step, trains 2,000 steps, and scores 5,000 images at four points with raw and averaged weights. What a careful
user keeps over trials is kept: data, feature network, moments and kernel of the real images, evaluation latents. Several
processes may share the database, as Optuna's manual proposes.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from pathlib import Path

import numpy as np
import scipy.linalg

STEPS, BATCH, LATENT, GENERATED, POINTS, EMA = 2000, 64, 64, 5000, 4, 0.999


class Scores:
    """FID and KID of generated images against real ones; both of features of the same network as the harness'."""

    def __init__(self, extractor, real):
        self._extractor = extractor
        self._real = extractor(real).astype(np.float64)
        self._mean, self._covariance = self._real.mean(axis=0), np.cov(self._real, rowvar=False)
        self._within = self._mean_kernel(self._real)

    @staticmethod
    def _kernel(x, y):
        return (x @ y.T / x.shape[1] + 1.0) ** 3

    def _mean_kernel(self, x):
        kernel = self._kernel(x, x)
        return (kernel.sum() - np.trace(kernel)) / (len(x) * (len(x) - 1))

    def __call__(self, images):
        features = self._extractor(images).astype(np.float64)
        covariance = np.cov(features, rowvar=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # SciPy's of a product that lacks rank
            root = scipy.linalg.sqrtm(covariance @ self._covariance).real
        gap = features.mean(axis=0) - self._mean
        return {
            "fid": float(gap @ gap + np.trace(covariance) + np.trace(self._covariance) - 2 * np.trace(root)),
            "kid": float(self._within + self._mean_kernel(features) - 2 * self._kernel(self._real, features).mean()),
        }


def generator():
    """A compact DCGAN's generator, 8x8x1."""
    import keras
    from keras import layers

    normal = keras.initializers.RandomNormal(stddev=0.02)
    return keras.Sequential(
        [
            keras.Input((LATENT,)),
            layers.Dense(4 * 4 * 32, kernel_initializer=normal),
            layers.Reshape((4, 4, 32)),
            layers.BatchNormalization(momentum=0.9),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Conv2DTranspose(16, 4, 2, padding="same", kernel_initializer=normal),
            layers.BatchNormalization(momentum=0.9),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Conv2D(1, 3, padding="same", activation="tanh", kernel_initializer=normal),
        ]
    )


def discriminator():
    """Its discriminator, to one logit."""
    import keras
    from keras import layers

    normal = keras.initializers.RandomNormal(stddev=0.02)
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(32, 4, 2, padding="same", kernel_initializer=normal),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Flatten(),
            layers.Dense(1, kernel_initializer=normal),
        ]
    )


def schedule(trial):
    """The learning rate, as a Keras schedule."""
    from keras.optimizers import schedules

    peak = trial.suggest_float("peak", 5e-4, 2e-2, log=True)
    kind = trial.suggest_categorical("schedule", ["constant", "linear", "exponential"])
    if kind == "linear":
        return schedules.PolynomialDecay(peak, STEPS, end_learning_rate=0.0)
    if kind == "exponential":
        return schedules.ExponentialDecay(peak, STEPS, trial.suggest_float("final", 0.01, 0.3, log=True))
    return peak


def train(trial, images, latents, scores):
    """Train one GAN; the final FID of the raw weights."""
    import keras
    import tensorflow as tf

    make, judge, averaged = generator(), discriminator(), generator()
    rate = schedule(trial)
    adam_make = keras.optimizers.Adam(rate, beta_1=0.5)
    adam_judge = keras.optimizers.Adam(rate, beta_1=0.5)
    averaged.set_weights(make.get_weights())
    entropy = keras.losses.BinaryCrossentropy(from_logits=True)
    batches = (
        tf.data.Dataset.from_tensor_slices(images.astype(np.float32) / 127.5 - 1.0)
        .cache()
        .shuffle(len(images))
        .repeat()
        .batch(BATCH, drop_remainder=True)
        .prefetch(tf.data.AUTOTUNE)
    )

    @tf.function
    def train_step(real, decay):
        with tf.GradientTape() as tape_make, tf.GradientTape() as tape_judge:
            fake = make(tf.random.normal((BATCH, LATENT)), training=True)
            of_real, of_fake = judge(real, training=True), judge(fake, training=True)
            loss_make = entropy(tf.ones_like(of_fake), of_fake)
            loss_judge = entropy(tf.ones_like(of_real), of_real) + entropy(tf.zeros_like(of_fake), of_fake)
        gradients_make = tape_make.gradient(loss_make, make.trainable_variables)
        gradients_judge = tape_judge.gradient(loss_judge, judge.trainable_variables)
        adam_make.apply_gradients(zip(gradients_make, make.trainable_variables, strict=True))
        adam_judge.apply_gradients(zip(gradients_judge, judge.trainable_variables, strict=True))
        for average, weight in zip(averaged.variables, make.variables, strict=True):
            average.assign(decay * average + (1.0 - decay) * weight)

    found = {}
    for step, real in enumerate(batches.take(STEPS)):
        train_step(real, tf.constant(min(EMA, (1 + step) / (10 + step)), tf.float32))
        if (step + 1) % (STEPS // POINTS) == 0:
            for name, model in (("", make), ("_ema", averaged)):
                made = model.predict(latents, batch_size=500, verbose=0)
                made = np.clip(np.round(made * 127.5 + 127.5), 0, 255).astype(np.uint8)
                found |= {f"{metric}{name}": value for metric, value in scores(made).items()}
            trial.report(found["fid"], step + 1)
    for name, value in found.items():
        trial.set_user_attr(name, value)
    return found["fid"]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("database", type=Path)
    options.add_argument("--trials", type=int, default=4)
    options.add_argument("--threads", type=int, default=0, help="0: as TensorFlow likes")
    chosen = options.parse_args()
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    import optuna
    import tensorflow as tf
    from threadpoolctl import threadpool_limits

    from harness import data
    from harness.metrics import features
    from harness.spec.models import DataSpec

    if chosen.threads:
        tf.config.threading.set_intra_op_parallelism_threads(chosen.threads)
        tf.config.threading.set_inter_op_parallelism_threads(chosen.threads)
        threadpool_limits(chosen.threads)
    images = data.load(DataSpec(name="digits")).train
    scores = Scores(features.load("digits"), images)
    latents = np.random.default_rng(0).standard_normal((GENERATED, LATENT), dtype=np.float32)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(study_name="user", storage=f"sqlite:///{chosen.database}", load_if_exists=True)
    print(time.time(), flush=True)
    study.optimize(lambda trial: train(trial, images, latents, scores), n_trials=chosen.trials)
    print(time.time(), flush=True)


if __name__ == "__main__":
    main()
