"""Sanity of a score, measured: real images are damaged in known ways, and the score must tell them from undamaged ones.

Real images are parted into random halves. Images of one half, damaged, are scored against the other half; so are the
same images undamaged, which gives the floor and, over several partitions, its spread. The score sees a damage if its mean over the
partitions lies above the floor's mean by more than SPREADS standard deviations of the floor: a generator that made that
damage and no other would not be taken for real images. What it does not see, no verdict on it can rest on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from harness.metrics import metric as metrics
from harness.metrics.extractor import Extractor
from harness.metrics.metric import Measure, MetricPart
from harness.metrics.sample import Real, Sample

Images = NDArray[np.uint8]
Features = NDArray[np.floating]
Change = Callable[[Images, np.random.Generator], Images]
Distances = Callable[[Features], float]

VERSION = "1"  # of what is measured: stored measurements of another are made again
PARTITIONS = 16
SPREADS = 3.0
FEWEST = 100  # real images below which not even gross damage stands out from chance
IMAGES, IMAGES_SLOW = 2000, 1000  # real images looked at, of a small feature network and of one like Inception
NOISE = 0.1  # standard deviation as a share of the range of values
_SMALL = 512  # dimensions up to which a feature network counts as small
_LEVEL = 1.0  # mean change of an image, in levels of 255, below which it is as good as unchanged
_VALUES = 16_000_000  # pixel values damaged at a time
_SEED = 2020


@dataclass(frozen=True)
class Damage:
    """What a score makes of one damage: its value and that of undamaged images, `images` of them against as many or more.

    Both are means over PARTITIONS random halves; `spread` is the standard deviation of the undamaged ones.
    """

    damage: str
    value: float
    floor: float
    spread: float
    seen: bool
    images: int


def sample_size(dimensions: int) -> int:
    """How many images `measure` should look at, for features of so many dimensions."""
    return IMAGES if dimensions <= _SMALL else IMAGES_SLOW


def pool(parts: Sequence[Images], *, dimensions: int) -> tuple[Images, NDArray[np.int64]]:
    """A fixed random sample of all images of `parts`, as many as `measure` looks at, and their indices among them all."""
    total = sum(map(len, parts))
    indices = np.sort(np.random.default_rng(_SEED).permutation(total)[: sample_size(dimensions)])
    starts = np.cumsum([0, *map(len, parts)])
    chosen = [
        part[indices[(indices >= start) & (indices < start + len(part))] - start]
        for part, start in zip(parts, starts, strict=False)
    ]
    return np.concatenate(chosen), indices


def measure(
    extractor: Extractor,
    images: Images,
    *,
    metric: str = "fid",
    labels: NDArray[np.integer] | None = None,
    count: int | None = None,
) -> list[Damage]:
    """What `metric` (a primary score's) in the features of `extractor` makes of each damage to real `images`.

    uint8 (n, h, w, c), best from `pool`; `labels` (n,) are their classes, where known; `count` images are scored at a
    time, or half of all where there are not as many. Damages that these images cannot have (of colour, if they have
    none) are left out. Empty for fewer than FEWEST images. Deterministic.
    """
    if metric not in metrics.primaries():
        raise ValueError(f"metric is '{metric}', but allowed is one of: {', '.join(metrics.primaries())}")
    if len(images) < FEWEST:
        return []
    features = {"": _features(extractor, images, lambda batch, rng: batch)}
    for name, change in changes(images.shape).items():
        if _matters(images, change):
            features[name] = _features(extractor, images, change)
    missing = _missing(images, labels)
    part = metrics.declared()[metric]
    rng = np.random.default_rng(_SEED)
    measured: dict[str, list[tuple[float, float, int]]] = {}
    for _ in range(PARTITIONS):
        order = rng.permutation(len(images))
        mine, others = order[: len(order) // 2][:count], order[len(order) // 2 :]
        for name, row in _partition(features, missing, mine, others, part=part).items():
            measured.setdefault(name, []).append(row)
    # Of classes so rare that most halves lack them nothing can be told.
    return [_judged(name, rows) for name, rows in measured.items() if len(rows) > PARTITIONS // 2]


def unseen(damages: Sequence[Damage]) -> list[str]:
    """The damages that a score is blind to, in words."""
    return [damage.damage for damage in damages if not damage.seen]


def sentence(score: str, damages: Sequence[str], *, images: int) -> str:
    """What `score` (its full name) does not see, in words; `images` were scored at a time."""
    ways = "this way" if len(damages) == 1 else "these ways"
    return (
        f"{score} does not see: {', '.join(damages)} (real images damaged in {ways}, {images} at a time, score no "
        "worse than undamaged ones)"
    )


def changes(shape: tuple[int, ...]) -> Mapping[str, Change]:
    """The damages that change images of `shape` (n, h, w, c) one by one, by name; radii grow with the images."""
    size, channels = min(shape[1:3]), shape[3]
    light = max(0.5, size / 32)
    damages: dict[str, Change] = {
        f"blur {light:.2g} px": lambda batch, rng: _blurred(batch, light),
        f"blur {3 * light:.2g} px": lambda batch, rng: _blurred(batch, 3 * light),
        f"noise {NOISE:.0%}".replace("%", " %"): _noisy,
        "pixels shuffled": _shuffled,
    }
    if channels == 3:
        damages |= {"grey": _grey, "channels swapped": lambda batch, rng: np.ascontiguousarray(batch[..., ::-1])}
    return damages


def _features(extractor: Extractor, images: Images, change: Change) -> Features:
    """Features (n, d) of all images after `change`, some at a time."""
    step = _step(images)
    return np.concatenate(
        [
            extractor(change(images[first : first + step], np.random.default_rng((_SEED, first))))
            for first in range(0, len(images), step)
        ]
    )


def _matters(images: Images, change: Change) -> bool:
    """Whether a damage changes at least half of the images (of some): grey pictures, say, have no colour to lose."""
    some = images[:: max(1, len(images) // min(200, _step(images)))]  # from all over: folders are often sorted
    changed = change(some, np.random.default_rng(_SEED)).astype(np.float32) - some
    return bool(np.mean(np.abs(changed).mean(axis=(1, 2, 3)) >= _LEVEL) >= 0.5)


def _step(images: Images) -> int:
    return max(1, min(500, _VALUES // int(np.prod(images.shape[1:]))))


def _missing(images: Images, labels: NDArray[np.integer] | None) -> dict[str, NDArray[np.bool_]]:
    """Which images are left where half of the variety is missing: half of the classes, or the brighter half."""
    classes = np.unique(labels) if labels is not None else np.empty(0)
    if len(classes) > 1 and labels is not None:
        return {"half the classes missing": np.isin(labels, classes[: len(classes) // 2])}
    order = np.argsort([float(image.mean()) for image in images], kind="stable")
    kept = np.zeros(len(images), bool)
    kept[order[len(order) // 2 :]] = True
    return {"the darker half missing": kept}


def _partition(
    features: Mapping[str, Features],
    missing: Mapping[str, NDArray[np.bool_]],
    mine: NDArray[np.int64],
    others: NDArray[np.int64],
    *,
    part: MetricPart,
) -> dict[str, tuple[float, float, int]]:
    """Value, floor and number of images of every damage in one partition."""
    distance = _distances(part, features[""][others])
    real = features[""][mine]
    floor = distance(real)
    rows = {name: (distance(each[mine]), floor, len(mine)) for name, each in features.items() if name}
    few = max(2, len(mine) // 10)
    rows["a tenth, ten times each"] = (distance(np.resize(real[:few], real.shape)), floor, len(mine))
    for name, kept in missing.items():
        left = real[kept[mine]]
        if len(left) > 1:  # fewer images make a Fréchet distance larger: the floor is of as many
            rows[name] = (distance(left), distance(real[: len(left)]), len(left))
    return rows


def _judged(name: str, rows: Sequence[tuple[float, float, int]]) -> Damage:
    values, floors, counts = (np.array(column) for column in zip(*rows, strict=True))
    value, floor, spread = float(values.mean()), float(floors.mean()), float(floors.std(ddof=1))
    return Damage(name, value, floor, spread, value > floor + SPREADS * spread, int(np.median(counts)))


def _distances(part: MetricPart, reference: Features) -> Distances:
    """The metric's score of features against `reference`."""
    real = Sample(features=reference)
    measure = Measure.of(part, Real(sample=real, train=real))
    return lambda features: measure.score(Sample(features=features))


def _rounded(values: NDArray[np.floating]) -> Images:
    return np.asarray(np.clip(np.round(values), 0, 255), dtype=np.uint8)


def _blurred(batch: Images, radius: float) -> Images:
    return _rounded(ndimage.gaussian_filter(batch.astype(np.float32), (0, radius, radius, 0)))


def _noisy(batch: Images, rng: np.random.Generator) -> Images:
    return _rounded(batch.astype(np.float32) + rng.standard_normal(batch.shape, np.float32) * np.float32(255 * NOISE))


def _shuffled(batch: Images, rng: np.random.Generator) -> Images:
    """The places of pixels in another order, the same for all images."""
    count, height, width, channels = batch.shape
    order = np.random.default_rng(_SEED).permutation(height * width)
    return batch.reshape(count, height * width, channels)[:, order].reshape(batch.shape)


def _grey(batch: Images, rng: np.random.Generator) -> Images:
    luma = batch.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    return _rounded(luma[..., None]).repeat(3, axis=-1)
