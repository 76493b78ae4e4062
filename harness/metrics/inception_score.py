"""Inception Score from class logits (Salimans et al. 2016)."""

from __future__ import annotations

import numpy as np
import scipy.special
from numpy.typing import NDArray

from harness.metrics.frechet import checked


def inception_score(logits: NDArray[np.floating], *, splits: int = 10, seed: int | None = 2020) -> tuple[float, float]:
    """Mean and standard deviation (divisor `splits`) of exp(E KL(p(y|x) ‖ p(y))) over splits of logits (n, classes).

    With the logits without bias and seed 2020 these are torch-fidelity's numbers; `seed=None` keeps the order. Raises
    ValueError if there are fewer rows than splits.
    """
    values = checked(logits)
    if len(values) < splits:
        raise ValueError(f"splits is {splits}, but there are only {len(values)} logits")
    if seed is not None:
        values = values[np.random.RandomState(seed).permutation(len(values))]
    logs = scipy.special.log_softmax(values, axis=1)
    probabilities = np.exp(logs)
    scores = []
    for split in range(splits):
        part = slice(split * len(values) // splits, (split + 1) * len(values) // splits)
        marginal = probabilities[part].mean(axis=0, keepdims=True)
        divergence = (probabilities[part] * (logs[part] - np.log(marginal))).sum(axis=1)
        scores.append(float(np.exp(divergence.mean())))
    return float(np.mean(scores)), float(np.std(scores))
