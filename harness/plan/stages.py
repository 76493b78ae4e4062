"""The plan: which runs a study consists of, stage after stage, as a pure function of the study and its outcomes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from harness.plan import points, tpe
from harness.plan.design import Design, design
from harness.seeds import derive
from harness.spec import StudySpec


@dataclass(frozen=True)
class TrialSummary:
    """What the plan needs to know of a run that has ended; `score` is None unless it finished."""

    status: str
    score: float | None
    last_step: int

    @property
    def rank(self) -> tuple[int, float]:
        """Sort key, best first: finished by score, then diverged (later is better), then failed."""
        if self.score is not None:
            return (0, self.score)
        return (1 if self.status == "diverged" else 2, -float(self.last_step))


TrialSummaries = Mapping[str, TrialSummary]
Stages = Iterator[list[Design]]


def stages(spec: StudySpec, outcomes: TrialSummaries) -> list[Stages]:
    """Independent sequences of stages; the next stage of one may be taken once all runs of the last have ended."""
    if spec.search.allocation == "adaptive":
        return [_adaptive(spec, outcomes)]
    return [_balanced(spec, outcomes, label) for label in spec.schedules]


def size(spec: StudySpec) -> dict[str, dict[str, int]]:
    """Runs by phase and schedule, as they will be when all is done (adaptive search: by schedule unknown)."""
    labels = list(spec.schedules)
    trials = max(spec.search.trials, 0)
    return {
        "search": dict.fromkeys(labels, trials),
        "select": dict.fromkeys(labels, spec.select.top * spec.select.seeds),
        "confirm": dict.fromkeys(labels, spec.confirm.seeds),
    }


def order(spec: StudySpec) -> dict[str, int]:
    """A random but fixed order of the schedules for each study, so that no schedule is always trained first."""
    labels = list(spec.schedules)
    places = np.random.default_rng(derive(spec.seed, "order")).permutation(len(labels))
    return {label: int(place) for label, place in zip(labels, places, strict=True)}


def _balanced(spec: StudySpec, outcomes: TrialSummaries, label: str) -> Stages:
    """Search, select, confirm of one schedule, which looks at that schedule's outcomes only."""
    found: list[Design] = []
    for stage in _search(spec, outcomes, label):
        found += stage
        yield stage
    yield from _after_search(spec, outcomes, label, found)


def _search(spec: StudySpec, outcomes: TrialSummaries, label: str) -> Stages:
    if spec.search.sampler != "tpe":
        yield [
            _search_design(spec, label, index, points.point(spec, label, index)) for index in range(spec.search.trials)
        ]
        return
    found: list[Design] = []
    while len(found) < spec.search.trials:
        # Rounds begin at multiples of the round's size, so that a study that grew has the points of one that did not.
        count = min(spec.search.round, spec.search.trials - len(found))
        history = [_as_trial(each, outcomes[each.run]) for each in found]
        proposals = tpe.propose(spec, history, schedule=label, first=len(found), count=spec.search.round)[:count]
        stage = [_search_design(spec, label, len(found) + place, params) for place, (_, params) in enumerate(proposals)]
        found += stage
        yield stage


def _adaptive(spec: StudySpec, outcomes: TrialSummaries) -> Stages:
    """One search in which the tuner chooses the schedule as well; then every schedule that was tried is confirmed."""
    total = spec.search.trials * len(spec.schedules)
    found: list[Design] = []
    while len(found) < total:
        history = [_as_trial(each, outcomes[each.run]) for each in found]
        proposals = tpe.propose(spec, history, schedule=None, first=len(found), count=spec.search.round)
        stage = [
            _search_design(spec, label, len(found) + place, params) for place, (label, params) in enumerate(proposals)
        ][: total - len(found)]
        found += stage
        yield stage
    sequences = [
        _after_search(spec, outcomes, label, [each for each in found if each.schedule == label])
        for label in spec.schedules
    ]
    while stage := [each for sequence in sequences for each in next(sequence, [])]:
        yield stage


def _after_search(spec: StudySpec, outcomes: TrialSummaries, label: str, found: list[Design]) -> Stages:
    """Select (if any), then confirm one configuration on fresh seeds."""
    if not found:
        if spec.search.trials:
            return  # an adaptive search that never tried this schedule
        found = [_search_design(spec, label, 0, spec.fixed(label))]
        ranked = found
    else:
        ranked = sorted(found, key=lambda each: (*outcomes[each.run].rank, each.point))
    best = ranked[0]
    if spec.select.top:
        candidates = ranked[: spec.select.top]
        rounds = {
            each.point: [_again(spec, each, "select", repetition) for repetition in range(spec.select.seeds)]
            for each in candidates
        }
        yield [again for group in rounds.values() for again in group]
        best = min(
            candidates,
            key=lambda each: (*_mean_rank([outcomes[again.run] for again in rounds[each.point]]), each.point),
        )
    yield [_again(spec, best, "confirm", repetition) for repetition in range(spec.confirm.seeds)]


def _mean_rank(outcomes: list[TrialSummary]) -> tuple[int, float]:
    """Sort key of a configuration: fewest runs that did not finish, then the mean score of those that did."""
    scores = [outcome.score for outcome in outcomes if outcome.score is not None]
    return (len(outcomes) - len(scores), sum(scores) / len(scores) if scores else math.inf)


def _search_design(spec: StudySpec, label: str, index: int, params: dict[str, float]) -> Design:
    return design(spec, phase="search", schedule=label, point=index, repetition=index, params=params)


def _again(spec: StudySpec, original: Design, phase: str, repetition: int) -> Design:
    return design(
        spec,
        phase=phase,
        schedule=original.schedule,
        point=original.point,
        repetition=repetition,
        params=original.values,
    )


def _as_trial(each: Design, outcome: TrialSummary) -> tpe.Trial:
    return tpe.Trial(each.schedule, each.values, math.inf if outcome.score is None else outcome.score)
