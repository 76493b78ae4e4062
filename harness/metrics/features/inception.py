"""The Inception network of 2015-12-05 behind published FIDs, native TensorFlow, features equal to torch-fidelity's.

It differs from torchvision's and Keras' Inception-v3: TensorFlow 1's bilinear resize to 299 (no half pixels, no
antialiasing), (x - 128) / 128, 1008 classes, average pools that leave padding out, and a max pool in the pool branch of
the last block. Batch normalisation is folded into the convolutions.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.lazy import tf
from harness.metrics.extractor import FeaturesPart
from harness.metrics.features import inception_graph, weights_files
from harness.metrics.features.inception_architecture import BLOCKS, STEM, Block, Branch, Unit, shapes, units
from harness.metrics.features.weights_files import Release, WeightsError

_FILE = "pt_inception-2015-12-05-6726825d.pth"
RELEASE = Release(
    "Inception",
    _FILE,
    f"https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/{_FILE}",
    "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
)
READERS = {".pb": lambda stream: inception_graph.constants(stream.read())}
SIDE = 299
BATCH = 32
DIMENSIONS = 2048
_EPSILON = 1e-3


@dataclass(frozen=True)
class Features:
    """What the network gives: pooled features (n, 2048), and logits without bias (n, 1008) for Inception Score."""

    pooled: NDArray[np.float32]
    logits: NDArray[np.float32]


class Inception:
    """The network as a feature extractor: `extractor(images)` is float32 (n, 2048)."""

    name = "inception"
    dimensions = DIMENSIONS
    batch = BATCH  # images at a time

    def __init__(self, weights: Mapping[str, NDArray[np.floating]], *, sha256: str) -> None:
        """Fold batch normalisation into the convolutions; ValueError names a tensor that is missing or misshapen."""
        for name, shape in shapes().items():
            if name not in weights or tuple(weights[name].shape) != shape:
                state = "missing" if name not in weights else f"of shape {tuple(weights[name].shape)}"
                raise ValueError(f"Inception weights: {name} is {state}, but must be of shape {shape}")
        self.sha256 = sha256
        self._kernels, self._offsets = {}, {}
        for unit in units():
            part = {key: np.asarray(weights[f"{unit.name}.bn.{key}"], np.float64) for key in _NORMALISATION}
            scale = part["weight"] / np.sqrt(part["running_var"] + _EPSILON)
            kernel = np.asarray(weights[f"{unit.name}.conv.weight"], np.float64) * scale
            self._kernels[unit.name] = tf.constant(kernel, tf.float32)
            self._offsets[unit.name] = tf.constant(part["bias"] - part["running_mean"] * scale, tf.float32)
        self._classes = tf.constant(weights["fc.weight"], tf.float32)
        signature = [tf.TensorSpec((None, None, None, 3), tf.uint8)]
        self._run = tf.function(lambda images: self._network(self._prepare(images)), input_signature=signature)
        resized = [tf.TensorSpec((None, SIDE, SIDE, 3), tf.float32)]
        self._run_resized = tf.function(lambda images: self._network(_scaled(images)), input_signature=resized)

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Pooled features float32 (n, 2048) of uint8 images (n, h, w, 1 or 3); grey is repeated to colour."""
        return self.outputs(images).pooled

    def reduced(self, image: NDArray[np.uint8]) -> NDArray[np.uint8 | np.float32]:
        """One image (h, w, 1 or 3) as little as `outputs` needs of it: a large one resized to float32 (299, 299, 3)."""
        if image.shape[0] * image.shape[1] <= SIDE * SIDE:
            return image
        return _ready(image)

    def outputs(self, images: NDArray[np.uint8] | Sequence[NDArray[np.uint8 | np.float32]]) -> Features:
        """Features and logits of uint8 images (n, h, w, 1 or 3), or of a list of images of any sizes, some `reduced`."""
        if not isinstance(images, np.ndarray):
            if len({(image.shape, image.dtype) for image in images}) > 1 or images[0].dtype != np.uint8:
                return self._outputs_of_many_sizes(images)
            images = np.stack([image.astype(np.uint8, copy=False) for image in images])
        if images.ndim != 4 or images.dtype != np.uint8 or images.shape[-1] not in (1, 3) or not len(images):
            raise ValueError(f"images are {images.dtype} {images.shape}, but allowed is uint8 (n, h, w, 1 or 3), n > 0")
        colour = images.repeat(3, axis=-1) if images.shape[-1] == 1 else images
        parts = [self._run(tf.constant(colour[first : first + BATCH])) for first in range(0, len(colour), BATCH)]
        pooled = np.concatenate([part[0].numpy() for part in parts])
        return Features(pooled, np.concatenate([part[1].numpy() for part in parts]))

    def _outputs_of_many_sizes(self, images: Sequence[NDArray[np.uint8 | np.float32]]) -> Features:
        parts = []
        for first in range(0, len(images), BATCH):
            ready = [_ready(image) for image in images[first : first + BATCH]]
            parts.append(self._run_resized(tf.constant(np.stack(ready))))
        return Features(*(np.concatenate([part[output].numpy() for part in parts]) for output in (0, 1)))

    def _network(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        for index, unit in enumerate(STEM):
            x = self._unit(x, unit)
            if index in (2, 4):
                x = tf.nn.max_pool2d(x, 3, 2, "VALID")
        for block in BLOCKS:
            x = self._block(x, block)
        pooled = tf.reduce_mean(x, axis=(1, 2))
        return pooled, tf.matmul(pooled, self._classes)

    def _prepare(self, images: tf.Tensor) -> tf.Tensor:
        return _scaled(_resized(tf.cast(images, tf.float32)))

    def _unit(self, x: tf.Tensor, unit: Unit) -> tf.Tensor:
        y = tf.nn.conv2d(x, self._kernels[unit.name], unit.stride, unit.padding)
        return tf.nn.relu(tf.nn.bias_add(y, self._offsets[unit.name]))

    def _branch(self, x: tf.Tensor, branch: Branch) -> tf.Tensor:
        for unit in branch:
            x = self._unit(x, unit)
        return x

    def _block(self, x: tf.Tensor, block: Block) -> tf.Tensor:
        parts = [self._branch(x, branch) for branch in block.branches]
        for branch, ends in block.forks:
            trunk = self._branch(x, branch)
            parts.append(tf.concat([self._unit(trunk, end) for end in ends], -1))
        parts.append(self._branch(self._pool(x, block.pool), block.pooled))
        return tf.concat(parts, -1)

    def _pool(self, x: tf.Tensor, kind: str | None) -> tf.Tensor:
        if kind == "reduce":
            return tf.nn.max_pool2d(x, 3, 2, "VALID")
        if kind == "max":
            return tf.nn.max_pool2d(x, 3, 1, "SAME")
        return tf.nn.avg_pool2d(x, 3, 1, "SAME")  # TensorFlow's 'same' leaves the padding out of the mean


def _resized(images: tf.Tensor) -> tf.Tensor:
    """Images (n, h, w, c) as float32 (n, 299, 299, c), as TensorFlow 1 resizes: no half pixels, no antialiasing."""
    return tf.raw_ops.ResizeBilinear(images=images, size=[SIDE, SIDE], align_corners=False, half_pixel_centers=False)


def _scaled(resized: tf.Tensor) -> tf.Tensor:
    return (resized - 128.0) * 0.0078125


def _ready(image: NDArray[np.uint8 | np.float32]) -> NDArray[np.float32]:
    """One image as float32 (299, 299, 3), whether reduced before or not."""
    if image.dtype == np.uint8:
        with tf.device("CPU"):  # each pixel for itself: the same values as in a batch
            image = _resized(tf.constant(image[None])).numpy()[0]
    return np.asarray(image.repeat(3, axis=-1) if image.shape[-1] == 1 else image, np.float32)


_NORMALISATION = ("weight", "bias", "running_mean", "running_var")


def load(path: str | Path | None = None, *, key: str = "evaluate.weights") -> Inception:
    """The network with weights from `path` (.pth, .pb or .npz), or from the public release's cache or download.

    Raises WeightsError with one sentence that says which file to put where, or what is wrong with
    the one at `path`, which `key` (a study's key or an option) named.
    """
    if path is None:
        stored = weights_files.public(RELEASE, key=key)
        return Inception(stored.tensors, sha256=stored.sha256)
    stored = weights_files.read(Path(path), key=key, further=READERS)
    try:
        return Inception(stored.tensors, sha256=stored.sha256)
    except ValueError as error:
        raise WeightsError(f"{key} is {path}, which does not fit: {error}") from error


def random_weights(seed: int) -> dict[str, NDArray[np.float32]]:
    """Deterministic weights that keep activations of order 1, drawn as torch-fidelity's state dict in sorted order.

    For tests of equality between implementations: any of them can make the same weights from the seed.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    weights = {}
    for name, shape in sorted(shapes().items()):
        if name.endswith("conv.weight"):
            height, width, inputs, outputs = shape
            drawn = rng.standard_normal((outputs, inputs, height, width))
            value = (drawn * np.sqrt(2.0 / (inputs * height * width))).astype(np.float32).transpose(2, 3, 1, 0)
        elif name.endswith(("bn.weight", "running_var")):
            value = rng.uniform(0.8, 1.2, shape).astype(np.float32)
        elif name == "fc.weight":
            value = (rng.standard_normal(shape[::-1]) / np.sqrt(shape[0])).astype(np.float32).T
        else:
            value = (rng.standard_normal(shape) * 0.1).astype(np.float32)
        weights[name] = np.ascontiguousarray(value)
    return weights


def digest(weights: Mapping[str, NDArray[np.floating]]) -> str:
    """SHA-256 (hex) of weights in memory, by name."""
    hashed = hashlib.sha256()
    for name in sorted(weights):
        hashed.update(f"{name}:{zlib.crc32(np.ascontiguousarray(weights[name]).tobytes())}".encode())
    return hashed.hexdigest()


def check_weights(path: Path, key: str) -> None:
    """Raise WeightsError if the file at `path`, which `key` named, cannot be read as weights.

    A frozen graph is only looked for, since TensorFlow reads it.
    """
    if path.suffix == ".pb":
        weights_files.check(path, key=key, further=READERS)
    else:
        weights_files.read(path, key=key, further=READERS)


PART = FeaturesPart(
    name="inception",
    help="the Inception network of 2015-12-05 (FID and KID as published), any size",
    build="harness.metrics.features.inception:load",
    memory=lambda *_: 1500.0,  # measured on CPU
    dimensions=DIMENSIONS,
    check_weights=check_weights,
)
