"""Reference features on disk: written whole, checked when read, never unpickled; safe with several processes."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness import files
from harness.metrics.frechet import Moments


@dataclass(frozen=True)
class RealFeatures:
    """Moments of all features of a split, and the features (m, d) float32 of a fixed sample of it."""

    moments: Moments
    sample: NDArray[np.float32]


def write(path: Path, features: RealFeatures) -> None:
    """Write them whole; the SHA-256 of the content stands before it. Raises OSError."""
    buffer = io.BytesIO()
    moments = features.moments
    np.savez(buffer, n=np.int64(moments.n), mean=moments.mean, scatter=moments.scatter, sample=features.sample)
    content = buffer.getvalue()
    files.write(path, hashlib.sha256(content).digest() + content)


def read(path: Path) -> RealFeatures | None:
    """What `write` wrote; None where there is nothing, or nothing sound (it is then made again)."""
    try:
        stored = path.read_bytes()
        digest, content = stored[:32], stored[32:]
        if hashlib.sha256(content).digest() != digest:
            return None
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            moments = Moments(int(arrays["n"]), arrays["mean"], arrays["scatter"])
            return RealFeatures(moments, arrays["sample"])
    except Exception:  # whatever a damaged file makes a parser raise: it is computed again
        return None
