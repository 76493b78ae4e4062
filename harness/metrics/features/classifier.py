"""The first small classifiers that we trained, each for one data set; `harness features train` makes later ones (`own.compact`).

A script made their weights, which the command took the place of: `git log -- scripts/train_classifier.py` has it.
"""

from __future__ import annotations

import hashlib
import importlib.resources
import io
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.lazy import tf
from harness.metrics.extractor import FeaturesPart, squares

_CHUNK = 500  # images per call: one trace serves every number, and features do not depend on it


def logits(x: tf.Tensor, arrays: dict[str, Any]) -> tuple[tf.Tensor, tf.Tensor]:
    """Features (n, d) and logits (n, 10) of images in [0, 1]: three convolutions, each half as large as its input."""
    for layer in ("1", "2", "3"):
        stride = 1 if layer == "1" and int(x.shape[1]) <= 8 else 2
        x = tf.nn.conv2d(x, arrays[f"w{layer}"], stride, "SAME")
        x = tf.nn.relu(tf.nn.bias_add(x, arrays[f"b{layer}"]))
    x = tf.reshape(x, (-1, int(np.prod(x.shape[1:]))))
    features = tf.nn.relu(tf.matmul(x, arrays["w4"]) + arrays["b4"])
    return features, tf.matmul(features, arrays["w5"]) + arrays["b5"]


class Classifier:
    """The last hidden layer of a small classifier; colour images are averaged to grey, 32 pixels cut to 28."""

    def __init__(
        self, name: str, arrays: dict[str, NDArray[np.float32]], *, sides: tuple[int, ...], sha256: str
    ) -> None:
        """`sides` are the heights (= widths) of images that it takes, the first of them its own."""
        self.name, self.sha256 = name, sha256
        self.dimensions = int(arrays["w4"].shape[1])
        constants = {key: tf.constant(value) for key, value in arrays.items()}
        side = sides[0]
        self._side, self._sides = side, sides

        def run(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return logits(tf.cast(images, tf.float32) * (1.0 / 255.0), constants)

        self._run = tf.function(run, input_signature=[tf.TensorSpec((_CHUNK, side, side, 1), tf.float32)])

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features float32 (n, d) of uint8 images (n, h, w, 1 or 3); ValueError says which sizes are allowed."""
        return self._outputs(images)[0]

    def classify(self, images: NDArray[np.uint8]) -> NDArray[np.int64]:
        """The class of each image."""
        return np.asarray(self._outputs(images)[1].argmax(axis=1), dtype=np.int64)

    def _outputs(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        prepared = self._prepare(images)
        n = len(prepared)
        filled = np.concatenate([prepared, np.zeros((-n % _CHUNK, *prepared.shape[1:]), np.float32)])
        parts = [self._run(tf.constant(filled[first : first + _CHUNK])) for first in range(0, n, _CHUNK)]
        features = np.concatenate([part[0].numpy() for part in parts])[:n]
        return features, np.concatenate([part[1].numpy() for part in parts])[:n]

    def _prepare(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        allowed = " or ".join(f"{side}x{side}" for side in self._sides)
        if images.ndim != 4 or images.dtype != np.uint8 or images.shape[-1] not in (1, 3) or not len(images):
            raise ValueError(f"images are {images.dtype} {images.shape}, but allowed is uint8 (n, h, w, 1 or 3), n > 0")
        height, width = images.shape[1:3]
        if height != width or height not in self._sides:
            raise ValueError(f"images have {height}x{width} pixels, but features '{self.name}' take {allowed}")
        border = (height - self._side) // 2
        if border:
            images = images[:, border:-border, border:-border]
        return np.asarray(images.astype(np.float32).mean(axis=-1, keepdims=True), dtype=np.float32)


def load(name: str, *, sides: tuple[int, ...]) -> Classifier:
    """The classifier `name` with the weights that ship with the package."""
    content = importlib.resources.files("harness.metrics").joinpath("weights", f"{name}.npz").read_bytes()
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        arrays = {key: stored[key].astype(np.float32) for key in stored.files}
    return Classifier(name, arrays, sides=sides, sha256=hashlib.sha256(content).hexdigest())


def _declared(name: str, *, sides: tuple[int, ...], dimensions: int, text: str) -> FeaturesPart:
    return FeaturesPart(
        name=name,
        help=text,
        build=partial(load, name, sides=sides),
        fits=squares(*sides),
        dimensions=dimensions,
        trained_on=name,
    )


PARTS = (
    _declared("digits", sides=(8,), dimensions=64, text="our small classifier of handwritten digits, 8x8"),
    _declared(
        "fashion_mnist",
        sides=(28, 32),
        dimensions=96,
        text="our small classifier of Fashion-MNIST, 28x28 or padded to 32x32",
    ),
)
