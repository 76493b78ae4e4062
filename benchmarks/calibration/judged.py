"""Simulated comparisons and what the harness, and the usual ways to compare, say of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np
from scipy import stats as distributions

from benchmarks.calibration.worlds import Array, Setting, scores
from harness.stats import sequential
from harness.stats.sequential import Judgement

ALPHA = 0.05
PRACTICE_SEEDS = 3
SEARCH_TRIALS = 16


def judged(
    values: Array, looks: Sequence[int], *, rope: float = 0.0, labels: Sequence[str] = (), with_p: bool = False
) -> dict[str, Judgement]:
    """Judge one study's scores, (replicates, schedules); the first schedule is the baseline."""
    labels = labels or [f"s{place}" for place in range(values.shape[1])]
    series: Mapping[str, Array] = dict(zip(labels, values.T, strict=True))
    return sequential.judge(series, baseline=labels[0], looks=looks, alpha=ALPHA, rope=rope, with_p=with_p)


def claims(found: Mapping[str, Judgement]) -> bool:
    """Whether any schedule is called better or worse."""
    return any(one.verdict in ("better", "worse") for one in found.values())


def verdicts(setting: Setting, studies: int, seed: int) -> dict[str, object]:
    """Shares of claims, right and wrong, over all looks; coverage of the intervals at the stop; replicates until then."""
    last = f"s{setting.schedules - 1}"
    shares = dict.fromkeys(("false_claim", "better", "worse", "equivalent"), 0)
    covered = intervals = stopped = 0
    for values in scores(setting, np.random.default_rng(seed), studies, setting.looks[-1]):
        found = judged(values, setting.looks, rope=setting.rope)
        truth = {label: -setting.effect * (label == last) for label in found}
        known = {label: one for label, one in found.items() if not math.isnan(one.low)}
        covered += sum(one.low <= truth[label] <= one.high for label, one in known.items())
        intervals += len(known)
        shares["false_claim"] += claims({label: one for label, one in found.items() if truth[label] == 0})
        shares[found[last].verdict] = shares.get(found[last].verdict, 0) + 1
        stopped += found[last].n
    named = {name: shares[name] / studies for name in ("false_claim", "better", "worse", "equivalent")}
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
