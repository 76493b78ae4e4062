"""How many images a score needs, measured: `python -m benchmarks.how_many_images [--data-dir FOLDER]`.

Real images of handwritten digits and, where its folder is named, of Fashion-MNIST are parted at random, again and again: n of
them stand for generated ones, others are the reference. What the Fréchet distance makes of undamaged images is its bias, since
they come from the same distribution; the kernel distance has none. Its standard deviation over the partitions is the error of
one score. Blurred images and too few different ones say how large a difference is. Writes results/how_many_images.csv and .md.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.performance import table
from harness import data, files
from harness.metrics import features, sanity
from harness.metrics.frechet import Moments, frechet_to
from harness.metrics.kernel import Reference, distance_to

RESULTS = Path(__file__).resolve().parents[1] / "results"
COUNTS = (50, 100, 250, 500, 1000, 2000, 5000)
PARTITIONS = 60
POOL = 20_000  # images of a data set that are looked at; half of them are the reference
BLURRED, REPEATED = "blurred", "a tenth, ten times each"
TITLES = {"digits": "Handwritten digits", "fashion_mnist": "Fashion-MNIST"}

INTRODUCTION = (
    f"Real images against others of the same data set, {PARTITIONS} random partitions. Real images have no distance from "
    "themselves: what the Fréchet distance shows is its bias. *By the law*: (tr S + ½ Σ l_i l_j (1 + [i = j]) / (l_i + l_j)) "
    "(1/n + 1/reference), from the covariance S of the features and its eigenvalues l alone, as if features were Gaussian. *Share "
    "of the blur's*: the bias as a share of the Fréchet distance of as many blurred images as there are at most. *Blurred*: the lighter "
    "blur of the sanity test. KID has no bias, and may be negative."
)

Features = NDArray[np.float32]


@dataclass(frozen=True)
class Row:
    """A score of `images` images: its mean and standard deviation over the partitions, by `what` was done to them.

    `rank` is the effective rank of the features, `law` what the Fréchet distance of undamaged images would be to first
    order if features were Gaussian.
    """

    data: str
    dimensions: int
    rank: float
    reference: int
    images: int
    metric: str
    what: str
    mean: float
    deviation: float
    law: float


def first_order_bias(covariance: NDArray[np.float64], *, images: int, reference: int) -> float:
    """The mean Fréchet distance of two samples of one Gaussian, to first order in 1 / images and 1 / reference.

    The squared distance of means adds the trace of S; of covariances S and S + E it is the sum of E_ij² / 2(l_i + l_j) in
    the axes of S, and Gaussian samples have E[E_ij²] = l_i l_j (1 + [i = j]) / n.
    """
    values = np.linalg.eigvalsh(covariance)
    values = values[values > 1e-12 * values[-1]]
    pairs = np.outer(values, values) / np.add.outer(values, values)
    of_covariance = (pairs.sum() + np.trace(pairs)) / 2.0
    return float((values.sum() + of_covariance) * (1.0 / images + 1.0 / reference))


def effective_rank(covariance: NDArray[np.float64]) -> float:
    """exp of the entropy of the eigenvalues as shares of their sum (Roy & Vetterli 2007)."""
    values = np.linalg.eigvalsh(covariance)
    shares = values[values > 0] / values[values > 0].sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def pooled(name: str, folder: Path | None) -> tuple[Features, Features]:
    """Features of a fixed random sample of a data set's images, and of the same images blurred."""
    chosen = SimpleNamespace(name=name, data_dir=folder, size=None, channels=None, fit="pad", held_out=0.2, limit=None)
    loaded = data.load(chosen)
    images = np.concatenate([loaded.train, loaded.held_out])
    images = images[np.random.default_rng(2020).permutation(len(images))[:POOL]]
    network = features.load(name)
    blur = next(iter(sanity.changes(images.shape).values()))
    return network(images), network(blur(images, np.random.default_rng(2020)))


def partitions(real: Features, blurred: Features, count: int) -> Iterator[tuple[Features, dict[str, Features]]]:
    """The reference of each partition, and `count` of the other images by what was done to them."""
    rng = np.random.default_rng(count)
    half = len(real) // 2
    for _ in range(PARTITIONS):
        order = rng.permutation(len(real))
        mine = order[half : half + count]
        few = real[mine[: count // 10]]
        yield (
            real[order[:half]],
            {"real": real[mine], BLURRED: blurred[mine], REPEATED: np.resize(few, (count, few.shape[1]))},
        )


def measured(name: str, real: Features, blurred: Features) -> Iterator[Row]:
    """A row per number of images, metric, and what was done to the images."""
    covariance = np.cov(real, rowvar=False)
    rank = effective_rank(covariance)
    half = len(real) // 2
    for count in (each for each in COUNTS if each <= half):
        found: dict[tuple[str, str], list[float]] = {}
        for reference, changed in partitions(real, blurred, count):
            moments, as_many = Moments.of(reference), Reference.of(reference[:count])
            for what, values in changed.items():
                found.setdefault(("fid", what), []).append(frechet_to(values, moments))
                found.setdefault(("kid", what), []).append(distance_to(values, as_many))
        law = first_order_bias(covariance, images=count, reference=half)
        for (metric, what), values in found.items():
            yield Row(
                data=name,
                dimensions=real.shape[1],
                rank=rank,
                reference=half if metric == "fid" else count,
                images=count,
                metric=metric,
                what=what,
                mean=float(np.mean(values)),
                deviation=float(np.std(values, ddof=1)),
                law=law if (metric, what) == ("fid", "real") else float("nan"),
            )


def page(rows: pd.DataFrame) -> str:
    """The page of the table."""
    lines = [
        "# How many images a score needs",
        "",
        "Written by `benchmarks/how_many_images.py`; do not edit.",
        "",
        INTRODUCTION,
    ]
    for _, mine in rows.groupby("data"):
        lines += section(mine)
    return "\n".join(lines) + "\n"


def section(rows: pd.DataFrame) -> list[str]:
    """The part of the page about one data set."""
    name, dimensions, rank = (rows[column].iloc[0] for column in ("data", "dimensions", "rank"))
    head = ["images", "FID of real images", "by the law", "share of the blur's", "FID, blurred", f"FID, {REPEATED}"]
    head += ["1000 KID of real images", "1000 KID, blurred", f"1000 KID, {REPEATED}"]
    lines = []
    for count, group in rows.groupby("images"):
        at = group.set_index(["metric", "what"])
        largest = rows[(rows["metric"] == "fid") & (rows["what"] == BLURRED)].iloc[-1]["mean"]
        real = at.loc[("fid", "real")]
        line = [f"{count:,}", _words(real), f"{real['law']:.3g}", f"{100 * real['mean'] / largest:.0f} %"]
        line += [_words(at.loc[("fid", what)]) for what in (BLURRED, REPEATED)]
        line += [_words(1000 * at.loc[("kid", what), ["mean", "deviation"]]) for what in ("real", BLURRED, REPEATED)]
        lines.append(line)
    half = rows[rows["metric"] == "fid"]["reference"].iloc[0]
    about = (
        f"{dimensions} features, effective rank {rank:.1f} (exp of the eigenvalues' entropy). FID against {half:,} real images, "
        "KID against as many as are scored. Mean ± standard deviation of one score."
    )
    return ["", f"## {TITLES[name]}", "", about, "", table(head, lines)]


def _words(row: Mapping[str, Any] | pd.Series) -> str:
    deviation = row["deviation"]
    return f"{row['mean']:.3g} ± {f'{deviation:.0f}' if deviation >= 100 else f'{deviation:.2g}'}"


def main() -> None:
    """Measure and write both files."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data-dir", type=Path, help="folder with the files of Fashion-MNIST")
    folder = options.parse_args().data_dir
    rows: list[Row] = []
    for name in ("digits", *(["fashion_mnist"] if folder is not None else [])):
        rows += measured(name, *pooled(name, folder))
    text = pd.DataFrame(map(asdict, rows)).to_csv(index=False, float_format="%.6g")
    files.write(RESULTS / "how_many_images.csv", text.encode())
    files.write(RESULTS / "how_many_images.md", page(pd.read_csv(io.StringIO(text))).encode())


if __name__ == "__main__":
    main()
