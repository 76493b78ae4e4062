"""A feature network made of a folder of images, from its images to the content of its file, with what it is worth."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.data import DataError, ImageSet
from harness.lazy import tf
from harness.metrics import native_output, sanity
from harness.metrics.own import compact_file, material, training
from harness.metrics.own.compact import Architecture
from harness.metrics.own.compact_file import CLASSES, TURNS, About, Compact
from harness.metrics.own.training import Progress, Recipe
from harness.version import __version__

WIDTH, NARROWEST, WIDEST = 24, 4, 128


@dataclass(frozen=True)
class Request:
    """What is asked for; None is an option that was not given."""

    folder: Path
    held_out: Path | None = None
    size: int | None = None
    width: int = WIDTH
    epochs: int | None = None
    seed: int = 1
    mirror: bool = False
    name: str | None = None


@dataclass(frozen=True)
class Made:
    """A file's content, and what it says of its network."""

    about: About
    content: bytes

    @property
    def sha256(self) -> str:
        """What the file is told by (hex)."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def cautions(self) -> list[str]:
        """What speaks against its use, one sentence each."""
        about, found = self.about, []
        if about.task == TURNS and about.accuracy < 0.5:
            found.append(
                f"it tells turns of only {about.accuracy:.0%} of the held-out images: images without an upright teach it little, "
                "and its features may be hardly better than those of random weights"
            )
        if about.task == CLASSES and about.accuracy < 2 * about.chance:
            found.append(f"it tells classes of only {about.accuracy:.0%} of the held-out images: it has learnt little")
        if about.blind:
            found.append(f"Fréchet distances of its features do not see: {', '.join(about.blind)}")
        return found


def make(request: Request, *, say: Callable[[str], None], progress: Progress) -> Made:
    """Read, train, measure; raises DataError for images or sizes that cannot be used. `say` hears what was read."""
    if not NARROWEST <= request.width <= WIDEST:
        raise DataError(f"--width is {request.width}, but allowed is {NARROWEST} to {WIDEST} channels")
    read = material.read(request.folder, held_out=request.held_out, size=request.size, name=request.name)
    images = read.images
    height, width, channels = images.train.shape[1:]
    what = f"{len(read.classes)} classes" if read.classes else "no classes: it learns to tell how an image was turned"
    say(f"{read.title}: {len(images.train):,} + {len(images.held_out):,} images of {height}x{width}x{channels}; {what}")
    with native_output.silenced():
        tf.zeros(())  # TensorFlow starts
    outputs = len(read.classes) or training.TURNS
    architecture = Architecture(side=height, channels=channels, width=request.width, outputs=outputs)
    recipe = Recipe(request.epochs or training.default_epochs(len(images.train)), request.seed, request.mirror)
    labels = images.train_labels if read.classes else None
    arrays = training.train(architecture, images.train, labels, recipe, progress=progress)
    about = About(
        name=read.title,
        task=CLASSES if read.classes else TURNS,
        architecture=architecture,
        accuracy=0.0,
        train=len(images.train),
        held_out=len(images.held_out),
        fingerprint=images.fingerprint,
        seed=recipe.seed,
        epochs=recipe.epochs,
        mirror=recipe.mirror,
        harness=__version__,
        classes=read.classes,
    )
    return measured(about, arrays, images)


def measured(about: About, arrays: training.Arrays, images: ImageSet) -> Made:
    """A network with its accuracy on held-out images, and which damages to real images it sees."""
    network = Compact(about.name, about, arrays, sha256="")
    chosen, places = sanity.pool((images.train, images.held_out), dimensions=network.dimensions)
    labels = None
    if images.train_labels is not None and images.held_out_labels is not None:
        labels = np.concatenate([images.train_labels, images.held_out_labels])[places]
    damages = sanity.measure(network, chosen, labels=labels)
    said = tuple(
        {"damage": each.damage, "value": round(each.value, 6), "floor": round(each.floor, 6), "seen": each.seen}
        for each in damages
    )
    about = about.with_measured(accuracy=_accuracy(network, about, images), sanity=said)
    return Made(about, compact_file.write(about, arrays))


def _accuracy(network: Compact, about: About, images: ImageSet) -> float:
    """The share of held-out images, or of all their turns, that the network tells rightly."""
    if about.task == CLASSES:
        assert images.held_out_labels is not None
        return float(np.mean(network.classify(images.held_out) == images.held_out_labels))
    right = []
    for turn in range(training.TURNS):
        turns: NDArray[np.int64] = np.full(len(images.held_out), turn)
        right.append(float(np.mean(network.classify(training.turned(images.held_out, turns)) == turn)))
    return float(np.mean(right))
