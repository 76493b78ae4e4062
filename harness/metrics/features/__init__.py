"""Feature networks: small classifiers that we trained, and Inception."""

from __future__ import annotations

from pathlib import Path

from harness.metrics import extractor
from harness.metrics.extractor import Extractor


def load(
    name: str,
    *,
    weights: Path | None = None,
    key: str = "evaluate.weights",
    layer: str | None = None,
    scaling: str | None = None,
) -> Extractor:
    """The feature network `name`.

    `weights` is a file for a network whose weights may be replaced, `key` what that file was given as. `layer` and
    `scaling` are how a model of a user's own is read. Raises KindError for an unknown name, and whatever the weights'
    reader says.
    """
    return extractor.find(name, key="features").load(weights, key=key, layer=layer, scaling=scaling)
