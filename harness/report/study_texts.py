"""The texts of a study's report that stand between its tables and figures; empty where there is nothing to say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from harness.report import numbers
from harness.report.analysis import Analysis
from harness.report.entries import Code, Line, Link
from harness.report.study_tables import LOST
from harness.results import numerics
from harness.results.document import Course, as_table


def claims(analysis: Analysis) -> Line:
    """What the article says, and how the tables beneath are to be read."""
    return (
        "Gradually lowering the learning rate is said to give better images, less noise, more detail and more stable "
        "training, at some cost and with a risk of overfitting. Differences are to "
        f"{analysis.baseline}, paired by {analysis.plan.unit}, with {analysis.level} intervals. Only the primary score has a verdict; p "
        "is unadjusted in these tables, so they explore and do not decide.",
    )


def claims_elsewhere(analysis: Analysis) -> Line:
    """Where the claims are measured that no score measures."""
    return (
        "More stable training: see ",
        Link("stability", "Stability and failures"),
        ". Compute: see ",
        Link("cost", "Cost"),
        ". Whether it depends on model and task: a page across studies shows that, one study cannot.",
    )


def lost(analysis: Analysis) -> Line:
    """How many runs did not finish."""
    count = int((analysis.results.runs["status"] != "finished").sum())
    if not count:
        return ("All runs of all phases finished.",)
    some = f" (the first {LOST} are listed)" if count > LOST else ""
    return (
        f"{numbers.count(count, 'run')} of all phases did not finish{some}. A diverged run counts as worst and is never "
        "dropped.",
    )


def averaging(analysis: Analysis) -> Line:
    """What averaging did to the baseline."""
    return (analysis.averaging[0],)


def best_pair(analysis: Analysis) -> Line:
    """Which schedule with which average may be the best."""
    return (analysis.best_pair,) if analysis.best_pair else ()


def averaging_by_schedule(analysis: Analysis) -> list[Line]:
    """Whether averaging replaces the decay of each schedule."""
    return [(sentence,) for sentence in analysis.averaging[1:]]


def unequal_budgets(analysis: Analysis) -> Line:
    """What must be known of an adaptive search before its tables are read."""
    if analysis.results.study.phases.search.allocation != "adaptive":
        return ()
    return (
        "Search budgets were unequal: the sampler chose the schedule as well. The verdicts come from the confirmation "
        "runs alone.",
    )


def no_search(analysis: Analysis) -> Line:
    """That nothing was searched, where that is so."""
    return () if "sensitivity" in analysis.tables else ("This study has no search runs that could be compared.",)


def _trained(said: Mapping[str, Any]) -> list[str]:
    """What [train] sets of how networks are trained, in words; empty where it sets none of it."""
    found = []
    for key, meaning in (("penalties", "penalties"), ("augment", "augmented by")):
        names = [str(as_table(each)["name"]) for each in said.get(key) or ()]
        found += [f"{meaning} {', '.join(names)}"] if names else []
    found += ["training images mirrored at random"] if said.get("flip") else []
    found += ["alternating updates"] if said.get("updates") == "alternating" else []
    found += [f"{said['generator_batch']} images per update of the generator"] if said.get("generator_batch") else []
    found += ["networks see classes"] if said.get("conditional") else []
    loss = said.get("loss")
    name = loss and as_table(loss).get("name")
    return [f"loss {name}", *found] if found and name else found


def _shared(analysis: Analysis) -> str:
    points = "search points, " if analysis.plan.replicated else ""
    return f"share {points}weights at the start, data order and latents"


def _chosen(analysis: Analysis) -> str:
    by_curve = analysis.results.study.spec.search.choice == "curve"
    return "; chosen by a smooth curve through all search runs" if by_curve else ""


def facts(analysis: Analysis) -> list[Line]:
    """On what, how and by what the runs were made."""
    study = analysis.results.study
    data, environment, phases = study.data, study.environment, study.phases
    notes = "".join(f"; read from the folder: {note}" for note in data.notes)
    between = (
        f", the best {phases.select.top} of the search on {numbers.count(phases.select.seeds, 'seed')} between"
        if phases.select.top
        else ""
    )
    seed = study.spec.seed if study.spec.seed is not None else "the study’s seed"
    lines: list[Line] = [
        (
            f"Data: {data.name}, {data.train:,} training and {data.held_out:,} held-out images of "
            f"{'×'.join(map(str, data.shape))}, fingerprint ",
            Code(data.fingerprint[:16]),
            notes,
        ),
        (
            f"Features: {study.features.name}, {numbers.count(study.features.dimensions, 'dimension')}, SHA-256 ",
            Code(study.features.sha256[:16]),
        ),
        ("Primary score: ", Code(study.primary), f": {analysis.about(analysis.score).protocol}"),
        (
            f"Budget per schedule{' and replicate' if analysis.plan.replicated else ''}: "
            f"{numbers.count(phases.search.trials, 'search trial')} and "
            f"{numbers.count(phases.confirm.seeds, 'confirmation seed')}{between}{_chosen(analysis)}",
        ),
    ]
    if trained := _trained(study.spec.train.model_extra or {}):
        lines += [(f"Training: {'; '.join(trained)}",)]
    if analysis.plan.replicated:
        looks = ", ".join(map(str, analysis.plan.looks))
        lines += [
            (
                f"Replicates: at most {analysis.plan.looks[-1]}, looked at after {looks}; a schedule is trained until a look "
                "decides it, and the baseline goes along",
            )
        ]
    changed = [f"{name} {_course(course)}" for name, course in study.spec.train.scheduled.items()]
    if changed:
        lines += [(f"Changed within runs besides the rates: {'; '.join(changed)}",)]
    if analysis.pairing:
        lines += [(f"Pairing: runs of one {analysis.plan.unit} {_shared(analysis)}. {analysis.pairing}",)]
    lines += [
        (f"Seeds: all derived from {seed}; runs.csv names those of every run (weights, data, latents, noise)",),
        ("Study frozen before its first run: SHA-256 ", Code(study.sha256[:16])),
        (f"Region of practical equivalence {analysis.margin}, family-wise error rate {study.question.alpha}",),
        (
            f"Machine: {environment.cpu}, {environment.device}; Python {environment.python}; commit ",
            Code(environment.commit),
        ),
    ]
    if environment.numerics:
        lines += [(f"Numerics: {numerics.described(environment.numerics)}",)]
    versions = ", ".join(f"{name} {version}" for name, version in environment.versions.items())
    return [*lines, (f"Versions: {versions}",)]


def _course(course: Course) -> str:
    """From which value to which, and how."""
    how = "along with the schedule"
    if course.kind is not None:
        part = "" if course.until is None else f" over the first {numbers.percent(course.until)} of the steps"
        how = f"by a shape of its own ({course.kind}{part})"
    return f"from {course.start:g} to {course.end:g}, {how}"


def published(analysis: Analysis) -> list[Line]:
    """What the study file says is published about its setting, with the words as given."""
    titles = {"gpu_hours": "GPU hours per run", "step": "unit of a step", "differences": "what differs here"}
    titles |= {"comparison": "comparison that it makes possible"}
    return [
        (f"{title[:1].upper()}{title[1:]}: {value if isinstance(value, str) else numbers.number(value)}",)
        for title, value in (
            (titles.get(key, key), value) for key, value in analysis.results.study.spec.published.items()
        )
    ]


def command(analysis: Analysis) -> str:
    """The command that made the study."""
    return analysis.results.study.command


def study_file(analysis: Analysis) -> str:
    """The study file with its defaults, as JSON."""
    return json.dumps(analysis.results.study.source["spec"], indent=1, ensure_ascii=False)
