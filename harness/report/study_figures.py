"""The figures of one study, each with its caption and, as alternative text, its finding; None where there is no data."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from harness.report import figures, numbers, rates, traces
from harness.report.analysis import Analysis
from harness.report.entries import Drawing


def axis(analysis: Analysis) -> str:
    """The primary score as an axis names it: title and direction; captions say of how many images and what features."""
    return f"{analysis.title}\N{NO-BREAK SPACE}{analysis.arrow}"


def counted(counts: pd.Series, word: str) -> str:
    """'8 seeds', '6 to 8 seeds', '1 seed', from one number per schedule."""
    different = sorted({int(count) for count in counts})
    if not different:
        return f"no {word}s"
    if len(different) > 1:
        return f"{different[0]} to {different[-1]} {word}s"
    return numbers.count(different[0], word)


def forest(analysis: Analysis) -> Drawing | None:
    """Differences to the baseline with their intervals."""
    if analysis.contrasts.empty or "difference" not in analysis.contrasts:
        return None
    if analysis.plan.replicated and not analysis.contrasts["look"].any():
        return None  # no look has been taken
    plan, level = analysis.plan, analysis.level
    better = "Left" if analysis.direction == "lower" else "Right"
    pairs = counted(_finished_pairs(analysis), plan.unit if plan.replicated else "pair")
    kind = "interval" if plan.replicated and not plan.elsewhere else "t interval"
    lost = (analysis.contrasts[["diverged", "baseline_diverged"]] > 0).any(axis=None)
    of = (
        f"{pairs}, each a tuning of all {numbers.plural(plan.factor)}"
        if plan.replicated
        else f"{pairs} of runs of one {plan.unit}"
        if plan.elsewhere
        else f"{pairs} of runs from one seed"
    )
    return Drawing(
        lambda: figures.forest(
            analysis.drawn,
            schedules=analysis.schedules,
            rope=analysis.margins if analysis.rope > 0 else None,
            margin=analysis.margin,
            label=analysis.title,
            unit=" in %" if analysis.relative else "",
            better=better.lower(),
            interval=f"{level} {kind} over {pairs}",
        ),
        f"{analysis.headline} {' '.join(analysis.sentences)}",
        f"Mean paired difference in {_scored(analysis)} to {analysis.baseline}{' in per cent' if analysis.relative else ''} "
        f"with {level} {kind}s over {of}. {better} of zero is better."
        + (f" Pairs with a {plan.lost} {plan.compared} are in the verdict, but have no difference." if lost else "")
        + (
            f" Shaded: differences within {analysis.margin}, which {'count' if plan.elsewhere else 'the study counts'} as equivalent."
            if analysis.rope > 0
            else ""
        ),
    )


def _finished_pairs(analysis: Analysis) -> pd.Series:
    """By schedule, the pairs both of whose sides finished: those that have a difference."""
    done = analysis.units[analysis.units["status"] == "finished"]
    base = set(done.loc[done["schedule"] == analysis.baseline, "repetition"])
    counts = []
    for row in analysis.contrasts.to_dict("records"):
        mine = set(done.loc[done["schedule"] == row["schedule"], "repetition"]) & base
        last = row["replicates"] if analysis.plan.replicated else math.inf
        counts.append(sum(repetition < last for repetition in mine))
    return pd.Series(counts, dtype=int)


def finals(analysis: Analysis) -> Drawing | None:
    """Final scores, run by run or replicate by replicate."""
    runs, plan = analysis.units, analysis.plan
    if runs.empty:
        return None
    alike = (
        "replicates of one number"
        if plan.replicated
        else f"runs of one {plan.unit}"
        if plan.elsewhere
        else "runs from one seed"
    )
    joined = f" grey lines join {alike};" if figures.joined(runs) else ""
    return Drawing(
        lambda: figures.finals(
            runs,
            analysis.summary,
            schedules=analysis.schedules,
            score=analysis.score,
            label=axis(analysis),
            lost=plan.lost,
        ),
        _ranking(analysis),
        f"Final {_scored(analysis)} of {numbers.count(len(runs), 'replicate' if plan.replicated else plan.runs)}. "
        f"Every dot is {_dot(analysis)};{joined} beside them the mean with its {analysis.level} t interval over "
        f"{counted(analysis.summary['finished'], f'finished {plan.compared}')}.",
    )


def _dot(analysis: Analysis) -> str:
    if not analysis.plan.replicated:
        return "a run"
    if analysis.plan.elsewhere:
        return "a replicate, the mean of its runs"
    seeds = analysis.results.study.phases.confirm.seeds
    return "a replicate" if seeds == 1 else f"a replicate, the mean of {seeds} runs"


def averaging(analysis: Analysis) -> Drawing | None:
    """Raw against averaged weights."""
    if analysis.averaged not in analysis.units or analysis.units.empty:
        return None
    return Drawing(
        lambda: figures.averaging(
            analysis.summary_of(analysis.raw),
            analysis.summary_of(analysis.averaged),
            schedules=analysis.schedules,
            label=axis(analysis),
        ),
        " ".join(analysis.averaging),
        f"{analysis.title} of the raw and of the averaged weights: mean with {analysis.level} t interval over "
        f"{counted(analysis.summary['finished'], f'finished {analysis.plan.compared}')} per schedule.",
    )


def averages(analysis: Analysis) -> Drawing | None:
    """The primary score over schedules and averages."""
    surface = analysis.surface
    if surface.empty:
        return None
    texts = [numbers.aligned([mean], spread=analysis.spread_of(analysis.score))[0] for mean in surface["mean"]]
    shown = surface.assign(weights=surface["weights"].map(analysis.weights_in_words), text=texts)
    return Drawing(
        lambda: figures.averages(shown, schedules=analysis.schedules, label=axis(analysis)),
        analysis.best_pair,
        f"Mean {analysis.title} by schedule and moving average (EMA), from short to long, over "
        f"{numbers.count(int(surface['n'].iloc[0]), analysis.plan.unit)}. Framed: may be the best of all pairs, at {analysis.level}.",
    )


def anytime(analysis: Analysis) -> Drawing | None:
    """Score against step, with the learning rate beneath where it is known: no table from elsewhere says it."""
    if analysis.curves.empty:
        return None
    seeds = counted(analysis.curves.groupby("schedule")[analysis.plan.compared].nunique(), analysis.plan.unit)
    factor, drawn = analysis.plan.factor, f"at most {figures.CURVES_DRAWN} single runs per {analysis.plan.factor} faint"
    beneath: dict[str, Any] = {}
    if analysis.plan.elsewhere:
        step, alt = analysis.steps, f"{analysis.title} against {analysis.steps} for each {factor}."
        below = ". The verdicts are about the last value of each run."
    else:
        used = rates.of(analysis)
        label = used.label if used.network == "discriminator" else "learning rate"
        beneath = {"rates": used.by_schedule, "rate_label": label, "other_rates": used.others}
        dotted = " (dotted: of networks that take another course)" if used.others else ""
        step, alt = "step", f"{analysis.title} against training step for each {factor}, with the learning rate beneath."
        below = (
            f"; below, the {used.label}{_whose(analysis)}{dotted}. A decayed run before its end is not a shorter run."
        )
    return Drawing(
        lambda: figures.anytime(
            analysis.curves,
            analysis.bands,
            schedules=analysis.schedules,
            score=analysis.score,
            label=axis(analysis),
            steps=analysis.steps,
            **beneath,
        ),
        f"{alt} {_ranking(analysis)}",
        f"{_scored(analysis)} against {step}: mean with {analysis.level} t band over {seeds}, {drawn}{below}",
    )


def learning_rates(analysis: Analysis) -> Drawing | None:
    """The learning rate of every step."""
    if analysis.curves.empty:
        return None
    used = rates.of(analysis)
    return Drawing(
        lambda: figures.rates(
            used.by_schedule,
            schedules=analysis.schedules,
            label=used.label,
            others=used.others,
            steps=analysis.steps,
        ),
        f"The {used.label} over training, for {numbers.count(len(used.by_schedule), 'schedule')}.",
        f"The {used.label} at every step of the confirmed configurations{_whose(analysis)}, as training used it. {used.note}".rstrip(),
    )


def _whose(analysis: Analysis) -> str:
    """Which replicate's configurations are drawn."""
    return ", of each schedule's replicate with the median peak" if analysis.plan.replicated else ""


def losses(analysis: Analysis) -> Drawing | None:
    """Losses against step."""
    if not traces.available(analysis):
        return None
    return Drawing(lambda: traces.figure(analysis), traces.finding(analysis), traces.caption(analysis))


def sensitivity(analysis: Analysis) -> Drawing | None:
    """Searched scores against the peak rate."""
    searched = analysis.search[analysis.search["phase"] == "search"]
    if searched.empty or searched["params_peak"].nunique() < 2:
        return None
    curves = analysis.response
    keys = ["schedule", "replicate", "point"]
    confirmed = set(analysis.confirmed[keys].itertuples(index=False, name=None))
    searched = searched.assign(chosen=[key in confirmed for key in searched[keys].itertuples(index=False, name=None)])
    runs = numbers.count(len(searched), "search run")
    return Drawing(
        lambda: figures.sensitivity(
            searched, schedules=analysis.schedules, score=analysis.score, label=axis(analysis), curves=curves
        ),
        _best_rates(analysis),
        f"{_scored(analysis)} of {runs}{'' if curves is None else ' of all replicates'} against peak rate. Every dot is a "
        "run; a cross on the upper edge did not finish."
        + (
            ""
            if curves is None
            else " Rings: the runs that were chosen. Lines: a smooth curve through all runs of a schedule, with a standard "
            "deviation on either side; where more than the peak is searched, at the other values of a run that it "
            "holds good."
        ),
    )


def budget(analysis: Analysis) -> Drawing | None:
    """Expected best score against the number of trials."""
    curves = analysis.tables.get("budget")
    if curves is None or curves["budget"].nunique() < 2:
        return None
    return Drawing(
        lambda: figures.budget(curves, schedules=analysis.schedules, label=axis(analysis)),
        "Expected best score against the number of search trials, by schedule.",
        f"{'From the search points of all replicates together: e' if analysis.plan.replicated else 'E'}xpected best {_scored(analysis)} of the search if only so many trials had been made (unbiased form, Tang et al. "
        f"2020). Lines go to half the trials; {analysis.level} bootstrap bands only to an eighth, beyond which they would "
        "cover too little.",
    )


def _scored(analysis: Analysis) -> str:
    """The primary score in full: 'Fréchet distance ↓ (fid_digits_5k: 5,000 images, digits features)'."""
    score = analysis.primary
    if not score.count:
        return f"{analysis.title} {analysis.arrow}"
    protocol = [f"{score.count:,} images"]
    if score.features:
        protocol.append(f"{score.features} features")
    if score.weights == "ema":
        protocol.append("averaged weights")
    return f"{analysis.title} {analysis.arrow} ({score}: {', '.join(protocol)})"


def _best_rates(analysis: Analysis) -> str:
    known = analysis.tables["sensitivity"].dropna(subset=["best_rate"])
    parts = [f"{numbers.name(row['schedule'])} {numbers.number(row['best_rate'])}" for row in known.to_dict("records")]
    return f"Peak rate of the best search run: {', '.join(parts)}." if parts else "No search run can be compared."


def _ranking(analysis: Analysis) -> str:
    ordered = analysis.summary.dropna(subset=["mean"]).sort_values("mean", ascending=analysis.direction == "lower")
    spread = analysis.spread_of(analysis.score)
    parts = [
        f"{numbers.name(row['schedule'])} {numbers.aligned([row['mean']], spread=spread)[0]}"
        for row in ordered.to_dict("records")
    ]
    return f"Mean {analysis.title}, best first: {', '.join(parts)}." if parts else "No run finished."
