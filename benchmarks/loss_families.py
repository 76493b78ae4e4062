"""Short real training with each family of losses: `python -m benchmarks.loss_families fashion_mnist|cifar10_jpeg --data-dir DIR`.

The compact `dcgan` trains a few hundred steps with the optimizer that each family's source has, on Fashion-MNIST or on
colour photographs (CIFAR-10, JPEG copy: a folder of its training pictures). The Fréchet distance of raw and averaged weights
is measured before the first step and at three points, and losses at both ends; it should fall for every family. Prints a line
per training, and writes results/loss_families.md from what is stored of both.

Distances are in features of our Fashion-MNIST classifier, which looks at the middle 28 pixels in grey: of photographs they see
shapes and shades, no colours, and are comparable with each other alone.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shlex
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import ours, record
from benchmarks.performance import machine_words, table
from harness import data
from harness.driver.code_version import commit
from harness.metrics import extractor
from harness.metrics.frechet import Moments, frechet_to
from harness.models.nn.draws import evaluation_latents
from harness.seeds import Seeds
from harness.spec.models import DataSpec, TrainSpec
from harness.worker import device

PAGE = Path(__file__).resolve().parents[1] / "results" / "loss_families.md"
BATCH = 32
GENERATED = 1000  # images per distance
REFERENCE = 10_000  # training images that they are compared with
POINTS = 3
FIRST, LAST = 10, 50  # steps over which the losses at both ends are averaged


@dataclasses.dataclass(frozen=True)
class Family:
    """A loss with what belongs to it, and the optimizer of its source; it trains `times` as many steps as asked for."""

    name: str
    source: str
    rate: float
    train: dict[str, Any]
    times: int = 1

    def spec(self, steps: int) -> TrainSpec:
        """How it trains."""
        return TrainSpec.model_validate({"steps": steps, "batch": BATCH, "updates": "alternating", **self.train})


def adam(beta1: float, beta2: float) -> dict[str, Any]:
    return {"optimizer": {"name": "adam", "form": "torch", "epsilon": 1e-8}, "beta1": beta1, "beta2": beta2}


_GULRAJANI = {"loss": "wasserstein", "discriminator_steps": 5, **adam(0.5, 0.9)}
_LOGISTIC = "non_saturating"
FAMILIES = (
    Family("non_saturating", "Radford et al. 2016", 2e-4, {"loss": _LOGISTIC, **adam(0.5, 0.999)}),
    Family("minimax", "as non_saturating", 2e-4, {"loss": "minimax", **adam(0.5, 0.999)}),
    Family("hinge", "Miyato et al. 2018", 2e-4, {"loss": "hinge", **adam(0.0, 0.9)}),
    Family("least_squares", "Mao et al. 2017", 2e-4, {"loss": "least_squares", **adam(0.5, 0.999)}),
    Family(
        "wasserstein + gradient_penalty",
        "Gulrajani et al. 2017, gan_cifar.py",
        1e-4,
        {**_GULRAJANI, "penalties": [{"name": "gradient_penalty", "weight": 10.0}]},
    ),
    Family(
        "wasserstein + gradient_penalty, every 4th update",
        "as before; lazy as Karras et al. 2020",
        1e-4,
        {**_GULRAJANI, "penalties": [{"name": "gradient_penalty", "weight": 10.0, "every": 4}]},
    ),
    Family(
        "relativistic + r1 + r2",
        "Huang et al. 2024 (R3GAN), CIFAR-10",
        2e-4,
        {
            "loss": "relativistic",
            "penalties": [{"name": name, "weight": 0.05} for name in ("r1", "r2")],
            **adam(0.0, 0.9),
        },
    ),
    Family(
        "non_saturating + r1",
        "Mescheder et al. 2018, GAN_stability",
        1e-4,
        {
            "loss": _LOGISTIC,
            "penalties": [{"name": "r1", "weight": 10.0}],
            "optimizer": {"name": "rmsprop"},
            "beta2": 0.99,
        },
    ),
    Family(
        "non_saturating + dragan",
        "Kodali et al. 2017, DRAGAN.ipynb",
        1e-4,
        {"loss": _LOGISTIC, "penalties": [{"name": "dragan", "weight": 10.0}], **adam(0.5, 0.9)},
        times=4,
    ),
    Family(
        "hinge + color, translation, cutout",
        "Zhao et al. 2020, DiffAugment-biggan-cifar",
        2e-4,
        {
            "loss": "hinge",
            "augment": ["color", "translation", "cutout"],
            "discriminator_steps": 4,
            **adam(0.0, 0.999),
        },
    ),
)


IMAGES = {
    "fashion_mnist": ("Fashion-MNIST", {"name": "fashion_mnist"}),
    "cifar10_jpeg": ("CIFAR-10, JPEG copy", {"name": "folder", "size": 32, "channels": 3}),
}


@dataclasses.dataclass(frozen=True)
class Course:
    """What one training did: distances by point, the untrained one first, and losses (start, end) by network."""

    family: str
    steps: int
    raw: list[float]
    averaged: list[float]
    losses: dict[str, tuple[float, float]]
    seconds: float

    @property
    def falls(self) -> bool:
        """Whether both weights score better at the end than untrained."""
        return self.raw[-1] < self.raw[0] and self.averaged[-1] < self.averaged[0]


class Distance:
    """Fréchet distance of generated images uint8 (n, h, w, c) to training images, in the Fashion-MNIST features."""

    def __init__(self, images: NDArray[np.uint8]) -> None:
        self._features = extractor.find("fashion_mnist", key="features").load(None, key="features")
        self._reference = Moments.of(self._features(images[:REFERENCE]))

    def __call__(self, images: NDArray[np.uint8]) -> float:
        return float(frechet_to(self._features(images), self._reference))


def course(images: NDArray[np.uint8], family: Family, steps: int, distance: Distance) -> Course:
    """Train `family` on uint8 (n, h, w, c) for `steps` steps."""
    before = time.process_time()
    seeds = Seeds.of(0, "loss_families", 0)
    model = ours.model("dcgan", family.spec(steps), images)
    model.start(seeds)
    latents = evaluation_latents(seeds.latents, count=GENERATED, dimensions=model.latent)
    scores: dict[str, list[float]] = {"raw": [], "ema": []}
    losses: dict[str, list[NDArray[np.float32]]] = {network: [] for network in model.losses}
    points = np.linspace(0, steps, POINTS + 1).astype(int)
    for first, last in zip([0, *points], points, strict=False):
        for network, values in model.advance(ours.both(np.full(last - first, family.rate, np.float32))).items():
            losses[network].append(values)
        for weights, found in scores.items():
            found.append(distance(model.generate(latents, weights=weights)))
    ends = {}
    for network, chunks in losses.items():
        values = np.concatenate(chunks)
        ends[network] = (float(values[:FIRST].mean()), float(values[-LAST:].mean()))
    return Course(family.name, steps, scores["raw"], scores["ema"], ends, time.process_time() - before)


def training_images(name: str, folder: Path) -> NDArray[np.uint8]:
    """The training images of a key of IMAGES, in a fixed random order."""
    images = data.load(DataSpec(data_dir=folder, **IMAGES[name][1])).train
    return images[np.random.default_rng(0).permutation(len(images))]


PROTOCOL = (
    f"One training each (seed 0) of `dcgan`, width 16, batches of {BATCH}, alternating updates. Distances are Fréchet distances of "
    f"{GENERATED:,} generated images to {REFERENCE:,} training images: untrained, and at {POINTS} points of the training. Features "
    "are those of our Fashion-MNIST classifier for both data sets: of the photographs it sees the middle 28 pixels in grey, so that "
    "those distances speak of shapes and shades, are comparable within their table alone, and are no published score.",
    f"Losses are means over the first {FIRST} and the last {LAST} steps, penalties included. *Falls*: the last distance is "
    "below the untrained one, of raw and of averaged weights. The two networks work against each other, so that the losses need not fall "
    "along with the distance: the discriminator's does where it gets ahead.",
    "DRAGAN's penalty begins at its weight, since a new discriminator has hardly any slope, and outweighs the loss until slopes are near "
    "1: only then do images improve, at the source's rate after some 500 steps. It is given four times as many.",
)


def page() -> str:
    """Markdown of what is stored of both data sets."""
    found = {name: record.OUT / f"loss_families-{name}.json" for name in IMAGES}
    contents = {name: json.loads(path.read_text(encoding="utf-8")) for name, path in found.items() if path.exists()}
    parts = [
        "# Short training with each family of losses",
        "Written by `benchmarks/loss_families.py`; do not edit.",
        *PROTOCOL,
    ]
    for name, content in contents.items():
        head = (
            "family",
            "steps",
            "distance, raw weights",
            "averaged weights",
            "falls",
            "discriminator's loss",
            "generator's loss",
            "processor seconds",
        )
        parts += [
            f"## {IMAGES[name][0]}",
            table(head, [row(Course(**each)) for each in content["details"]["courses"]]),
            f"{machine_words(content['machine'])}; one thread. "
            + "; ".join("`{command}`, {date}, code {commit}".format(**each) for each in content["details"]["runs"])
            + ".",
        ]
    settings = [(each.name, each.source, *settings_words(each)) for each in FAMILIES]
    head = ("family", "as in", "optimizer", "discriminator updates per step", "penalties")
    return "\n\n".join([*parts, "## Settings", table(head, settings)]) + "\n"


def row(of: Course) -> tuple[str, ...]:
    """A line of the table."""

    def loss(network: str) -> str:
        start, end = of.losses[network]
        return f"{start:.2f} → {end:.2f}"

    distances = (" → ".join(f"{each:.1f}" for each in values) for values in (of.raw, of.averaged))
    falls = "yes" if of.falls else "**no**"
    return (of.family, str(of.steps), *distances, falls, loss("discriminator"), loss("generator"), f"{of.seconds:.0f}")


def settings_words(family: Family) -> tuple[str, str, str]:
    """Its optimizer, its discriminator updates per step, and its penalties, in words."""
    spec = family.spec(1)
    betas = f"β₁ {spec.beta1:g}, β₂ {spec.beta2:g}" if spec.optimizer.name == "adam" else f"decay {spec.beta2:g}"
    penalties = [f"{each.name} {each.settings.weight:g}" for each in spec.penalties]
    return (
        f"{spec.optimizer.name}, rate {family.rate:g}, {betas}",
        str(spec.discriminator_steps),
        ", ".join(penalties) or "none",
    )


def keep(images: str, courses: Sequence[Course], code: str) -> None:
    """Store `courses` of a commit, and those of other families that an earlier run of the same images has stored."""
    path = record.OUT / f"loss_families-{images}.json"
    earlier = json.loads(path.read_text(encoding="utf-8"))["details"] if path.exists() else {"runs": [], "courses": []}
    by_family = {each["family"]: each for each in (*earlier["courses"], *map(dataclasses.asdict, courses))}
    ordered = [by_family[each.name] for each in FAMILIES if each.name in by_family]
    whole = len(courses) == len(FAMILIES)
    run = {
        "command": f"python -m benchmarks.loss_families {shlex.join(_without_folder(sys.argv[1:]))}",
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": code,
    }
    falling = sum(Course(**each).falls for each in ordered)
    figure = record.figure("trainings whose distance falls", falling, f"of {len(ordered)}")
    details = {"runs": [*([] if whole else earlier["runs"]), run], "courses": ordered}
    record.save(f"loss_families-{images}", [figure], details)


def _without_folder(words: Sequence[str]) -> list[str]:
    """The words of a command with DIR for the folder of its images, which is the machine's own."""
    return ["DIR" if before == "--data-dir" else word for before, word in zip(["", *words], words, strict=False)]


def main() -> None:
    """Train, print, write the page."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("images", choices=list(IMAGES))
    options.add_argument(
        "--data-dir", type=Path, required=True, metavar="DIR", help="folder of the four IDX files, or of pictures"
    )
    options.add_argument("--steps", type=int, default=300)
    options.add_argument(
        "--families", nargs="+", choices=[each.name for each in FAMILIES], metavar="NAME", help="only these"
    )
    chosen = options.parse_args()
    device.configure(threads=1, gpu=None)
    families = [each for each in FAMILIES if chosen.families is None or each.name in chosen.families]
    images = training_images(chosen.images, chosen.data_dir)
    distance, courses, code = Distance(images), [], commit()
    for family in families:
        courses.append(course(images, family, family.times * chosen.steps, distance))
        print(" | ".join(row(courses[-1])), flush=True)
    keep(chosen.images, courses, code)
    PAGE.write_text(page(), encoding="utf-8")
    print(f"written: {PAGE}")


if __name__ == "__main__":
    main()
