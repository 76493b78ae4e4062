"""Every path on which a study may grow, where nothing differs: false claims of the plan, and without its rule.

The harness keeps the verdicts of what was planned before the first confirmation run; what is added is exploratory, a
family of its own, and changes none of them. `uncorrected` is what a reader would claim who tests all there is after
every addition and believes any significant result.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from benchmarks.calibration.judged import claimed
from benchmarks.calibration.worlds import Array, Setting, scores

RAISED = (10, 15, 20, 25, 30, 40)
LOOKS = (8, 12, 16, 20)
PLANNED, ADDED = 3, 3
Shares = tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]  # which studies: plan, exploratory, uncorrected


def seeds_raised(values: Array) -> Shares:
    """One tuning; confirm.seeds is 10 and is raised again and again."""
    peeks = [claimed(values[:, :n], (n,)) for n in RAISED]
    return peeks[0], np.zeros_like(peeks[0]), np.any(peeks, axis=0)


def schedules_added(values: Array) -> Shares:
    """A replicated study of 3 schedules to which 3 others are added, one at a time, after looking at all so far."""
    families = [claimed(values[..., : PLANNED + more], LOOKS) for more in range(ADDED + 1)]
    added = [
        claimed(np.delete(values[..., : PLANNED + more], range(1, PLANNED), axis=2), LOOKS)
        for more in range(1, ADDED + 1)
    ]
    return families[0], np.any(added, axis=0), np.any(families, axis=0)


def beyond(values: Array) -> Shares:
    """A replicated study that goes on beyond its last look, four replicates at a time, up to twice as many."""
    planned, last = claimed(values[:, : LOOKS[-1]], LOOKS), LOOKS[-1]
    naive = [claimed(values[:, :n], (n,)) for n in range(last + 4, 2 * last + 1, 4)]
    return planned, np.zeros_like(planned), np.any([planned, *naive], axis=0)


# path -> (what it is, its function, schedules, replicates)
PATHS = {
    "confirm.seeds raised": (f"10 planned, looked at after {', '.join(map(str, RAISED))}", seeds_raised, 3, RAISED[-1]),
    "schedules added": ("3 planned, 3 more one at a time; looks 8, 12, 16, 20", schedules_added, PLANNED + ADDED, 20),
    "replicates.beyond": ("looks 8, 12, 16, 20, then 24, 28, … 40", beyond, 3, 2 * LOOKS[-1]),
}
NOISES = ("gaussian", "skewed", "heteroscedastic, skewed")


def grown(path: str, noise: str, studies: int, seed: int) -> dict[str, object]:
    """Shares of studies with a false claim on one path."""
    what, follow, schedules, replicates = PATHS[path]
    drawn = scores(Setting(schedules, noise=noise), np.random.default_rng(seed), studies, replicates)
    found = zip(("plan", "exploratory", "uncorrected"), follow(drawn), strict=True)
    shares = {name: float(which.mean()) for name, which in found}
    return {"path": path, "what": what, "noise": noise, "studies": studies} | shares


def plan() -> list[tuple[str, str]]:
    """All paths in all noises."""
    return list(itertools.product(PATHS, NOISES))
