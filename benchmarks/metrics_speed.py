"""Speed of scores against the other libraries' way, in the same run: `python -m benchmarks.metrics_speed`."""

import time

import numpy as np
import scipy.linalg

from benchmarks.record import figure, save
from harness.metrics.frechet import Moments, frechet_to
from harness.metrics.kernel import kernel_distance


def seconds(function):
    """What it returns, and the median time of three calls."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        value = function()
        times.append(time.perf_counter() - start)
    return value, float(np.median(times))


def features(n, d, seed):
    rng = np.random.default_rng(seed)
    return np.maximum(rng.normal(size=(n, d)) * np.arange(1, d + 1) ** -0.5 + 0.3 + 0.01 * seed, 0).astype(np.float32)


def frechet_by(root, generated, reference):
    """FID as the others compute it, from the features, `root` giving tr √(S₁S₂)."""
    mean, covariance = generated.mean(axis=0), np.cov(generated, rowvar=False)
    gap = mean - reference.mean
    return float(
        gap @ gap + np.trace(covariance) + np.trace(reference.covariance) - 2 * root(covariance @ reference.covariance)
    )


def kid_loop(first, second, subsets=100, size=1000):
    """torch-fidelity's kid_features_to_metric, float32 NumPy as there."""
    rng = np.random.RandomState(2020)
    found = []
    for _ in range(subsets):
        x = first[rng.choice(len(first), size, replace=False)]
        y = second[rng.choice(len(second), size, replace=False)]
        a, b, c = ((np.matmul(u, v.T) / u.shape[1] + 1.0) ** 3 for u, v in ((x, x), (y, y), (x, y)))
        within = (a.sum(axis=1) - np.diagonal(a)).sum() + (b.sum(axis=1) - np.diagonal(b)).sum()
        found.append(within / (size * (size - 1)) - 2 * c.sum(axis=0).sum() / size**2)
    return float(np.mean(found))


def main():
    rows = []

    def row(name, ours, theirs):
        (value, fast), (other, slow) = seconds(ours), seconds(theirs)
        rows.append(
            {"what": name, "ours_s": fast, "theirs_s": slow, "ratio": slow / fast, "ours": value, "theirs": other}
        )
        print(f"{name:45} ours {fast:7.2f} s   theirs {slow:7.2f} s   x{slow / fast:.1f}", flush=True)

    reference, generated = Moments.of(features(10_000, 2048, 0)), features(10_000, 2048, 1)
    reference.triangle.shape  # noqa: B018 - cached, as in a study
    ours = lambda: frechet_to(generated, reference)  # noqa: E731
    wide = generated.astype(np.float64)
    row(
        "FID 10,000 x 2048, np.linalg.eigvals",
        ours,
        lambda: frechet_by(lambda m: np.sqrt(np.linalg.eigvals(m).astype(complex)).sum().real, wide, reference),
    )
    row(
        "FID 10,000 x 2048, scipy sqrtm",
        ours,
        lambda: frechet_by(lambda m: np.trace(scipy.linalg.sqrtm(m)).real, wide, reference),
    )
    for n in (2000, 5000):
        x, y = features(n, 2048, 0), features(n, 2048, 1)
        row(
            f"KID 100 x 1000 at n = {n}, torch-fidelity's loop",
            lambda x=x, y=y: kernel_distance(x, y).mean,
            lambda x=x, y=y: kid_loop(x, y),
        )
    save("metrics_speed", [figure(f"{row['what']}: ours against theirs", row["ratio"], "x") for row in rows], rows)


if __name__ == "__main__":
    main()
