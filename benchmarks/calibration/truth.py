"""Studies of any design drawn from real scores: tables in which each search point was trained with many seeds.

A tuning draws points and seeds, takes the best by the drawn scores, and confirms it on seeds drawn anew: what a study
does, without the training. The schedule's effect is the mean of a tuning's difference to the baseline over all draws.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.calibration.judged import claimed, judged
from benchmarks.calibration.whole import Design
from benchmarks.calibration.worlds import Array
from harness.stats import replicates, words

FOLDER = Path(__file__).resolve().parents[2] / "results" / "calibration"
TABLES = {"2,000 steps": "truth_2000.csv"}
WEIGHTS = ("raw", "ema")
BASELINE = "constant"
ROPE = {"absolute": 0.3, "relative": 10.0}  # as study files give it: units of the score, per cent
_EFFECT_DRAWS = 100_000

DESIGNS = (
    Design(16, 0, 10),
    Design(16, 0, 40),
    Design(16, 3, 10),
    Design(4, 0, 10),
    Design(3, 0, 1, 8, 8),
    Design(4, 0, 1, 12, 12),
    Design(4, 0, 1, 16, 16),
    Design(3, 0, 1, 8, 20),
)


@dataclass(frozen=True)
class Truth:
    """Real scores (points, seeds) of each schedule, the baseline first; smaller is better."""

    scores: Mapping[str, Array]

    @property
    def shape(self) -> tuple[int, int]:
        """Points and seeds."""
        points, seeds = self.scores[BASELINE].shape
        return points, seeds


def compact(runs: pd.DataFrame, score: str) -> pd.DataFrame:
    """The table that is kept of a study's runs.csv: one row per run of its phase `select` on seeds that all points have."""
    runs = runs[(runs["phase"] == "select") & (runs["status"] == "finished")]
    common = runs.groupby("repetition")["run"].transform("size")
    runs = runs[common == common.max()]
    columns = {"schedule": "schedule", "point": "point", "repetition": "seed", "params_peak": "peak"}
    table = runs[[*columns, score, f"{score}_ema"]].rename(columns={**columns, score: "raw", f"{score}_ema": "ema"})
    return table.sort_values(["schedule", "point", "seed"]).reset_index(drop=True)


def load(path: Path, weights: str) -> Truth:
    """A kept table's scores of raw or of averaged weights."""
    table = pd.read_csv(path)
    labels = [BASELINE, *sorted(set(table["schedule"]) - {BASELINE})]
    return Truth(
        {
            label: table[table["schedule"] == label].pivot(index="point", columns="seed", values=weights).to_numpy()
            for label in labels
        }
    )


def tunings(truth: Truth, design: Design, number: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """The point that each of `number` tunings chooses of each schedule, (number, schedules); points and seeds shared."""
    points, seeds = truth.shape
    tried = np.argsort(rng.random((number, points)))[:, : design.trials]
    drawn = rng.integers(0, seeds, (number, design.trials))
    again = np.argsort(rng.random((number, seeds)))[:, None, :3]
    rows, chosen = np.arange(number), []
    for table in truth.scores.values():
        order = np.argsort(table[tried, drawn], axis=1)
        best = tried[rows, order[:, 0]]
        if design.top:
            candidates = np.take_along_axis(tried, order[:, : design.top], axis=1)
            means = table[candidates[:, :, None], again].mean(axis=2)
            best = candidates[rows, means.argmin(axis=1)]
        chosen.append(best)
    return np.stack(chosen, axis=1)


def effects(truth: Truth, design: Design, scale: str, rng: np.random.Generator) -> Array:
    """Mean difference to the baseline of each other schedule, tuned so, on `scale`; (schedules - 1,)."""
    chosen = tunings(truth, design, _EFFECT_DRAWS, rng)
    tables = truth.scores.values()
    means = [on_scale(table, scale).mean(axis=1)[chosen[:, place]].mean() for place, table in enumerate(tables)]
    return np.array(means[1:]) - means[0]


def on_scale(scores: Array, scale: str) -> Array:
    """Scores, or their logarithms, as replicates' values have them."""
    return np.vectorize(replicates.on_scale, otypes=[float])(scores, scale)


def drawn(truth: Truth, design: Design, scale: str, studies: int, rng: np.random.Generator) -> Array:
    """Values of `studies` studies, (studies, replicates or confirmation seeds, schedules)."""
    last = design.looks[-1]
    tables = np.stack([on_scale(table, scale) for table in truth.scores.values()])
    chosen = tunings(truth, design, studies * design.last, rng).reshape(studies, design.last, 1, -1)
    fresh = rng.integers(0, truth.shape[1], (studies, design.last, design.confirm, 1))
    values = tables[np.arange(len(tables)), chosen, fresh]
    return values.mean(axis=2) if design.last > 1 else values.reshape(studies, last, -1)


def resampled(
    table: str, weights: str, scale: str, design: Design, studies: int, seed: int, folder: Path = FOLDER
) -> list[dict[str, object]]:
    """One row per schedule but the baseline: spread, reported error, coverage, verdicts, false claims.

    `false_claim`: share of studies with any claim of a difference once the schedules' true effects are taken off.
    `agreement`: the chance that two studies give the same verdict. Differences of the relative scale are of logarithms.
    """
    truth, rng = load(folder / TABLES[table], weights), np.random.default_rng(seed)
    true, labels = effects(truth, design, scale, rng), list(truth.scores)
    values = drawn(truth, design, scale, studies, rng)
    rope = replicates.rope_on_scale(ROPE[scale], scale)
    found = [judged(each, design.looks, rope=rope, labels=labels) for each in values]
    level = np.concatenate([[0.0], true])
    false = claimed(values - level, design.looks).mean()
    rows = []
    for place, label in enumerate(labels[1:], start=1):
        mine = [one[label] for one in found]
        pairs = [(each[:, place] - each[:, 0])[: one.n] for each, one in zip(values, mine, strict=True)]
        shares = pd.Series([one.verdict for one in mine]).value_counts(normalize=True)
        effect = true[place - 1]
        every = (values[..., place] - values[..., 0]).ravel()
        rows.append(
            {
                "table": table,
                "weights": weights,
                "scale": scale,
                "design": design.name,
                "runs": design.last * design.trials + 3 * design.top + design.last * design.confirm,
                "schedule": label,
                "studies": studies,
                "effect": effect,
                "rope": rope,
                "sd": float(np.std([each.mean() for each in pairs], ddof=1)),
                "standard_error": float(np.mean([each.std(ddof=1) / math.sqrt(len(each)) for each in pairs])),
                "skewness": float(pd.Series(every).skew()),
                "coverage": float(np.mean([one.low <= effect <= one.high for one in mine])),
                **{name: float(shares.get(name, 0.0)) for name in words.DECIDED},
                "agreement": float((shares**2).sum()),
                "false_claim": float(false),
                "replicates": float(np.mean([one.n for one in mine])) if design.last > 1 else math.nan,
            }
        )
    return rows


def plan(folder: Path = FOLDER) -> list[tuple[str, str, str, Design]]:
    """(table, weights, scale, design) of everything that is drawn."""
    return [
        (table, weights, scale, design)
        for table, name in TABLES.items()
        if (folder / name).is_file()
        for weights in WEIGHTS
        for scale in replicates.SCALES
        for design in DESIGNS
    ]
