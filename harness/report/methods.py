"""What a paper says of a study: a methods paragraph, what reproducibility checklists ask for, and the works to cite."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import resources

from harness.report import numbers, sentences
from harness.report.analysis import Analysis
from harness.report.entries import Line
from harness.results.document import Limits, Spec

_SAMPLERS = {
    "sobol": "one scrambled Sobol sequence, the same points for every schedule",
    "random": "random points, the same for every schedule",
    "tpe": "a tree-structured Parzen estimator of its own for every schedule",
}
# The works, by key in works.bib, that every study rests on, and those of studies with a score, features, a model, an optimizer.
_ALWAYS = ("abadi2016tensorflow", "akiba2019optuna")
_BY_METRIC = {
    "fid": "heusel2017gans",
    "kid": "binkowski2018demystifying",
    "precision": "kynkaanniemi2019improved",
    "recall": "kynkaanniemi2019improved",
    "density": "naeem2020reliable",
    "coverage": "naeem2020reliable",
    "clipped_density": "salvy2026clipped",
    "clipped_coverage": "salvy2026clipped",
}
_BY_FEATURES = {"inception": "szegedy2016rethinking", "dinov2": "stein2023exposing"}
_BY_MODEL = {
    "gan": "goodfellow2014generative",
    "vae": "kingma2014auto",
    "flow": "lipman2023flow",
    "ddgan": "xiao2022tackling",
}
_BY_OPTIMIZER = {"adam": "kingma2015adam", "schedule_free": "defazio2024road"}


def paragraph(analysis: Analysis) -> Line:
    """What was compared, how it was tuned, on how many fresh seeds, by which test, at which cost: to paste and shorten."""
    parts = (_compared, _trained, _tuned, _confirmed, _scored, tested, _lost, _compute, _frozen)
    return (" ".join(filter(None, (part(analysis) for part in parts))),)


def _compared(analysis: Analysis) -> str:
    others = [numbers.name(label) for label in analysis.schedules if label != analysis.baseline]
    what = f"with {sentences.listed(others)}" if others else "with no other schedule"
    return f"We compared a learning rate under the schedule {numbers.name(analysis.baseline)} (the baseline) {what}."


def _trained(analysis: Analysis) -> str:
    study = analysis.results.study
    spec, data = study.spec, study.data
    kind = "" if spec.model.name == "gan" else f"model {spec.model.name}, "
    optimizers = sentences.listed(_optimizers(analysis))
    follows = (
        "" if spec.train.applies_to == "both" else f" The schedule set the rate of the {spec.train.applies_to} alone."
    )
    return (
        f"Every run trained the same networks ({kind}{spec.network.name}) with {optimizers} for "
        f"{_up_to(spec)}{numbers.count(spec.train.steps, 'step')} of {numbers.count(spec.train.batch, 'image')} on {data.name} "
        f"({data.train:,} training images of {'×'.join(map(str, data.shape))}).{follows}"
    )


def _tuned(analysis: Analysis) -> str:
    study = analysis.results.study
    search, select, spec = study.phases.search, study.phases.select, study.spec
    if not search.trials:
        return "Nothing was tuned: the configurations are those of the study file."
    ranges = "; ".join(f"{name} {_range(limits)}" for name, limits in study.space.items())
    own = "; ".join(
        f"{name} of {numbers.name(label)} {_range(limits)}"
        for label, of in study.own_space.items()
        for name, limits in of.items()
    )
    searched = ", ".join(filter(None, [ranges, own])) or "none of its ranges"
    sampler = _SAMPLERS.get(search.sampler, search.sampler)
    chosen = "a smooth curve fitted to all search runs" if spec.search.choice == "curve" else "the best search run"
    if select.top:
        chosen = f"the best mean of the {select.top} best searched on {numbers.count(select.seeds, 'further seed')}"
    each = (
        "the whole budget was shared among schedules by the sampler"
        if search.allocation == "adaptive"
        else (f"{numbers.count(search.trials, 'configuration')} per schedule were trained once each")
    )
    times = ""
    if analysis.plan.replicated:
        times = (
            f" This tuning was repeated from the beginning for every replicate, with points and seeds of its own; at most "
            f"{analysis.plan.looks[-1]} replicates were planned."
        )
    return f"For tuning, {each} ({sampler}; ranges: {searched}), and the configuration was chosen by {chosen}.{times}"


def _range(limits: Limits) -> str:
    return f"{numbers.number(limits.low)} to {numbers.number(limits.high)}{' (log scale)' if limits.log else ''}"


def _confirmed(analysis: Analysis) -> str:
    seeds = analysis.results.study.phases.confirm.seeds
    within = " within each replicate" if analysis.plan.replicated else ""
    return (
        f"Each chosen configuration was then trained on {numbers.count(seeds, 'fresh seed')}{within}; seed by seed, initial "
        "weights, data order and latents were the same for all schedules. Verdicts rest on these runs alone."
    )


def _scored(analysis: Analysis) -> str:
    about = analysis.about(analysis.score)
    weights = analysis.weights_in_words(analysis.primary.weights)
    return (
        f"The primary score is the {about.title} ({analysis.score}; {about.direction} is better) of the {weights} after "
        f"the last step: {about.protocol}."
    )


def tested(analysis: Analysis) -> str:
    """What is reported of each comparison: interval, test, correction, error rate, equivalence."""
    count, alpha = len(analysis.contrasts), f"{100 * analysis.alpha:g} %"
    scale = "ratios of the score (differences of logarithms)" if analysis.relative else "differences of the score"
    test = "exact two-sided sign-flip (paired permutation) tests"
    if len(analysis.plan.looks) > 1:
        looks = ", ".join(map(str, analysis.plan.looks))
        test = f"group-sequential sign-flip tests with alpha spending, planned after {looks} replicates"
    corrected = f", corrected over {count} comparisons by Holm's method" if count > 1 else ""
    equivalence = (
        f" Equivalent means that the difference lies within {analysis.margin} at the same level (two one-sided tests)."
        if analysis.rope
        else ""
    )
    return (
        f"We report mean {scale} to the baseline, paired by {analysis.plan.paired_by}, with {analysis.level} t intervals, and p "
        f"values of {test}{corrected} ({'family-wise ' if count > 1 else ''}error rate {alpha}).{equivalence}"
    )


def _up_to(spec: Spec) -> str:
    """Words for a study in which some schedules' runs end earlier."""
    return "up to " if any(each.steps not in (None, spec.train.steps) for each in spec.schedules.values()) else ""


def _lost(analysis: Analysis) -> str:
    counts = analysis.results.runs["status"].value_counts()
    diverged, failed = int(counts.get("diverged", 0)), int(counts.get("failed", 0))
    said = f"{numbers.count(diverged, 'run')} diverged" if diverged else "No run diverged"
    return f"{said}; diverged runs count as the worst outcome and stay in every comparison." + (
        f" {numbers.count(failed, 'run')} failed for technical reasons and left their pairs." if failed else ""
    )


def _compute(analysis: Analysis) -> str:
    """Device-hours of all runs, those that diverged or failed included, and their energy where it is known."""
    return f"{_cost(analysis)} Software: {_versions(analysis)}."


def _cost(analysis: Analysis) -> str:
    runs = analysis.results.runs
    used = [
        f"{_hours(float((of['seconds'] - of['shared_seconds']).sum()))} on {device or 'an unknown device'}"
        for device, of in runs.groupby(runs["device"].fillna("").astype(str))
    ]
    threads = sorted({int(count) for count in runs["threads"].dropna()})
    with_threads = f", {'/'.join(map(str, threads))} thread{'s' if threads != [1] else ''} per run" if threads else ""
    cpu = analysis.results.study.environment.cpu
    energy = sentences.energy(runs)
    used_up = (
        f" Energy, as the machine's counters tell, in equal shares for runs side by side: {energy}." if energy else ""
    )
    return (
        f"All {numbers.count(len(runs), 'run')}, those of the tuning and those that diverged or failed included, took "
        f"{sentences.listed(used)} ({cpu}{with_threads}).{used_up}"
    )


def _hours(seconds: float) -> str:
    return f"{numbers.measured(seconds / 3600)} device-hours"


def _versions(analysis: Analysis) -> str:
    known = analysis.results.study.environment.versions
    return ", ".join(f"{name} {version}" for name, version in known.items())


def _frozen(analysis: Analysis) -> str:
    study = analysis.results.study
    return f"The study file was frozen before its first run (SHA-256 {study.sha256[:16]}, commit {study.environment.commit})."


def checklist(analysis: Analysis) -> list[Line]:
    """Answers to what checklists of conferences ask of experiments (NeurIPS' questions 4 to 8, by their subjects)."""
    study, runs = analysis.results.study, analysis.results.runs
    shortest, longest = (numbers.measured(float(of) / 60) for of in (runs["seconds"].min(), runs["seconds"].max()))
    spread = (
        f"Error bars: {analysis.level} t intervals of the mean paired difference over {analysis.plan.unit}s; the source of "
        "variation is "
    )
    source = (
        "the tuning and the training together (search points, weights, data order, latents)"
        if analysis.plan.replicated
        else "the training (weights, data order, latents) of one tuned configuration per schedule, not the tuning"
    )
    return [
        (
            "Reproducibility: the study file, all seeds and every score of every run are in the results folder; "
            "`python -m harness.reproduce` trains runs again and grades every number.",
        ),
        (
            f"Data and code: data set {study.data.name}, fingerprint {study.data.fingerprint[:16]}; commit "
            f"{study.environment.commit}; one command: {study.command}",
        ),
        (
            "Experimental setting: all settings with their defaults, the searched ranges and how configurations were chosen "
            "stand in study.json and under ‘Protocol and provenance’.",
        ),
        (f"{spread}{source}. p values are of exact sign-flip tests and assume no normality; the intervals do.",),
        (
            f"Compute: {_cost(analysis)} One run took {shortest} to {longest} minutes. Runs of earlier or abandoned studies are "
            "not counted.",
        ),
    ]


def bibtex(analysis: Analysis) -> str:
    """The works that the study rests on, as BibTeX: this program, its libraries, the primary score and its features, the model."""
    study = analysis.results.study
    rests: tuple[tuple[Mapping[str, str], Callable[[str], bool]], ...] = (
        (_BY_METRIC, lambda name: name == analysis.primary.metric),
        (_BY_FEATURES, study.features.name.startswith),
        (_BY_MODEL, lambda name: name == study.spec.model.name),
        (_BY_OPTIMIZER, lambda name: name in _optimizers(analysis)),
    )
    keys = [*_ALWAYS, *(key for table, used in rests for name, key in table.items() if used(name))]
    if analysis.plan.replicated:
        keys += ["obrien1979multiple"]
    return cited(keys)


def cited(keys: Sequence[str] = ()) -> str:
    """BibTeX of this program, of the works with these keys, each once, and of the tests that every verdict rests on."""
    known = works()
    return "\n\n".join(
        known[key] for key in dict.fromkeys(["schedule_harness", *keys, "fisher1935design", "holm1979simple"])
    )


def _optimizers(analysis: Analysis) -> list[str]:
    """The study's optimizer, then those that schedules have of their own."""
    spec = analysis.results.study.spec
    own = sorted({said.optimizer_name for said in spec.schedules.values()} - {"", spec.train.optimizer_name})
    return [spec.train.optimizer_name, *own]


def works() -> dict[str, str]:
    """All works that a study may rest on: BibTeX entry by key."""
    text = resources.files("harness.report").joinpath("works.bib").read_text(encoding="utf-8")
    return {
        entry.partition("{")[2].partition(",")[0].strip(): entry.strip()
        for entry in text.split("\n\n")
        if entry.strip()
    }
