"""Optuna's TPE as a tuner that gives the same points whoever trained the runs, in whatever order they ended.

A tuner is asked for a whole round at a time, from the finished rounds before it, in a study in memory that holds the
trials sorted by point. Hence a point depends on the study's seed and on scores alone, not on timing or restarts.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import optuna

from harness.plan import points
from harness.seeds import derive
from harness.spec import StudySpec

START_UP = 8  # below this a tuner has too little to go by, and the Sobol' points are better (notes: up to ~16)


@dataclass(frozen=True)
class Trial:
    """One finished search run as the tuner sees it; `value` is infinite for a diverged or failed run."""

    schedule: str
    params: Mapping[str, float]
    value: float


def propose(
    spec: StudySpec,
    history: Sequence[Trial],
    *,
    schedule: str | None,
    first: int,
    count: int,
    replicate: int | None = None,
) -> list[tuple[str, dict[str, float]]]:
    """The next `count` points, as (schedule, parameters), after `history` (sorted by point).

    With `schedule` the tuner sees and proposes only that one; without, it chooses the schedule as well. `first` is
    the index of the first proposed point.
    """
    labels = list(spec.schedules) if schedule is None else [schedule]
    if first < START_UP or not any(points.distributions(spec, label) for label in labels):
        chosen = [labels[(first + place) % len(labels)] for place in range(count)]
        indices = [(first + place) // len(labels) for place in range(count)]
        return [
            (label, points.point(spec, label, index, replicate)) for label, index in zip(chosen, indices, strict=True)
        ]
    sampler = _sampler(derive(spec.seed_of(replicate), "tpe", schedule or "", first) % 2**32)
    study = optuna.create_study(direction="minimize", sampler=sampler, pruner=optuna.pruners.NopPruner())
    for trial in history:
        study.add_trial(_as_trial(spec, trial, labels))
    proposals = []
    for _ in range(count):
        asked = study.ask()
        label = asked.suggest_categorical("schedule", labels) if len(labels) > 1 else labels[0]
        values = {
            name: _suggested(asked, spec.trial_parameter(label, name), distribution)
            for name, distribution in points.distributions(spec, label).items()
        }
        proposals.append((label, spec.fixed(label) | values))
    return proposals


def _suggested(
    asked: optuna.Trial,
    name: str,
    limits: optuna.distributions.FloatDistribution | optuna.distributions.IntDistribution,
) -> float:
    if isinstance(limits, optuna.distributions.IntDistribution):
        return asked.suggest_int(name, limits.low, limits.high, log=limits.log)
    return asked.suggest_float(name, limits.low, limits.high, log=limits.log)


def _sampler(seed: int) -> optuna.samplers.TPESampler:
    """TPE with one joint density for each group of parameters, so that conditional ones are handled."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(n_startup_trials=0, multivariate=True, group=True, seed=seed)


def _as_trial(spec: StudySpec, trial: Trial, labels: Sequence[str]) -> optuna.trial.FrozenTrial:
    params: dict[str, object] = {}
    distributions: dict[str, optuna.distributions.BaseDistribution] = {}
    if len(labels) > 1:
        params["schedule"] = trial.schedule
        distributions["schedule"] = optuna.distributions.CategoricalDistribution(list(labels))
    for name, distribution in points.distributions(spec, trial.schedule).items():
        key = spec.trial_parameter(trial.schedule, name)
        params[key] = trial.params[name]
        distributions[key] = distribution
    return optuna.trial.create_trial(params=params, distributions=distributions, value=trial.value)
