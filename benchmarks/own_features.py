"""Do features of one's own order damage rightly? `python -m benchmarks.own_features FOLDER`, a folder of images with a folder per class.

Compact networks are trained on 6,000 of the images to tell classes, and to tell turns as without classes; a third keeps its first
random weights. Real images, damaged ever more, are scored against others: the Fréchet distance should rise at
every step. Prints a table, and writes it to results/own_features.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.performance import table
from harness import data
from harness.metrics import sanity
from harness.metrics.frechet import Moments, frechet_to
from harness.metrics.own import material, training
from harness.metrics.own.compact import Architecture
from harness.metrics.own.compact_file import About, Compact
from harness.metrics.own.training import Recipe

PAGE = Path(__file__).resolve().parents[1] / "results" / "own_features.md"
IMAGES, WIDTH, EPOCHS = 6000, 16, 8
SCORED = 2000  # images on either side of a distance
Images = NDArray[np.uint8]


def damages(labels: NDArray[np.int64]) -> dict[str, list[tuple[str, Callable[[Images], Images]]]]:
    """Ways to damage images whose classes are `labels`, each from little to much: a growing share of every other class is missing."""
    noise = np.random.default_rng(0)
    rank = np.random.default_rng(1).random(len(labels))  # which images of a class go first

    def noisy(level: float) -> Callable[[Images], Images]:
        return lambda images: sanity._rounded(images + 255 * level * noise.standard_normal(images.shape))

    def blurred(radius: float) -> Callable[[Images], Images]:
        return lambda images: sanity._blurred(images, radius)

    def without(missing: float) -> Callable[[Images], Images]:
        return lambda images: images[(labels % 2 == 0) | (rank >= missing)]

    return {
        "noise": [(f"{level:.0%}", noisy(level)) for level in (0.02, 0.05, 0.1, 0.2)],
        "blur": [(f"{radius:g} px", blurred(radius)) for radius in (0.5, 1.0, 2.0, 4.0)],
        "half the classes missing": [(f"{missing:.0%}", without(missing)) for missing in (0.25, 0.5, 0.75, 1.0)],
    }


def networks(read: material.Material) -> dict[str, tuple[Compact, str]]:
    """The networks by what they learnt, each with its accuracy on held-out images in words."""
    images = read.images
    _, side, _, channels = images.train.shape
    made = {}
    for name, labels, epochs in (
        ("classes", images.train_labels, EPOCHS),
        ("turns", None, EPOCHS),
        ("nothing (random weights)", None, 0),
    ):
        outputs = training.TURNS if labels is None else len(read.classes)
        architecture = Architecture(side=side, channels=channels, width=WIDTH, outputs=outputs)
        recipe = Recipe(epochs=epochs, seed=1, mirror=True)
        arrays = training.train(architecture, images.train, labels, recipe, progress=lambda *_: None)
        about = About(
            name=read.title,
            task=name,
            architecture=architecture,
            accuracy=0.0,
            train=len(images.train),
            held_out=len(images.held_out),
            fingerprint="",
            seed=1,
            epochs=epochs,
            mirror=True,
            harness="",
        )
        network = Compact("own", about, arrays, sha256="")
        if labels is None:
            right = [
                np.mean(network.classify(training.turned(images.held_out, np.full(len(images.held_out), turn))) == turn)
                for turn in range(training.TURNS)
            ]
        else:
            right = [np.mean(network.classify(images.held_out) == images.held_out_labels)]
        made[name] = (network, f"{np.mean(right):.0%}")
    return made


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder", type=Path)
    options.add_argument("--name", required=True, help="what the images are")
    chosen = options.parse_args()
    read = material.read(chosen.folder, held_out=None, size=None, name=chosen.name)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(read.images.train))
    taken, scored, others = order[:IMAGES], order[IMAGES : IMAGES + SCORED], order[-SCORED:]
    whole = read.images
    assert whole.train_labels is not None
    few = data.ImageSet("few", whole.train[taken], whole.held_out, whole.train_labels[taken], whole.held_out_labels)
    rows = []
    for name, (network, accuracy) in networks(replace(read, images=few)).items():
        reference = Moments.of(network(whole.train[others]))
        floor = frechet_to(network(whole.train[scored]), reference)
        for kind, steps in damages(whole.train_labels[scored]).items():
            values = [frechet_to(network(change(whole.train[scored])), reference) / floor for _, change in steps]
            rises = [1.0, *values] == sorted([1.0, *values])
            words = ", ".join(f"{label}: {value:.2f}" for (label, _), value in zip(steps, values, strict=True))
            rows.append([name, accuracy, kind, words, "yes" if rises else "NO"])
    heads = ["learnt to tell", "held-out accuracy", "damage", "Fréchet distance, undamaged = 1", "rises at every step"]
    lines = [
        "# Do features of one's own order damage rightly?",
        "",
        f"`python -m benchmarks.own_features`: {chosen.name}, {IMAGES:,} images to learn from, {EPOCHS} epochs, width {WIDTH}; {SCORED:,} other",
        f"images, damaged ever more, against {SCORED:,} more.",
        "",
        table(heads, rows),
    ]
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
