"""How far paired differences of an earlier study or a short pilot spread: what a planned study's power is measured by."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from harness.driver import preflight
from harness.results import Results, ResultsError, load
from harness.spec import StudySpec
from harness.stats import replicates


class NoiseError(ValueError):
    """A results folder that says nothing of a study's noise; the message says why."""


@dataclass(frozen=True)
class Noise:
    """The spread of one unit's difference to the baseline: of a replicate, or of a seed where a study tunes once.

    `sd` is in units of the score, or of its logarithm under the relative scale; `mean` is the baseline's mean score.
    """

    folder: Path
    sd: float
    mean: float
    pairs: int
    baseline: str
    scale: str
    caution: str

    def effect(self, standardised: float) -> float:
        """An effect, given in standard deviations, in units of the score; as a fraction of it under the relative scale."""
        return -replicates.as_difference(-standardised * self.sd, self.scale)

    def shown(self, standardised: float) -> str:
        """The same in words."""
        effect = self.effect(standardised)
        if self.scale == "relative":
            return f"{100 * effect:.2g} %"
        return (
            f"{effect:.2g} ({100 * effect / abs(self.mean):.2g} % of {self.baseline}'s mean)"
            if self.mean
            else f"{effect:.2g}"
        )


def measured(folder: Path, spec: StudySpec) -> Noise:
    """The noise that the results in `folder` have, for a study as `spec` plans it; raises NoiseError."""
    option = f"--noise-from is {folder}"
    try:
        results = load(folder)
    except ResultsError as error:
        raise NoiseError(f"--noise-from: {error}") from error
    score, baseline = preflight.primary_score(spec), results.study.question.baseline
    if score not in results.runs:
        raise NoiseError(
            f"{option}, which has no {score}, on which this study's verdicts rest, but {results.study.primary}"
        )
    values = _values(results, score, scale=spec.question.scale)
    others = [label for label in values if label != baseline]
    differences = [(values[label] - values[baseline]).dropna() for label in others if baseline in values]
    differences = [each for each in differences if len(each) > 1]
    if not differences:
        raise NoiseError(
            f"{option}, which has no two pairs of finished confirmation runs: nothing is known of their spread"
        )
    repeated = results.study.phases.replicates is not None
    seeds = spec.confirm.seeds if spec.replicated and not repeated else 1
    variance = float(np.mean([each.var(ddof=1) for each in differences])) / seeds
    scores = _confirmed(results, score).query("schedule == @baseline")[score]
    return Noise(
        folder=folder,
        sd=math.sqrt(variance),
        mean=float(scores.mean()),
        pairs=sum(map(len, differences)),
        baseline=baseline,
        scale=spec.question.scale,
        caution=_caution(option, planned=spec.replicated, repeated=repeated),
    )


def _caution(option: str, *, planned: bool, repeated: bool) -> str:
    if planned == repeated:
        return ""
    if planned:
        return f"{option}, which tuned once: its noise lacks the luck of tuning, so that the effect this plan finds is larger"
    return (
        f"{option}, which repeated its tuning: its noise has the luck of tuning in it, which one tuning does not show"
    )


def _confirmed(results: Results, score: str) -> pd.DataFrame:
    """The finished confirmation runs of the chosen configurations."""
    runs = results.runs
    return runs[(runs["phase"] == "confirm") & runs["chosen"] & (runs["status"] == "finished") & runs[score].notna()]


def _values(results: Results, score: str, *, scale: str) -> pd.DataFrame:
    """One row per replicate, or per seed where the study tuned once, and a column per schedule: values on the scale."""
    unit = "repetition" if results.study.phases.replicates is None else "replicate"
    grouped = _confirmed(results, score).groupby([unit, "schedule"])[score]
    found: pd.DataFrame = grouped.agg(lambda scores: replicates.value(list(scores), scale=scale)).unstack("schedule")
    return found
