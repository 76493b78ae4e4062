"""DINOv2 (Oquab et al. 2023), ViT-B/14 and ViT-L/14 without registers, native TensorFlow: features of FD- and KD-DINOv2.

The feature is the class token after the last normalisation, of images resized to 224x224, which dgm-eval (Stein et al.
2023) and EDM2 (Karras et al. 2024) take. A name ends in how images are resized, since the numbers depend on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.lazy import tf
from harness.metrics.extractor import FeaturesPart
from harness.metrics.features import dinov2_resampling as resampling
from harness.metrics.features import weights_files
from harness.metrics.features.weights_files import Release, WeightsError

PATCH = 14
GRID = 37  # patches per side of the images that the weights were trained for, 518x518
_EPSILON = 1e-6
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet
_MLP = 4  # hidden units for each of the width

Resize = Callable[[NDArray[np.uint8]], NDArray[np.uint8] | NDArray[np.float32]]


@dataclass(frozen=True)
class Architecture:
    """How wide tokens are, how many blocks there are, and how many heads attention has."""

    width: int
    depth: int
    heads: int

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of all tensors that features depend on, by the state dict's names, in TensorFlow's layout."""
        width, hidden = self.width, _MLP * self.width
        shapes: dict[str, tuple[int, ...]] = {
            "cls_token": (1, 1, width),
            "pos_embed": (1, 1 + GRID * GRID, width),
            "patch_embed.proj.weight": (PATCH, PATCH, 3, width),
            "patch_embed.proj.bias": (width,),
            "norm.weight": (width,),
            "norm.bias": (width,),
        }
        for index in range(self.depth):
            block = f"blocks.{index}"
            for layer, inputs, outputs in (
                ("attn.qkv", width, 3 * width),
                ("attn.proj", width, width),
                ("mlp.fc1", width, hidden),
                ("mlp.fc2", hidden, width),
            ):
                shapes |= {f"{block}.{layer}.weight": (inputs, outputs), f"{block}.{layer}.bias": (outputs,)}
            for vector in ("norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias", "ls1.gamma", "ls2.gamma"):
                shapes[f"{block}.{vector}"] = (width,)
        return shapes


class DinoV2:
    """The network as a feature extractor: `extractor(images)` is float32 (n, width)."""

    batch = 16  # images at a time

    def __init__(
        self,
        weights: Mapping[str, NDArray[np.floating]],
        architecture: Architecture,
        *,
        name: str,
        resize: Resize,
        sha256: str,
    ) -> None:
        """Prepare the weights; ValueError names a tensor that is missing or misshapen.

        The scales of attention and of each residual branch (LayerScale) are folded into the weights before them.
        """
        for tensor, shape in architecture.shapes().items():
            if tensor not in weights or tuple(weights[tensor].shape) != shape:
                state = "missing" if tensor not in weights else f"of shape {tuple(weights[tensor].shape)}"
                raise ValueError(f"DINOv2 weights: {tensor} is {state}, but must be of shape {shape}")
        self.name, self.sha256, self.dimensions = name, sha256, architecture.width
        self._heads, self._resize = architecture.heads, resize
        self._patches = {key: tf.constant(weights[f"patch_embed.proj.{key}"], tf.float32) for key in ("weight", "bias")}
        self._class, self._positions = self._tokens(weights, architecture)
        self._blocks = [_block(weights, f"blocks.{index}", architecture) for index in range(architecture.depth)]
        self._last = _vectors(weights, "norm")
        signature = [tf.TensorSpec((None, resampling.SIDE, resampling.SIDE, 3), tf.float32)]
        self._run = tf.function(self._network, input_signature=signature)

    @staticmethod
    def _tokens(weights: Mapping[str, NDArray[np.floating]], architecture: Architecture) -> tuple[tf.Tensor, tf.Tensor]:
        """The class token with its position added (1, 1, width), and the positions of patches (1, patches, width)."""
        stored = np.asarray(weights["pos_embed"], np.float32)
        grid = stored[0, 1:].reshape(GRID, GRID, architecture.width)
        patches = resampling.positions(grid, side=resampling.SIDE // PATCH)
        first = np.asarray(weights["cls_token"], np.float32) + stored[:, :1]
        return tf.constant(first), tf.constant(patches.reshape(1, -1, architecture.width))

    def __call__(self, images: NDArray[np.uint8] | NDArray[np.float32]) -> NDArray[np.float32]:
        """Features float32 (n, width) of uint8 images (n, h, w, 1 or 3), or of ones `reduced`; grey becomes colour."""
        reduced = images.dtype == np.float32 and images.shape[1:] == (resampling.SIDE, resampling.SIDE, 3)
        if not reduced and (images.ndim != 4 or images.dtype != np.uint8 or images.shape[-1] not in (1, 3)):
            raise ValueError(f"images are {images.dtype} {images.shape}, but allowed is uint8 (n, h, w, 1 or 3), n > 0")
        if not len(images):
            raise ValueError(f"images are {images.shape}, but at least one is needed")
        return np.concatenate([self._run(tf.constant(batch)).numpy() for batch in self._batches(images)])

    def reduced(self, image: NDArray[np.uint8]) -> NDArray[Any]:
        """One image (h, w, 1 or 3) as the network sees it before it is scaled: (224, 224, 3)."""
        return self._resize(image.repeat(3, axis=-1) if image.shape[-1] == 1 else image)

    def _batches(self, images: NDArray[Any]) -> Iterator[NDArray[np.float32]]:
        for first in range(0, len(images), self.batch):
            part = images[first : first + self.batch]
            resized = part if part.dtype == np.float32 else np.stack([self.reduced(image) for image in part])
            yield resized.astype(np.float32, copy=False)

    def _network(self, images: tf.Tensor) -> tf.Tensor:
        x = (images / 255.0 - _MEAN) / _DEVIATION
        x = tf.nn.conv2d(x, self._patches["weight"], PATCH, "VALID") + self._patches["bias"]
        x = tf.reshape(x, (tf.shape(x)[0], -1, self.dimensions)) + self._positions
        x = tf.concat([tf.repeat(self._class, tf.shape(x)[0], axis=0), x], axis=1)
        for block in self._blocks:
            x += self._attention(_normalised(x, block["norm1"]), block)
            x += _mlp(_normalised(x, block["norm2"]), block)
        return _normalised(x[:, 0], self._last)

    def _attention(self, x: tf.Tensor, block: Mapping[str, Any]) -> tf.Tensor:
        count, tokens = tf.shape(x)[0], tf.shape(x)[1]
        each = self.dimensions // self._heads
        mixed = tf.reshape(_dense(x, block["attn.qkv"]), (count, tokens, 3, self._heads, each))
        queries, keys, values = tf.unstack(tf.transpose(mixed, (2, 0, 3, 1, 4)))
        shares = tf.nn.softmax(tf.matmul(queries, keys, transpose_b=True))
        together = tf.transpose(tf.matmul(shares, values), (0, 2, 1, 3))
        return _dense(tf.reshape(together, (count, tokens, self.dimensions)), block["attn.proj"])


def _block(weights: Mapping[str, NDArray[np.floating]], name: str, architecture: Architecture) -> dict[str, Any]:
    """The tensors of one block; queries carry attention's scale, the last layer of each branch its LayerScale."""
    width = architecture.width
    scale = np.ones(3 * width)
    scale[:width] = (width // architecture.heads) ** -0.5
    scales: dict[str, NDArray[np.floating]] = {"attn.qkv": scale, "mlp.fc1": np.ones(_MLP * width)}
    scales |= {"attn.proj": weights[f"{name}.ls1.gamma"], "mlp.fc2": weights[f"{name}.ls2.gamma"]}
    made: dict[str, Any] = {layer: _scaled(weights, f"{name}.{layer}", factor) for layer, factor in scales.items()}
    return made | {norm: _vectors(weights, f"{name}.{norm}") for norm in ("norm1", "norm2")}


def _scaled(
    weights: Mapping[str, NDArray[np.floating]], name: str, factor: NDArray[np.floating]
) -> tuple[tf.Tensor, tf.Tensor]:
    """A dense layer whose outputs are multiplied by `factor`, one for each."""
    single = np.asarray(factor, np.float32)
    return tf.constant(weights[f"{name}.weight"] * single), tf.constant(weights[f"{name}.bias"] * single)


def _vectors(weights: Mapping[str, NDArray[np.floating]], name: str) -> tuple[tf.Tensor, tf.Tensor]:
    return tf.constant(weights[f"{name}.weight"], tf.float32), tf.constant(weights[f"{name}.bias"], tf.float32)


def _dense(x: tf.Tensor, layer: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
    return tf.matmul(x, layer[0]) + layer[1]


def _mlp(x: tf.Tensor, block: Mapping[str, Any]) -> tf.Tensor:
    return _dense(tf.nn.gelu(_dense(x, block["mlp.fc1"]), approximate=False), block["mlp.fc2"])


def _normalised(x: tf.Tensor, vectors: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
    """Layer normalisation over the width."""
    mean, variance = tf.nn.moments(x, -1, keepdims=True)
    return (x - mean) * tf.math.rsqrt(variance + _EPSILON) * vectors[0] + vectors[1]


@dataclass(frozen=True)
class _Size:
    """One published network: what it is called, its architecture, its release, and megabytes that it takes on a CPU."""

    words: str
    architecture: Architecture
    release: Release
    megabytes: float


def _release(network: str, letter: str, sha256: str) -> Release:
    name = f"dinov2_vit{letter}14_pretrain.pth"
    return Release(network, name, f"https://dl.fbaipublicfiles.com/dinov2/dinov2_vit{letter}14/{name}", sha256)


BASE = _Size(
    "DINOv2 ViT-B/14",
    Architecture(width=768, depth=12, heads=12),
    _release("DINOv2 ViT-B/14", "b", "0b8b82f85de91b424aded121c7e1dcc2b7bc6d0adeea651bf73a13307fad8c73"),
    1500.0,
)
LARGE = _Size(
    "DINOv2 ViT-L/14",
    Architecture(width=1024, depth=24, heads=16),
    _release("DINOv2 ViT-L/14", "l", "d5383ea8f4877b2472eb973e0fd72d557c7da5d3611bd527ceeb1d7162cbf428"),
    4000.0,
)


def load(path: str | Path | None, *, key: str, name: str, size: _Size, resize: Resize) -> DinoV2:
    """A network with weights from `path` (.pth or .npz), or from the public release's cache or download.

    Raises WeightsError with one sentence that says which file to put where, or what is wrong with the one at `path`,
    which `key` (a study's key or an option) named.
    """
    stored = weights_files.public(size.release, key=key) if path is None else weights_files.read(Path(path), key=key)
    try:
        return DinoV2(stored.tensors, size.architecture, name=name, resize=resize, sha256=stored.sha256)
    except ValueError as error:
        where = size.release.cached if path is None else path
        raise WeightsError(f"{key} is {where}, which does not fit: {error}") from error


def check_weights(path: Path, key: str) -> None:
    """Raise WeightsError if the file at `path`, which `key` named, cannot be opened or has another ending.

    Its content is read where the network is made: a gigabyte takes seconds.
    """
    weights_files.check(path, key=key)


def _declared(name: str, size: _Size, resize: Resize, text: str) -> FeaturesPart:
    return FeaturesPart(
        name=name,
        help=f"{size.words}, {text}",
        build=partial(load, name=name, size=size, resize=resize),
        memory=lambda *_: size.megabytes,
        dimensions=size.architecture.width,
        check_weights=check_weights,
        position=2000,  # after those that cost less
    )


_PILLOW = "any size, resized to 224x224 by Pillow's bicubic (FD- and KD-DINOv2 as dgm-eval)"
_FLOAT = "any size, resized to 224x224 by bicubic without rounding (FD-DINOv2 as EDM2 computes it by default)"
PARTS = (
    _declared("dinov2_vitb14_bicubic224", BASE, resampling.bicubic, _PILLOW),
    _declared("dinov2_vitl14_bicubic224", LARGE, resampling.bicubic, _PILLOW),
    _declared("dinov2_vitl14_bicubic224float", LARGE, resampling.bicubic_float, _FLOAT),
)
