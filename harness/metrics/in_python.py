"""`harness.score`: what `python -m harness.metrics` does, as a function, and of arrays as well."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

from harness import command_line
from harness.metrics import scoring
from harness.metrics.images import Images, InputError, Source
from harness.metrics.requests import Request
from harness.metrics.scoring import Report

Given = Images | str | os.PathLike[str]


def score(
    generated: Given,
    real: Given,
    *,
    features: str | os.PathLike[str] = "inception",
    metrics: Sequence[str] = (),
    weights: str | os.PathLike[str] | None = None,
    layer: str | None = None,
    scaling: str | None = None,
    held_out: Given | None = None,
    subset_size: int | None = None,
    interval: bool = False,
    infinity: bool = False,
    sanity: bool = False,
    progress: bool = False,
) -> Report:
    """Scores of generated images against real ones, by the code and under the names of `python -m harness.metrics`.

    Each input is an array uint8 (n, h, w, 1 or 3), a folder of images, or a .npy or .npz file. `features` is a feature
    network, or a file that is one (docs/own_features.md), of a Keras or ONNX model with its `layer` and `scaling`; `weights` is a
    file for a network that has none, `metrics` names further ones; `held_out` are real images whose scores are the floor.
    The others are the command's options. Raises ValueError with one line for each thing that is wrong, before any
    feature is computed.
    """
    request = Request(
        generated=_source(generated),
        real=_source(real),
        held_out=None if held_out is None else _source(held_out),
        features=os.fspath(features),
        metrics=[metrics] if isinstance(metrics, str) else metrics,
        weights=None if weights is None else Path(weights),
        layer=layer,
        scaling=scaling,
        subset_size=subset_size,
        interval=interval,
        infinity=infinity,
        sanity=sanity,
    )
    heard = scoring.progress_line if progress else lambda *done: None
    try:
        report = scoring.score(request, say=lambda line: None, progress=heard)
    except ValueError as error:
        raise InputError(in_parameters(str(error))) from error
    return replace(report, warnings=[in_parameters(line) for line in report.warnings])


def _source(given: Given) -> Source:
    return Path(given) if isinstance(given, (str, os.PathLike)) else given


_PARAMETERS = {"GENERATED": "generated", "REAL": "real", "--metric": "metrics"}
_PARAMETERS |= {f"--{each.name.replace('_', '-')}": each.name for each in fields(Request)}


def in_parameters(sentences: str) -> str:
    """Sentences of the command, whose options are named as the parameters that they are here."""
    return command_line.in_parameters(sentences, _PARAMETERS)
