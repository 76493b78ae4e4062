"""The studies of the two designs: their files, their training, and what each of them says."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.calibration import truth, whole
from benchmarks.calibration.judged import judged
from harness.results import tables
from harness.stats import replicates

SEEDS = tuple(range(101, 109))
WEIGHTS = ("raw", "ema")
SCHEDULES = ("constant", "linear", "exponential")
ROPE = truth.ROPE

STUDY = """name = "{name}_{seed}"
seed = {seed}
[question]
baseline = "constant"
rope = 0.3
[data]
name = "digits"
[train]
steps = 1000
[evaluate]
features = "digits"
points = 2
[space]
peak = {{ low = 5e-4, high = 3e-2, log = true }}
[schedules.constant]
[schedules.linear]
[schedules.exponential]
final = {{ low = 0.01, high = 0.5, log = true }}
[search]
trials = {trials}
[confirm]
seeds = {confirm}
"""
REPLICATES = """[replicates]
min = {first}
max = {last}
"""


@dataclass(frozen=True)
class Replicated:
    """A design that is run whole from every study seed; `name` is what its studies and folders are called."""

    name: str
    title: str
    design: whole.Design

    @property
    def runs(self) -> int:
        """Of one schedule in one study."""
        return self.design.last * self.design.trials + self.design.last * self.design.confirm

    def text(self, seed: int) -> str:
        """The study file."""
        filled = STUDY.format(name=self.name, seed=seed, trials=self.design.trials, confirm=self.design.confirm)
        return filled + (REPLICATES.format(**vars(self.design)) if self.design.last > 1 else "")


DESIGNS = (
    Replicated("one_tuning", "one tuning: 16 points, 16 seeds", whole.Design(16, 0, 16)),
    Replicated("replicated", "8 tunings: 3 points, 1 seed each", whole.Design(3, 0, 1, 8, 8)),
)


def train(folder: Path, workers: int) -> None:
    """Train what is missing of all studies below `folder`; each is resumed where it was interrupted."""
    for each in DESIGNS:
        for seed in SEEDS:
            study = folder / f"{each.name}_{seed}.toml"
            if not study.exists():
                study.parent.mkdir(parents=True, exist_ok=True)
                study.write_text(each.text(seed), encoding="utf-8")
            command = [sys.executable, "-m", "harness.run_study", str(study), "--output", str(study.with_suffix(""))]
            subprocess.run([*command, "--workers", str(workers), "--no-report"], check=True)


def collect(folder: Path) -> pd.DataFrame:
    """Final scores of all studies below `folder` that are complete: one row per run."""
    return pd.concat(
        [
            _scores(folder / f"{each.name}_{seed}", each, seed)
            for each in DESIGNS
            for seed in SEEDS
            if (folder / f"{each.name}_{seed}" / "study.json").is_file()
        ],
        ignore_index=True,
    )


def _scores(folder: Path, each: Replicated, seed: int) -> pd.DataFrame:
    found = tables.load(folder)
    if found.study.name != f"{each.name}_{seed}":
        raise SystemExit(f"{folder} holds the study '{found.study.name}', not '{each.name}_{seed}'")
    score, runs = found.study.question.score, found.runs
    runs = runs[(runs["phase"] == "search") | runs["chosen"]]
    expected = len(SCHEDULES) * each.runs
    if len(runs) != expected:
        raise SystemExit(f"{folder} has {len(runs)} runs of {expected}: run this command without --no-training")
    kept = runs[
        ["phase", "schedule", "replicate", "point", "repetition", "status", "params_peak", score, f"{score}_ema"]
    ]
    kept = kept.rename(columns={"params_peak": "peak", score: "raw", f"{score}_ema": "ema"})
    return kept.assign(design=each.name, seed=seed)[["design", "seed", *kept.columns]]


def verdicts(scores: pd.DataFrame) -> pd.DataFrame:
    """One row per study, schedule, weights and scale: difference, interval, p, verdict; relative ones are ratios less 1.

    `diverged`: pairs with a run that diverged, which count in p and verdict, and not in the mean.
    """
    rows = []
    for each in DESIGNS:
        for seed, part in scores[scores["design"] == each.name].groupby("seed"):
            for weights in WEIGHTS:
                for scale in replicates.SCALES:
                    rows += list(_verdicts(part, each, weights, scale, seed=int(str(seed))))
    return pd.DataFrame(rows)


def _verdicts(
    part: pd.DataFrame, each: Replicated, weights: str, scale: str, *, seed: int
) -> Iterator[dict[str, object]]:
    confirmed = part[part["phase"] == "confirm"]
    values = np.stack(
        [_values(confirmed[confirmed["schedule"] == label], each, weights, scale) for label in SCHEDULES], axis=1
    )
    rope = replicates.rope_on_scale(ROPE[scale], scale)
    for label, one in judged(values, each.design.looks, rope=rope, labels=SCHEDULES, with_p=True).items():
        with np.errstate(invalid="ignore"):
            every = values[:, SCHEDULES.index(label)] - values[:, 0]
        difference = every[np.isfinite(every)]  # means are of pairs that both finished, as in every report
        yield {
            "design": each.name,
            "seed": seed,
            "schedule": label,
            "weights": weights,
            "scale": scale,
            "difference": replicates.as_difference(difference.mean(), scale),
            "low": replicates.as_difference(one.low, scale),
            "high": replicates.as_difference(one.high, scale),
            "standard_error": float(difference.std(ddof=1)) / math.sqrt(len(difference)),
            "p": one.p_holm,
            "verdict": one.verdict,
            "diverged": len(every) - len(difference),
            "runs": each.runs,
        }


def _values(runs: pd.DataFrame, each: Replicated, weights: str, scale: str) -> NDArray[np.float64]:
    """A schedule's value of each replicate, or of each seed of a single tuning: +inf diverged, NaN failed."""
    scores = runs[weights].where(runs["status"] == "finished", np.nan).mask(runs["status"] == "diverged", np.inf)
    groups = scores.groupby(runs["replicate" if each.design.last > 1 else "repetition"])
    return np.array([replicates.value(list(group), scale=scale) for _, group in groups])
