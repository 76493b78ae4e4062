"""A compact network as one .npz file: its arrays as float16, and what is known of it as JSON; read as data alone."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from harness.lazy import tf
from harness.metrics.extractor import FeaturesPart, Trained
from harness.metrics.own.compact import LARGEST, SMALLEST, Architecture
from harness.metrics.own.network import FeaturesFilePart, FileError, FileNetwork

Arrays = Mapping[str, NDArray[Any]]
FORMAT = 1
CLASSES, TURNS = "classes", "turns"


@dataclass(frozen=True)
class About:
    """What a file says of its network.

    `name` says what its images are. `task` is what it was trained to tell: classes, or by how much an image was turned. `accuracy`
    is the share of `held_out` images (and all their turns) of which it tells that rightly. `fingerprint` is that of a study's data with the same
    images. `sanity` says of each damage whether Fréchet distances of the features see it.
    """

    name: str
    task: str
    architecture: Architecture
    accuracy: float
    train: int
    held_out: int
    fingerprint: str
    seed: int
    epochs: int
    mirror: bool
    harness: str
    classes: tuple[str, ...] = ()
    sanity: tuple[Mapping[str, Any], ...] = ()

    @property
    def chance(self) -> float:
        """The accuracy of a guess."""
        return 1.0 / self.architecture.outputs

    def with_measured(self, *, accuracy: float, sanity: Sequence[Mapping[str, Any]]) -> Self:
        """The same with what was measured."""
        return replace(self, accuracy=accuracy, sanity=tuple(sanity))

    @property
    def blind(self) -> list[str]:
        """The damages that Fréchet distances of the features do not see."""
        return [str(each["damage"]) for each in self.sanity if not each["seen"]]


def write(about: About, arrays: Arrays) -> bytes:
    """The content of a file; the same of the same network."""
    text = json.dumps({"format": FORMAT, **asdict(about)}, sort_keys=True)
    buffer = io.BytesIO()
    stored = {name: np.asarray(array, np.float16) for name, array in arrays.items()}
    np.savez_compressed(buffer, about=np.frombuffer(text.encode(), np.uint8), **stored)  # type: ignore[arg-type]
    return buffer.getvalue()


def read(content: bytes) -> tuple[About, dict[str, NDArray[np.float32]]]:
    """What `write` wrote; raises FileError in words that follow the file's name."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            about = _about(json.loads(stored["about"].tobytes().decode())) if "about" in stored.files else None
            if about is None:
                raise FileError("which is none that `harness features train` wrote: it says nothing about a network")
            shapes = about.architecture.shapes()
            if shapes != {name: stored[name].shape for name in stored.files if name != "about"}:
                raise FileError("which is damaged: its arrays are not those of the network that it says it holds")
            arrays = {name: stored[name].astype(np.float32) for name in shapes}
    except FileError:
        raise
    except Exception as error:  # whatever a damaged file makes a parser raise
        raise FileError(f"which cannot be read as a network ({type(error).__name__}); it is damaged") from error
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise FileError("which is damaged: it has weights that are no finite numbers")
    return about, arrays


def _about(values: dict[str, Any]) -> About:
    version = values.pop("format", None)
    if version != FORMAT:
        raise FileError(f"which is of format {version}, but this version reads format {FORMAT}")
    architecture = Architecture(**values.pop("architecture"))
    sizes = (architecture.side, architecture.channels, architecture.width, architecture.outputs)
    if not all(type(size) is int for size in sizes) or not (
        SMALLEST <= architecture.side <= LARGEST
        and architecture.channels in (1, 3)
        and 1 <= architecture.width <= 1024
        and 2 <= architecture.outputs <= 100_000
    ):
        raise FileError("which is damaged: it says sizes that no network has")
    return About(
        architecture=architecture,
        classes=tuple(values.pop("classes")),
        sanity=tuple(values.pop("sanity")),
        **values,
    )


class Compact(FileNetwork):
    """A compact network that ran from a file's arrays: features, and what it takes images for."""

    def __init__(self, name: str, about: About, arrays: Arrays, *, sha256: str) -> None:
        architecture = about.architecture
        constants = {key: tf.constant(value, tf.float32) for key, value in arrays.items()}

        def unit(x: tf.Tensor, layer: str, stride: int) -> tf.Tensor:
            x = tf.nn.conv2d(x, constants[f"{layer}.kernel"], stride, "SAME")
            return tf.nn.relu(tf.nn.bias_add(x, constants[f"{layer}.offset"]))

        shape = (None, architecture.side, architecture.side, architecture.channels)
        compiled = tf.function(
            lambda x: architecture.features(x, unit), input_signature=[tf.TensorSpec(shape, tf.float32)]
        )
        super().__init__(
            name,
            lambda x: np.asarray(compiled(tf.constant(x))),
            sha256=sha256,
            dimensions=architecture.dimensions,
            side=architecture.side,
            channels=architecture.channels,
            scaling="0..1",
        )
        self._last = (np.asarray(arrays["last.kernel"], np.float32), np.asarray(arrays["last.offset"], np.float32))

    def classify(self, images: NDArray[np.uint8]) -> NDArray[np.int64]:
        """The class, or number of quarter turns, of each image."""
        kernel, offset = self._last
        return np.asarray((self(images) @ kernel + offset).argmax(axis=1), dtype=np.int64)


def load(name: str, content: bytes) -> Compact:
    """The network of a file's content, under the name that scores have; raises FileError as `read`."""
    about, arrays = read(content)
    return Compact(name, about, arrays, sha256=hashlib.sha256(content).hexdigest())


def part(name: str, content: bytes) -> FeaturesPart:
    """The declaration of a network in a file."""
    about, _ = read(content)
    return FeaturesPart(
        name=name,
        help=f"your own network of {about.name}",
        build=partial(load, name, content),
        dimensions=about.architecture.dimensions,
        trained=Trained(about.name, about.fingerprint),
    )


PART = FeaturesFilePart(
    name="npz", help="a compact network that `harness features train` made of your images", build=part
)
