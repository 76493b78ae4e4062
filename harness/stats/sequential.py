"""Verdicts that hold however early a study stops: an exact group-sequential sign-flip test with alpha spending.

Replicates are looked at after planned numbers of them, the looks. Under no difference each replicate's difference is as
likely to be positive as negative, so the observed signs are one of many equally likely patterns. Each look rejects the
patterns with the largest sums among those that no earlier look rejected, and all looks so far together at most
`level * spent(...)` of the patterns. The observed pattern is one of them, so that it is rejected at any look with a
probability of at most `level`, exactly, for symmetric differences of any distribution.

Several schedules: Holm's test as closed testing (Marcus, Peritz & Gabriel 1976) with looks (Ye et al. 2013). A set of s
hypotheses is rejected where one of them crosses at level alpha / s; a schedule is decided where all sets with it are. The
level of a decided schedule so passes on to the others.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.stats import paired
from harness.stats.words import BETTER, CLAIMS, DESCRIPTIVE, EQUIVALENT, UNDECIDED, WORSE

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Judgement:
    """What is known of one schedule against the baseline.

    `look`: looks taken (0 before the first); `n`: replicates planned up to it. `p`: the smallest level at which this
    comparison alone would have crossed by now; `p_holm`: after Holm over all comparisons; both NaN before the first look.
    `done`: decided, or the last look is taken.

    `low`, `high`: 1 - alpha t interval of the mean difference over the pairs up to `n` that both finished. It needs no
    widening for the looks, since alpha is spent so late that few studies stop early by luck: of Gaussian studies with
    effects of 0 to 2 standard deviations it covers 93.1 to 95.5 % at looks of 8, 12, 16, 20, of 6, 10, 20, of 10, 15, 20
    and of 10, 20, 40, at levels of 0.05, 0.025 and 0.01 (1,500 studies each). Repeated intervals would cover nearly all.
    """

    verdict: str
    look: int
    n: int
    p: float
    p_holm: float
    low: float
    high: float
    done: bool


def spent(replicates: int, largest: int) -> float:
    """The share of alpha that looks at up to `replicates` of `largest` replicates may use: the cube of their ratio.

    Little is spent early, as by the boundaries of O'Brien & Fleming (1979), so that the last look is nearly the fixed
    test. Of Gaussian differences at alpha 0.05 and 0.025, looks at 8, 12, 16, 20, effects where the fixed test has a power
    of 40 to 85 %, the cube loses 2 to 3 points of power, the square 3 to 5, the ratio itself 8 to 10; with 12 to 16
    replicates on average at an effect of one standard deviation they are within 2 of each other.

    >>> spent(10, 20), spent(20, 20)
    (0.125, 1.0)
    """
    return (replicates / largest) ** 3


@dataclass(frozen=True)
class _Look:
    """The sums of all patterns at one look, the observed one first, and the share of alpha spent by then."""

    sums: Array
    share: float

    @functools.cached_property
    def order(self) -> NDArray[np.int64]:
        """The patterns by falling sum."""
        return np.argsort(-self.sums)

    @functools.cached_property
    def ends(self) -> NDArray[np.int64]:
        """Where groups of equal sums end in `order`."""
        falls = -np.diff(self.sums[self.order]) > paired.tie_tolerance(self.sums)
        return np.append(np.flatnonzero(falls), len(self.sums) - 1)

    @functools.cached_property
    def reached(self) -> int:
        """How many patterns have a sum as large as the observed one's: the fewest that a look rejects with it."""
        return int((self.sums >= self.sums[0] - paired.tie_tolerance(self.sums)).sum())

    def budget(self, level: float) -> int:
        """How many patterns this look and the earlier ones may reject."""
        return _floor(len(self.sums) * level * self.share)


def _floor(number: float) -> int:
    """The whole number below, where a whole number itself may have been rounded down."""
    return math.floor(number * (1 + 1e-12))


class _Test:
    """The looks of one test, and which of them the observed pattern, number 0, crosses at a level."""

    def __init__(self, largest: int) -> None:
        self.largest = largest
        self.patterns = len(paired.signs(largest))
        self.looks: list[_Look | None] = []

    def add(self, values: Array | None, *, two_sided: bool = True) -> None:
        """Take the next look at values of shape (replicates,); None, or no values but 0, reject nothing."""
        if values is None or not values.any():
            self.looks.append(None)
            return
        sums = paired.flipped_sums(values, paired.signs(self.largest))
        if two_sided:
            sums = np.abs(sums)
        self.looks.append(_Look(sums, spent(len(values), self.largest)))

    def crossing(self, level: float) -> int | None:
        """The first look, from 0, that rejects the observed pattern at `level`; None if none does."""
        if not any(look is not None and look.reached <= look.budget(level) for look in self.looks):
            return None
        alive, gone = np.ones(self.patterns, dtype=bool), 0
        for place, look in enumerate(self.looks):
            if look is None:
                continue
            budget = look.budget(level)
            # All of the first patterns are rejected here or were before, so that no more than `budget` of them matter.
            ends = look.ends[: np.searchsorted(look.ends, budget)]
            rejected = gone + np.cumsum(alive[look.order[:budget]])[ends]
            groups = int(np.searchsorted(rejected, budget, side="right"))
            if groups:
                alive[look.order[: ends[groups - 1] + 1]] = False
                gone = int(rejected[groups - 1])
            if not alive[0]:
                return place
        return None

    def p(self) -> float:
        """The smallest level at which a look taken so far rejects the observed pattern; 1 if none below does."""
        if self.crossing(1.0) is None:
            return 1.0
        low, high = 0.0, 1.0
        while high - low > 0.1 / self.patterns:
            middle = (low + high) / 2
            low, high = (low, middle) if self.crossing(middle) is not None else (middle, high)
        shares = [self.patterns * look.share for look in self.looks if look is not None]
        # Levels between the same two budgets reject the same patterns: the smallest of them.
        return max(_floor(high * share) / share for share in shares)


class _Comparison:
    """One schedule against the baseline: pairs so far, tests of difference and of equivalence, the verdict."""

    def __init__(self, values: Array, baseline: Array, largest: int) -> None:
        self.missing = np.isnan(values) | np.isnan(baseline)
        with np.errstate(invalid="ignore"):
            self.differences = values - baseline
        self.difference = _Test(largest)
        self.above, self.below = _Test(largest), _Test(largest)
        self.directions: list[float] = []
        self.verdict = UNDECIDED
        self.look = self.n = 0

    @property
    def pairs(self) -> Array:
        """Differences of the replicates up to the last look that both sides have."""
        return np.asarray(self.differences[: self.n][~self.missing[: self.n]])

    def take(self, n: int, *, needed: int, rope: float) -> None:
        """Take the next look at `n` replicates; one with fewer than `needed` pairs rejects nothing."""
        self.look, self.n = self.look + 1, n
        present = ~self.missing[:n]
        enough = int(present.sum()) >= needed
        values = np.zeros(n)  # a missing pair adds nothing to any pattern's sum
        values[present] = paired.magnitudes(self.pairs)
        self.directions.append(float(values.sum()))
        self.difference.add(values if enough else None)
        if rope > 0:
            finite = enough and bool(np.isfinite(self.pairs).all())
            for test, shifted in ((self.above, self.pairs + rope), (self.below, rope - self.pairs)):
                values = np.zeros(n)
                values[present] = shifted
                test.add(values if finite else None, two_sided=False)

    def equivalent(self, level: float) -> bool:
        """Whether both one-sided tests, that the mean is above -rope and below rope, reject at `level`."""
        return self.above.crossing(level) is not None and self.below.crossing(level) is not None


def judge(
    values: Mapping[str, ArrayLike],
    *,
    baseline: str,
    looks: Sequence[int],
    alpha: float,
    rope: float,
    ended: Mapping[str, int] | None = None,
    with_p: bool = True,
) -> dict[str, Judgement]:
    """Judge each schedule but the baseline by the looks taken so far.

    `values[label]`: one number per replicate, from the first; smaller is better, +inf diverged, NaN missing because it
    failed. `ended[label]`: how many first replicates have ended (default: all that are given). `looks`: rising numbers of
    replicates. A look is taken when the schedule and the baseline both have that many ended replicates. A verdict is kept
    and uses the replicates up to its look alone. `rope` is in the units of the values; 0 asks for no equivalence.
    p values take most of the time; who needs verdicts alone leaves them out (NaN) by `with_p`. Raises ValueError if looks do not rise, the baseline is missing, or alpha or rope is out of range.

    >>> scores = {"constant": [3.0, 3.2, 3.1, 2.9, 3.3, 3.0, 3.1, 3.0], "linear": [2.5, 2.6, 2.4, 2.5, 2.6, 2.3, 2.5, 2.4]}
    >>> found = judge(scores, baseline="constant", looks=[8, 10], alpha=0.05, rope=0.0)["linear"]
    >>> found.verdict, found.look, found.n, round(found.p, 4), found.done
    ('better', 1, 8, 0.0153, True)
    """
    _check(values, baseline=baseline, looks=looks, alpha=alpha, rope=rope)
    series = {label: np.asarray(given, dtype=np.float64) for label, given in values.items()}
    counts = {label: min(len(given), (ended or {}).get(label, len(given))) for label, given in series.items()}
    others = [label for label in series if label != baseline]
    needed = paired.seeds_needed(len(others), alpha) if others else 0
    compared = {label: _compared(series[label], series[baseline], looks[-1]) for label in others}
    for n in looks:
        active = [label for label in others if compared[label].verdict == UNDECIDED]
        taken = [label for label in active if min(counts[label], counts[baseline]) >= n]
        for label in taken:
            compared[label].take(n, needed=needed, rope=rope)
            if rope > 0 and compared[label].equivalent(alpha / len(others)):
                compared[label].verdict = EQUIVALENT
        crossed = [
            {label for label in others if compared[label].difference.crossing(alpha / size) is not None}
            for size in range(1, len(others) + 1)
        ]
        for label in taken:
            if compared[label].verdict == UNDECIDED and _rejected(label, crossed, len(others)):
                first = compared[label].difference.crossing(alpha)
                leaning = compared[label].directions[first or 0]
                compared[label].verdict = BETTER if leaning < 0 else WORSE
    return _judgements(compared, looks=looks, alpha=alpha, needed=needed, with_p=with_p)


def _check(values: Mapping[str, ArrayLike], *, baseline: str, looks: Sequence[int], alpha: float, rope: float) -> None:
    if baseline not in values:
        raise ValueError(f"baseline is '{baseline}', but values are of: {', '.join(values) or 'none'}")
    if not looks or looks[0] < 1 or any(later <= earlier for earlier, later in pairwise(looks)):
        raise ValueError(f"looks are {list(looks)}, but allowed are rising numbers of replicates from 1")
    if rope < 0 or not 0 < alpha < 0.5:
        raise ValueError(f"rope is {rope:g} and alpha is {alpha:g}, but allowed are rope from 0, alpha in (0, 0.5)")


def _compared(values: Array, baseline: Array, largest: int) -> _Comparison:
    common = min(len(values), len(baseline))
    return _Comparison(values[:common], baseline[:common], largest)


def _rejected(label: str, crossed: Sequence[set[str]], comparisons: int) -> bool:
    """Whether every set of hypotheses with `label` is rejected; `crossed[s - 1]`: those that crossed at alpha / s."""
    return all(
        label in crossed[size - 1] or comparisons - len(crossed[size - 1]) - 1 < size - 1
        for size in range(1, comparisons + 1)
    )


def _judgements(
    compared: Mapping[str, _Comparison], *, looks: Sequence[int], alpha: float, needed: int, with_p: bool
) -> dict[str, Judgement]:
    p = {label: one.difference.p() if with_p else math.nan for label, one in compared.items()}
    adjusted = dict(zip(p, paired.holm(list(p.values())), strict=True))
    found = {}
    for label, one in compared.items():
        pairs = one.pairs
        ended = one.n == looks[-1]
        verdict = DESCRIPTIVE if one.verdict == UNDECIDED and ended and len(pairs) < needed else one.verdict
        low, high = paired.t_interval(pairs[np.isfinite(pairs)], alpha)
        found[label] = Judgement(
            verdict=verdict,
            look=one.look,
            n=one.n,
            p=p[label] if one.look else math.nan,
            p_holm=_agreeing(float(adjusted[label]), one.verdict, alpha) if one.look and with_p else math.nan,
            low=low,
            high=high,
            done=one.verdict != UNDECIDED or ended,
        )
    return found


def _agreeing(p_holm: float, verdict: str, alpha: float) -> float:
    """Holm's p on the side of alpha that the closed test found.

    Where patterns tie, a look may cross at a level and not at a slightly larger one, whose earlier looks reject a whole
    group more; the smallest level at which it crosses then says less than the levels of the closed test do.
    """
    if verdict in CLAIMS:
        return min(p_holm, alpha)
    return max(p_holm, math.nextafter(alpha, 1.0)) if verdict == UNDECIDED else p_holm
