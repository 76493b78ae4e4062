"""Feature networks by name: small classifiers that we trained (`scripts/train_classifier.py`), and Inception."""

from __future__ import annotations

import hashlib
import importlib.resources
import io
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from harness.metrics.catalogue import NETWORKS
from harness.metrics.extractor import Extractor

SIDES = {name: network.sides for name, network in NETWORKS.items() if network.sides}  # sizes a classifier takes
_CHUNK = 500  # images a call: one trace serves every number, and features do not depend on it


def load(name: str, *, weights: Path | None = None, key: str = "evaluate.weights") -> Extractor:
    """The feature network `name`: 'digits', 'fashion_mnist' or 'inception'.

    `weights` is a file for 'inception' only, `key` what its name was given as. Raises ValueError for another name, and
    whatever the weights' reader says.
    """
    if name == "inception":
        from harness.metrics import inception

        return inception.load(weights, key=key)
    if name not in SIDES:
        raise ValueError(f"features is '{name}', but allowed is one of: {', '.join([*SIDES, 'inception'])}")
    content = importlib.resources.files("harness.metrics").joinpath("weights", f"{name}.npz").read_bytes()
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        arrays = {key: stored[key].astype(np.float32) for key in stored.files}
    return Classifier(name, arrays, sha256=hashlib.sha256(content).hexdigest())


def logits(x: tf.Tensor, arrays: dict[str, Any]) -> tuple[tf.Tensor, tf.Tensor]:
    """Features (n, d) and logits (n, 10) of images in [0, 1]: three convolutions, each half as large as its input."""
    for place in ("1", "2", "3"):
        stride = 1 if place == "1" and int(x.shape[1]) <= 8 else 2
        x = tf.nn.conv2d(x, arrays[f"w{place}"], stride, "SAME")
        x = tf.nn.relu(tf.nn.bias_add(x, arrays[f"b{place}"]))
    x = tf.reshape(x, (-1, int(np.prod(x.shape[1:]))))
    features = tf.nn.relu(tf.matmul(x, arrays["w4"]) + arrays["b4"])
    return features, tf.matmul(features, arrays["w5"]) + arrays["b5"]


class Classifier:
    """The last hidden layer of a small classifier; colour images are averaged to grey, 32 pixels cut to 28."""

    def __init__(self, name: str, arrays: dict[str, NDArray[np.float32]], *, sha256: str) -> None:
        self.name, self.sha256 = name, sha256
        self.dimensions = int(arrays["w4"].shape[1])
        constants = {key: tf.constant(value) for key, value in arrays.items()}
        side = SIDES[name][0]
        self._side = side

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
        allowed = " or ".join(f"{side}x{side}" for side in SIDES[self.name])
        if images.ndim != 4 or images.dtype != np.uint8 or images.shape[-1] not in (1, 3) or not len(images):
            raise ValueError(f"images are {images.dtype} {images.shape}, but allowed is uint8 (n, h, w, 1 or 3), n > 0")
        height, width = images.shape[1:3]
        if height != width or height not in SIDES[self.name]:
            raise ValueError(f"images have {height}x{width} pixels, but features '{self.name}' take {allowed}")
        border = (height - self._side) // 2
        if border:
            images = images[:, border:-border, border:-border]
        return np.asarray(images.astype(np.float32).mean(axis=-1, keepdims=True), dtype=np.float32)
