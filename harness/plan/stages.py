"""The plan: which runs a study consists of, stage after stage, as a pure function of the study and its outcomes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np

from harness.plan import points, tpe
from harness.plan.choice import choose
from harness.plan.confirmed import Confirmed
from harness.plan.design import Design, design
from harness.plan.outcomes import TrialSummaries, TrialSummary
from harness.seeds import derive
from harness.spec import StudySpec
from harness.stats import words

Stages = Iterator[list[Design]]
Wave = list[Stages]


def waves(spec: StudySpec, confirmed: Confirmed) -> Iterator[Wave]:
    """Independent sequences of stages, wave after wave.

    The next stage of a sequence may be taken once all runs of its last have ended; the next wave, once all sequences of
    the last are through. A study that tunes once is one wave. A replicated one has a wave for each look: the replicates
    up to it, of the baseline and of every schedule that no earlier look decided.
    """
    outcomes = confirmed.outcomes
    if spec.search.allocation == "adaptive":
        yield [_adaptive(spec, outcomes)]
        return
    if not spec.replicated:
        yield [_balanced(spec, outcomes, label, None) for label in spec.schedules]
        return
    replicates = spec.replicates
    last = replicates.max + replicates.beyond
    for first, end in itertools.pairwise((0, *replicates.looks, *([last] if replicates.beyond else []))):
        judged = confirmed.judged()
        going_on = [label for label, found in judged.items() if not first or found.verdict in words.OPEN]
        if judged and not going_on:
            return
        labels = [label for label in spec.schedules if label in going_on or label == spec.question.baseline]
        yield [
            _noted(_balanced(spec, outcomes, label, replicate), confirmed)
            for replicate in range(first, end)
            for label in labels
        ]


def _noted(sequence: Stages, confirmed: Confirmed) -> Stages:
    """The same stages; `confirmed` learns of them as they open."""
    for stage in sequence:
        confirmed.note(stage)
        yield stage


def size(spec: StudySpec) -> dict[str, dict[str, int]]:
    """Runs by phase and schedule, as they will be when all is done (adaptive search: by schedule unknown).

    Of a replicated study these are the most: a schedule that a look decides is trained no further.
    """
    sizes = {phase: dict.fromkeys(spec.schedules, count * most(spec)) for phase, count in per_replicate(spec).items()}
    if spec.variance is not None:
        sizes["variance"] = {label: spec.variance.of(label) for label in spec.schedules}
    return sizes


def per_replicate(spec: StudySpec) -> dict[str, int]:
    """Runs of one schedule by phase, in one replicate, that verdicts come from: in all of a study that tunes once."""
    return {
        "search": spec.search.trials,
        "select": spec.select.top * spec.select.seeds,
        "confirm": spec.confirm.seeds,
    }


def most(spec: StudySpec) -> int:
    """The number of replicates, if no look decides anything; 1 of a study that tunes once."""
    return spec.replicates.max + spec.replicates.beyond


def order(spec: StudySpec) -> dict[str, int]:
    """A random but fixed order of the schedules for each study, so that no schedule is always trained first."""
    labels = list(spec.schedules)
    places = np.random.default_rng(derive(spec.seed, "order")).permutation(len(labels))
    return {label: int(place) for label, place in zip(labels, places, strict=True)}


def _balanced(spec: StudySpec, outcomes: TrialSummaries, label: str, replicate: int | None) -> Stages:
    """Search, select, confirm of one schedule in one replicate, which looks at the outcomes of these alone."""
    found: list[Design] = []
    for stage in _search(spec, outcomes, label, replicate):
        found += stage
        yield stage
    yield from _after_search(spec, outcomes, label, found, replicate)


def _search(spec: StudySpec, outcomes: TrialSummaries, label: str, replicate: int | None) -> Stages:
    if spec.search.sampler != "tpe":
        yield [
            _search_design(spec, label, index, points.point(spec, label, index, replicate), replicate)
            for index in range(spec.search.trials)
        ]
        return
    found: list[Design] = []
    while len(found) < spec.search.trials:
        # Rounds begin at multiples of the round's size, so that a study that grew has the points of one that did not.
        count = min(spec.search.round, spec.search.trials - len(found))
        history = [_as_trial(each, outcomes[each.run]) for each in found]
        proposals = tpe.propose(
            spec, history, schedule=label, first=len(found), count=spec.search.round, replicate=replicate
        )[:count]
        stage = [
            _search_design(spec, label, len(found) + place, params, replicate)
            for place, (_, params) in enumerate(proposals)
        ]
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
        _after_search(spec, outcomes, label, [each for each in found if each.schedule == label], None)
        for label in spec.schedules
    ]
    while stage := [each for sequence in sequences for each in next(sequence, [])]:
        yield stage


def _after_search(
    spec: StudySpec, outcomes: TrialSummaries, label: str, found: list[Design], replicate: int | None
) -> Stages:
    """Select (if any), then confirm one configuration on fresh seeds, then vary its seeds one at a time (if asked for)."""
    if not found:
        if spec.search.trials:
            return  # an adaptive search that never tried this schedule
        found = [_search_design(spec, label, 0, spec.fixed(label), replicate)]
        ranked = found
    else:
        ranked = sorted(found, key=lambda each: (*outcomes[each.run].rank, each.point))
        scores = [outcomes[each.run].score for each in ranked]
        choice = choose(spec.search.choice, [each.values for each in ranked], spec.sampled(label), scores)
        ranked = [ranked[place] for place in choice.order]
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
    if spec.variance is not None and spec.variance.of(label):
        yield [
            _again(spec, best, "variance", repetition, source=source)
            for source in spec.variance.sources
            for repetition in range(spec.variance.runs(source))
        ]


def following(spec: StudySpec, design: Design) -> list[Design]:
    """The runs that are sure to follow a run and to have its seeds and rates: those that score its end again."""
    if (
        spec.variance is None
        or (design.phase, design.repetition) != ("confirm", 0)
        or not spec.variance.of(design.schedule)
    ):
        return []
    count = spec.variance.runs("evaluation")
    return [_again(spec, design, "variance", repetition, source="evaluation") for repetition in range(count)]


def _mean_rank(outcomes: list[TrialSummary]) -> tuple[int, float]:
    """Sort key of a configuration: fewest runs that did not finish, then the mean score of those that did."""
    scores = [outcome.score for outcome in outcomes if outcome.score is not None]
    return (len(outcomes) - len(scores), sum(scores) / len(scores) if scores else math.inf)


def _search_design(
    spec: StudySpec, label: str, index: int, params: dict[str, float], replicate: int | None = None
) -> Design:
    return design(
        spec, phase="search", schedule=label, point=index, repetition=index, params=params, replicate=replicate
    )


def _again(spec: StudySpec, original: Design, phase: str, repetition: int, *, source: str = "") -> Design:
    return design(
        spec,
        phase=phase,
        schedule=original.schedule,
        point=original.point,
        repetition=repetition,
        params=original.values,
        replicate=original.replicate,
        source=source,
    )


def _as_trial(each: Design, outcome: TrialSummary) -> tpe.Trial:
    return tpe.Trial(each.schedule, each.values, math.inf if outcome.score is None else outcome.score)
