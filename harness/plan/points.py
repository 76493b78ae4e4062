"""Search points: where each schedule's trials lie in its space, the same for all in the shared dimensions."""

from __future__ import annotations

import warnings
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import FloatDistribution, IntDistribution
from scipy.stats import qmc

from harness.seeds import derive
from harness.spec import Range, StudySpec

# Fixed, so that a schedule added later, with more fields of its own, leaves all earlier points where they were.
DIMENSIONS = 32


@lru_cache(maxsize=64)
def _sobol(seed: int, exponent: int) -> NDArray[np.float64]:
    """The first 2**exponent points of a scrambled Sobol' sequence (Owen 1998), shape (2**exponent, DIMENSIONS)."""
    engine = qmc.Sobol(DIMENSIONS, scramble=True, rng=np.random.default_rng(seed))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # SciPy's warning of 2**31 points and more
        return np.asarray(engine.random_base2(exponent), dtype=np.float64)


def unit_point(spec: StudySpec, index: int, replicate: int | None = None) -> NDArray[np.float64]:
    """Search point `index` in the unit cube, shape (DIMENSIONS,); earlier points never move as a study grows.

    Each replicate has a sequence scrambled by itself, so that replicates are independent.
    """
    seed = spec.seed_of(replicate)
    if spec.search.sampler == "random":
        return np.random.default_rng(derive(seed, "random search", index)).random(DIMENSIONS)
    exponent = max(4, int(index).bit_length())
    return np.asarray(_sobol(derive(seed, "sobol"), exponent)[index], dtype=np.float64)


def point(spec: StudySpec, schedule: str, index: int, replicate: int | None = None) -> dict[str, float]:
    """All parameters of `schedule` at search point `index`: fixed ones, shared ones, its own."""
    unit = unit_point(spec, index, replicate)
    # A shared parameter that the schedule has a value of its own for keeps its dimension, so that no other one moves.
    places: dict[str, Range] = {**spec.shared_space(), **spec.own_space(schedule)}
    whole = spec.whole(schedule)
    values: dict[str, float] = {
        name: limits.whole_at(float(unit[place])) if name in whole else limits.at(float(unit[place]))
        for place, (name, limits) in enumerate(places.items())
    }
    return values | spec.fixed(schedule)


def distributions(spec: StudySpec, schedule: str) -> dict[str, FloatDistribution | IntDistribution]:
    """What the search samples of `schedule`, as Optuna has it: shared parameters, then its own, by name."""
    whole = spec.whole(schedule)
    return {
        name: IntDistribution(int(limits.low), int(limits.high), log=limits.log)
        if name in whole
        else FloatDistribution(limits.low, limits.high, log=limits.log)
        for name, limits in spec.sampled(schedule).items()
    }
