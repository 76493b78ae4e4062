"""A user's own files, as docs/own_code.md shows them, and a study of two steps that names all of them."""

MINE = """
import keras
import numpy as np
import tensorflow as tf

from harness.metrics.metric import MetricPart
from harness.metrics.extractor import FeaturesPart
from harness.models.gan.loss import NoPenalty
from harness.models.model import AugmentationPart, LossPart, PenaltyPart

L = keras.layers


def build(shape, latent, width=8):
    base = shape[0] // 4
    generator = keras.Sequential([
        keras.Input((latent,)), L.Dense(base * base * width), L.Reshape((base, base, width)), L.BatchNormalization(),
        L.LeakyReLU(negative_slope=0.2), L.UpSampling2D(4), L.Conv2D(shape[2], 3, padding="same", activation="tanh"),
    ])
    discriminator = keras.Sequential([
        keras.Input(shape), L.Conv2D(width, 4, 2, padding="same"), L.LeakyReLU(negative_slope=0.2), L.Dropout(0.3),
        L.Flatten(), L.Dense(1),
    ])
    return {"generator": generator, "discriminator": discriminator}


class Autoencoder:
    latent = 8

    def __init__(self, width=16):
        self.width = width

    def networks(self, shape):
        size = int(np.prod(shape))
        encoder = keras.Sequential([keras.Input(shape), L.Flatten(), L.Dense(self.width, "relu"), L.Dense(self.latent)])
        decoder = keras.Sequential([keras.Input((self.latent,)), L.Dense(size, "tanh"), L.Reshape(shape)])
        return {"encoder": encoder, "decoder": decoder}

    def losses(self, net, images, draw):
        code = net["encoder"](images)
        noisy = code + 0.1 * draw.normal(tf.shape(code))
        return {"fit": tf.reduce_mean(tf.square(net["decoder"](noisy) - images))}

    def sample(self, net, latents):
        return net["decoder"](latents)


class Softened(NoPenalty):
    def discriminator(self, real, fake):
        return tf.reduce_mean(tf.nn.softplus(0.9 - real)) + tf.reduce_mean(tf.nn.softplus(fake))

    def generator(self, real, fake):
        return tf.reduce_mean(tf.nn.softplus(-fake))


class Drift:
    per_example = False

    def __call__(self, critic, real, fake, draw):
        return 0.001 * tf.reduce_mean(tf.square(critic(real)))


def noisy(images, draw):
    return images + 0.1 * draw.normal(tf.shape(images))


class Brightness:
    def prepare(self, real):
        return float(np.mean(real.sample.features))

    def score(self, sample, prepared):
        return float(np.mean(sample.features)) / prepared

    def protocol(self, real):
        return f"{real.generated} images"


class Pixels:
    name, sha256, dimensions = "pixels", "0" * 64, 4

    def __call__(self, images):
        flat = images.reshape(len(images), 4, -1).astype(np.float32)
        return flat.mean(axis=2) / 255.0 + 0.01 * flat.std(axis=2)


PARTS = (
    LossPart(name="softened", help="logistic loss with a margin", build=lambda settings: Softened()),
    PenaltyPart(name="drift", help="logits stay near 0", build=lambda settings: Drift()),
    AugmentationPart(name="noisy", help="instance noise", build=lambda settings: noisy),
    FeaturesPart(name="pixels", help="means and deviations of four bands", dimensions=4, build=Pixels),
    MetricPart(
        name="brightness", title="brightness", help="mean feature, relative", direction="one", needs="features",
        optional=True, build=Brightness,
    ),
)
"""

WAVES = '''
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from harness.kinds import number
from harness.schedules import ShapePart


@dataclass(frozen=True)
class Waves:
    """A cosine of several periods."""

    kind: ClassVar[str] = "waves"
    rises: ClassVar[bool] = True
    periods: int = number(2, low=1, high=9, text="number of periods")

    def __call__(self, progress):
        return 0.5 + 0.5 * np.cos(2.0 * np.pi * self.periods * progress)


PART = ShapePart.of(Waves)
'''

STUDY = """
name = "{name}"
[data]
name = "digits"
[network]
file = "mine.py"
{network}
[train]
steps = 2
batch = 16
{train}
[evaluate]
features = "mine.py:pixels"
metrics = ["mine.py:brightness"]
generated = 100
points = 1
[space]
peak = 1e-3
[schedules.constant]
[schedules.waves]
kind = "waves.py"
periods = 3
[search]
trials = 0
[confirm]
seeds = 2
{more}
"""


EVERY_PART = """
loss = "mine.py:softened"
penalties = ["r1", "mine.py:drift"]
augment = ["mine.py:noisy"]
"""


def write(
    folder, *, name="own", network="options = { width = 4 }\nlatent = 8", train='loss = "mine.py:softened"', more=""
):
    """The files and the study in `folder`; returns the study file's path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mine.py").write_text(MINE, encoding="utf-8")
    (folder / "waves.py").write_text(WAVES, encoding="utf-8")
    path = folder / f"{name}.toml"
    path.write_text(STUDY.format(name=name, network=network, train=train, more=more), encoding="utf-8")
    return path
