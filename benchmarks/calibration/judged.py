"""Simulated comparisons and what the harness, and the usual ways to compare, say of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray
from scipy import stats as distributions

from benchmarks.calibration.worlds import Array, Setting, scores
from harness.stats import paired, sequential, words
from harness.stats.sequential import Judgement

ALPHA = 0.05
PRACTICE_SEEDS = 3
SEARCH_TRIALS = 16
_COLUMNS = 64  # comparisons whose patterns' sums are held at a time
_ROUNDING = 1e-4  # of sums in single precision


def judged(
    values: Array, looks: Sequence[int], *, rope: float = 0.0, labels: Sequence[str] = (), with_p: bool = False
) -> dict[str, Judgement]:
    """Judge one study's scores, (replicates, schedules); the first schedule is the baseline."""
    labels = labels or [f"s{place}" for place in range(values.shape[1])]
    series: Mapping[str, Array] = dict(zip(labels, values.T, strict=True))
    return sequential.judge(series, baseline=labels[0], looks=looks, alpha=ALPHA, rope=rope, with_p=with_p)


def all_judged(values: Array, looks: Sequence[int]) -> Iterator[dict[str, Judgement]]:
    """Judge studies, (studies, replicates, schedules), without a region of equivalence.

    Where nothing differs hardly any study is decided, and that none of its looks can decide it is found for many studies
    in one matrix product.
    """
    for study, silent in zip(values, undecided(values, looks), strict=True):
        yield _left_open(study, looks) if silent else judged(study, looks)


def undecided(values: Array, looks: Sequence[int]) -> NDArray[np.bool_]:
    """Which studies `judge` certainly calls undecided: in none of their comparisons and looks is the observed sum among
    the largest alpha / comparisons of all patterns' sums, without which Holm's first step rejects nothing.
    """
    studies, _, schedules = values.shape
    level = ALPHA / (schedules - 1)
    patterns = paired.signs(looks[-1]).astype(np.float32)
    with np.errstate(invalid="ignore"):
        differences = np.moveaxis(values[..., 1:] - values[..., :1], 1, 0).reshape(values.shape[1], -1)
    found = np.ones(differences.shape[1], dtype=bool)
    for n in looks:
        budget = len(patterns) * level * sequential.spent(n, looks[-1])
        added = differences[:n].copy()
        for column in np.flatnonzero(~np.isfinite(added).all(axis=0)):
            added[:, column] = paired.magnitudes(added[:, column])
        for start in range(0, len(found), _COLUMNS):
            sums = np.abs(patterns[:, :n] @ added[:, start : start + _COLUMNS].astype(np.float32))
            reached = (sums >= sums[0] * (1 + _ROUNDING)).sum(axis=0)  # rounded so that too few studies are left out
            found[start : start + _COLUMNS] &= reached > budget
    return found.reshape(studies, -1).all(axis=1) & (looks[-1] >= paired.seeds_needed(schedules - 1, ALPHA))


def _left_open(values: Array, looks: Sequence[int]) -> dict[str, Judgement]:
    """What `judge` says of a study that is undecided at its last look; without p values."""
    n, found = looks[-1], {}
    for place, column in enumerate(values.T[1:], start=1):
        with np.errstate(invalid="ignore"):
            pairs = (column - values[:, 0])[:n]
        low, high = paired.t_interval(pairs[np.isfinite(pairs)], ALPHA)
        found[f"s{place}"] = Judgement(words.UNDECIDED, len(looks), n, math.nan, math.nan, low, high, done=True)
    return found


def claims(found: Mapping[str, Judgement]) -> bool:
    """Whether any schedule is called better or worse."""
    return any(one.verdict in words.CLAIMS for one in found.values())


def claimed(values: Array, looks: Sequence[int]) -> NDArray[np.bool_]:
    """Which studies, (studies, replicates, schedules), make any claim."""
    return np.array([claims(found) for found in all_judged(values, looks)])


def verdicts(setting: Setting, studies: int, seed: int) -> dict[str, object]:
    """Shares of claims, right and wrong, over all looks; coverage of the intervals at the stop; replicates until then."""
    last = f"s{setting.schedules - 1}"
    shares = dict.fromkeys(("false_claim", *words.DECIDED), 0)
    covered = intervals = stopped = 0
    drawn = scores(setting, np.random.default_rng(seed), studies, setting.looks[-1])
    with_rope = (judged(values, setting.looks, rope=setting.rope) for values in drawn)
    for found in with_rope if setting.rope else all_judged(drawn, setting.looks):
        truth = {label: -setting.effect * (label == last) for label in found}
        known = {label: one for label, one in found.items() if not math.isnan(one.low)}
        covered += sum(one.low <= truth[label] <= one.high for label, one in known.items())
        intervals += len(known)
        shares["false_claim"] += claims({label: one for label, one in found.items() if truth[label] == 0})
        shares[found[last].verdict] = shares.get(found[last].verdict, 0) + 1
        stopped += found[last].n
    named = {name: shares[name] / studies for name in ("false_claim", *words.DECIDED)}
    return (
        asdict(setting)
        | {"looks": " ".join(map(str, setting.looks)), "studies": studies}
        | named
        | {"coverage": covered / intervals if intervals else math.nan, "replicates": stopped / studies}
    )


def practice(setting: Setting, studies: int, seed: int) -> dict[str, object]:
    """How often usual ways say 'the schedule matters' in the same worlds without any difference.

    Diverged runs are left out, as is usual; a side with fewer than two runs left claims nothing.
    """
    rng = np.random.default_rng(seed)
    few = scores(setting, rng, studies, PRACTICE_SEEDS)
    searched = scores(setting, rng, studies, SEARCH_TRIALS).min(axis=1)
    t_test = bars = 0
    for values in few:
        kept = [column[np.isfinite(column)] for column in values.T]
        pairs = [(kept[0], other) for other in kept[1:] if min(len(kept[0]), len(other)) > 1]
        t_test += any(distributions.ttest_ind(a, b).pvalue < ALPHA for a, b in pairs)
        bars += any(abs(a.mean() - b.mean()) > a.std(ddof=1) + b.std(ddof=1) for a, b in pairs)
    return {
        "schedules": setting.schedules,
        "noise": setting.noise,
        "divergence": setting.divergence,
        "studies": studies,
        "best_of_search": float((searched[:, 1:].min(axis=1) < searched[:, 0]).mean()),
        "t_test_3_seeds": t_test / studies,
        "bars_3_seeds": bars / studies,
    }
