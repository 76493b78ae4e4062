"""Statistics of features in .npz files as TTUR and pytorch-fid write them: `mu` and `sigma`, checked when read."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from harness import files
from harness.metrics.frechet import Array, Moments

# What rounding may leave of a covariance S, as shares of its Frobenius norm |S|. Rounding entries to float32 moves the
# eigenvalues by at most 2^-24 |S| = 6e-8 |S|, to float16 by 2^-11 |S| = 5e-4 |S|. E[xx'] - mm' taken in float32 leaves
# -4e-6 |S| for features like Inception's; what moves eigenvalues by 3e-5 |S| hardly moves a distance.
_ROUNDING = 3e-5
_ROUNDING_HALF = 1e-3


class StatisticsError(ValueError):
    """Statistics that are none; the message says why, after the file's name."""


def moments(mean: NDArray[Any], covariance: NDArray[Any]) -> Moments:
    """Moments of a mean (d,) and a covariance (d, d) of any real type, symmetric and without negative eigenvalues.

    Rounding of either kind is let through. The number of images is not known: n is 2, with which the covariance is the
    sum of squared deviations itself, and no score needs it.
    """
    if mean.ndim != 1 or not mean.size or covariance.shape != (mean.size, mean.size):
        raise StatisticsError(f"mu {mean.shape} and sigma {covariance.shape} are not a mean (d,) and covariance (d, d)")
    for name, values in (("mu", mean), ("sigma", covariance)):
        if values.dtype.kind not in "fiu":
            raise StatisticsError(f"{name} is {values.dtype}, but allowed are real numbers")
        if not np.isfinite(values).all():
            raise StatisticsError("mu or sigma holds values that are not finite")
    half = covariance.dtype == np.float16
    return Moments(
        2, mean.astype(np.float64), _covariance(covariance.astype(np.float64), _ROUNDING_HALF if half else _ROUNDING)
    )


def _covariance(values: Array, share: float) -> Array:
    """`values` made symmetric to the last bit; StatisticsError if that is more than rounding, or no covariance."""
    rounding = share * float(np.linalg.norm(values))
    gap = float(np.abs(values - values.T).max())
    if gap > rounding:
        raise StatisticsError(f"sigma cannot be a covariance: it is not symmetric (entries differ by up to {gap:.3g})")
    variance = float(values.diagonal().min())
    if variance < -rounding:
        raise StatisticsError(f"sigma cannot be a covariance: it holds negative variances (down to {variance:.3g})")
    symmetric = (values + values.T) / 2.0
    try:  # a factor exists where no eigenvalue is below -rounding: a tenth of the time that eigenvalues take
        scipy.linalg.cholesky(symmetric + max(rounding, np.finfo(float).tiny) * np.eye(len(values)))
    except scipy.linalg.LinAlgError:
        smallest = float(scipy.linalg.eigvalsh(symmetric, subset_by_index=(0, 0))[0])
        raise StatisticsError(
            f"sigma cannot be a covariance: it has negative eigenvalues (down to {smallest:.3g})"
        ) from None
    return np.asarray(symmetric)


def target_fault(path: Path, inputs: Collection[Path]) -> str | None:
    """Why statistics cannot be written to `path`, or None; nothing is written."""
    if path.suffix != ".npz":
        return "whose ending must be .npz, as those who read statistics expect"
    if path.is_dir():
        return "which cannot be written: it is a folder"
    if not path.parent.is_dir():
        return f"which cannot be written: {path.parent} {'is no folder' if path.parent.exists() else 'does not exist'}"
    if not os.access(path.parent, os.W_OK | os.X_OK):
        return f"which cannot be written: {path.parent} allows no new files"
    if any(_same(path, each) for each in inputs):
        return "which must not be one of the inputs: it would be overwritten"
    if path.exists() and not _statistics(path):
        return "which must not be overwritten: it exists and holds no statistics"
    return None


def _same(one: Path, two: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(two) or (one.exists() and two.exists() and one.samefile(two))


def _statistics(path: Path) -> bool:
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {"mu", "sigma"} <= set(stored.files)
    except Exception:  # whatever another file makes a parser raise
        return False


def write(path: Path, moments: Moments) -> None:
    """Write `mu` and `sigma` (divisor n - 1) as pytorch-fid and TTUR read them, whole or not at all. Raises OSError."""
    with files.whole(path) as stream:
        np.savez(stream, mu=moments.mean, sigma=moments.covariance)
