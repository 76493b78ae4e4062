"""How far the numbers of two devices, or of two ways of computing, may be apart, and how far they are: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Trained:
    """The first steps of a run: losses by name and step, weights and gradients by network after the first step.

    The gradients are Adam's first moment after one step, which is the gradient times a constant.
    """

    losses: Mapping[str, Sequence[float]]
    weights: Mapping[str, NDArray[np.float32]]
    gradients: Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Bounds:
    """The largest relative differences that count as the same mathematics, rounded otherwise."""

    losses: float
    weights: float
    gradients: float


@dataclass(frozen=True)
class Differences:
    """The largest relative differences found; infinite where a number is not finite or an array is missing."""

    losses: float
    weights: float
    gradients: float


# Why so much. A float32 has 24 bits: one rounding moves a number by at most 6e-8 of itself, and sums in another order, some 30
# layers forth and back, end between 2e-7 and 3e-6 of a gradient's length (every built-in network, one thread against two). GPUs
# may multiply by other algorithms (Winograd's), which lose some ten times more. TensorFloat-32 and float16 round what is
# multiplied to 11 bits, bfloat16 to 8: measured on processors, gradients move by 6e-4 to 0.04 and by 0.02 to 0.2. So a float32
# bound of 5e-4 also finds TensorFloat-32 where it should be off. Adam's first step moves a weight by its gradient's sign, which
# rounding turns where the gradient is nearly 0; losses of later steps carry that on (7e-4 after three steps, batch
# normalisation with 8 images).
BOUNDS = {
    "float32": Bounds(losses=5e-3, weights=1e-3, gradients=5e-4),
    "float32, XLA": Bounds(losses=5e-3, weights=1e-3, gradients=5e-4),
    "TF32": Bounds(losses=5e-2, weights=1e-2, gradients=0.2),
    "mixed_float16": Bounds(losses=5e-2, weights=1e-2, gradients=0.2),
    "mixed_bfloat16": Bounds(losses=0.2, weights=2e-2, gradients=0.6),
}


def differences(found: Trained, reference: Trained) -> Differences:
    """How far `found` is from `reference`.

    A loss's difference is relative to its size, or to 1 where it is smaller; an array's is the length of the difference
    over the length of the reference, as vectors: of a network's weights, or its gradient.
    """
    losses = [
        abs(ours - theirs) / max(abs(theirs), 1.0)
        for name, values in reference.losses.items()
        for ours, theirs in zip(found.losses.get(name, ()), values, strict=False)
    ]
    complete = all(len(found.losses.get(name, ())) == len(values) for name, values in reference.losses.items())
    return Differences(
        losses=_largest(losses) if complete else float("inf"),
        weights=_furthest(found.weights, reference.weights),
        gradients=_furthest(found.gradients, reference.gradients),
    )


def beyond(found: Differences, bounds: Bounds) -> list[str]:
    """What lies outside the bounds, in words: "losses differ by 0.3, bound 0.0001"."""
    return [
        f"{name} differ by {getattr(found, name):.1e}, bound {getattr(bounds, name):.0e}"
        for name in ("losses", "weights", "gradients")
        if not getattr(found, name) <= getattr(bounds, name)
    ]


def moved(first: Mapping[str, NDArray[np.generic]], second: Mapping[str, NDArray[np.generic]]) -> tuple[str, ...]:
    """The names whose arrays are not equal bit for bit."""
    names = dict.fromkeys([*first, *second])
    return tuple(
        name
        for name in names
        if name not in first or name not in second or first[name].tobytes() != second[name].tobytes()
    )


def _furthest(found: Mapping[str, NDArray[np.float32]], reference: Mapping[str, NDArray[np.float32]]) -> float:
    if found.keys() != reference.keys():
        return float("inf")
    return _largest([_relative(found[name], values) for name, values in reference.items()])


def _relative(found: NDArray[np.float32], reference: NDArray[np.float32]) -> float:
    if found.shape != reference.shape:
        return float("inf")
    wide = reference.astype(np.float64)
    length, apart = float(np.linalg.norm(wide)), float(np.linalg.norm(found - wide))
    if apart == 0.0:
        return 0.0
    return apart / length if length else float("inf")


def _largest(values: Sequence[float]) -> float:
    """The largest, infinite if one is not a number."""
    return max((value if np.isfinite(value) else float("inf") for value in values), default=0.0)
