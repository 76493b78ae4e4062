"""All figures of a study with what is said of them: captions are generated, and alternative texts state the finding."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from harness.report import numbers, rates, traces
from harness.report.analysis import Analysis
from harness.report.figures import study as figures
from harness.report.figures import style


@dataclass(frozen=True)
class Shown:
    """A figure on the page: its file's stem, alternative text with the finding, caption."""

    name: str
    alt: str
    caption: str


@dataclass(frozen=True)
class Drawn:
    """A figure, built when asked for, and its words."""

    build: Callable[[], Figure]
    alt: str
    caption: str


def make_figures(analysis: Analysis) -> dict[str, tuple[Figure, Shown]]:
    """All figures that the results have data for, with what is said of them."""
    drawn = _verdicts(analysis) | _training(analysis) | _losses(analysis) | _search(analysis)
    keyed = [f"{key} is {numbers.name(label)}" for key, label in style.keys(analysis.schedules).items()]
    key = f" In the figure {'; '.join(keyed)}." if keyed else ""
    return {name: (one.build(), Shown(name, one.alt, f"{one.caption}{key}")) for name, one in drawn.items()}


def axis(analysis: Analysis) -> str:
    """The primary score as an axis names it: title and direction; captions say of how many images and what features."""
    return f"{analysis.title}\N{NO-BREAK SPACE}{analysis.arrow}"


def _protocol(analysis: Analysis) -> str:
    """'5,000 images, digits features', from the score's own name; 'averaged weights' where it is so."""
    score = analysis.primary
    parts = [f"{score.count:,} images"]
    if score.features:
        parts.append(f"{score.features} features")
    if score.weights == "ema":
        parts.append("averaged weights")
    return ", ".join(parts)


def counted(counts: pd.Series, word: str) -> str:
    """'8 seeds', '6 to 8 seeds', '1 seed', from one number per schedule."""
    found = sorted({int(number) for number in counts})
    if not found:
        return f"no {word}s"
    return f"{found[0]} to {found[-1]} {word}s" if len(found) > 1 else numbers.count(found[0], word)


def _verdicts(analysis: Analysis) -> dict[str, Drawn]:
    runs, names, level = analysis.confirmed, analysis.schedules, analysis.level
    made = {}
    better = "Left" if analysis.direction == "lower" else "Right"
    if len(analysis.contrasts) and "difference" in analysis.contrasts:
        rope = analysis.rope
        pairs = counted(_finished_pairs(analysis), "pair")
        lost = (analysis.contrasts[["diverged", "baseline_diverged"]] > 0).any(axis=None)
        made["forest"] = Drawn(
            lambda: figures.forest(
                analysis.contrasts,
                schedules=names,
                rope=rope,
                label=analysis.title,
                better=better.lower(),
                interval=f"{level} t interval over {pairs}",
            ),
            f"{analysis.headline} {' '.join(analysis.sentences)}",
            f"Mean paired difference in {_scored(analysis)} to {analysis.baseline} with {level} t intervals over {pairs} of "
            f"runs from one seed. {better} of zero is better."
            + (" Pairs with a diverged run are in the verdict, but have no difference." if lost else "")
            + (f" Shaded: differences within ±{rope:g}, which the study counts as equivalent." if rope > 0 else ""),
        )
    if len(runs):
        joined = " grey lines join runs from one seed;" if figures.joined(runs) else ""
        made["finals"] = Drawn(
            lambda: figures.finals(runs, analysis.summary, schedules=names, score=analysis.score, label=axis(analysis)),
            _ranking(analysis),
            f"Final {_scored(analysis)} of {numbers.count(len(runs), 'confirmation run')}. Every dot is a run;"
            f"{joined} beside them the mean with its {level} t interval over "
            f"{counted(analysis.summary['finished'], 'finished run')}.",
        )
    if analysis.averaged in runs and len(runs):
        made["averaging"] = Drawn(
            lambda: figures.averaging(
                analysis.summary_of(analysis.raw),
                analysis.summary_of(analysis.averaged),
                schedules=names,
                label=axis(analysis),
            ),
            ema_sentence(analysis),
            f"{analysis.title} of the raw and of the averaged generator: mean with {level} t interval over "
            f"{counted(analysis.summary['finished'], 'finished run')} per schedule.",
        )
    return made


def _finished_pairs(analysis: Analysis) -> pd.Series:
    """By schedule, the pairs both of whose runs finished: those that have a difference."""
    done = analysis.confirmed[analysis.confirmed["status"] == "finished"]
    base = set(done.loc[done["schedule"] == analysis.baseline, "repetition"])
    others = analysis.contrasts["schedule"]
    return pd.Series([len(base & set(done.loc[done["schedule"] == label, "repetition"])) for label in others])


def _scored(analysis: Analysis) -> str:
    """The primary score in full: 'Fréchet distance ↓ (fid_digits_5k: 5,000 images, digits features)'."""
    return f"{analysis.title} {analysis.arrow} ({analysis.score}: {_protocol(analysis)})"


def _training(analysis: Analysis) -> dict[str, Drawn]:
    curves, names = analysis.curves, analysis.schedules
    if not len(curves):
        return {}
    seeds = counted(curves.groupby("schedule")["run"].nunique(), "seed")
    used = rates.of(analysis)
    return {
        "anytime": Drawn(
            lambda: figures.anytime(
                curves,
                analysis.bands,
                schedules=names,
                score=analysis.score,
                label=axis(analysis),
                rates=used.by_schedule,
                rate_label=used.label if used.network == "discriminator" else "learning rate",
            ),
            f"{analysis.title} against training step for each schedule, with the learning rate beneath. {_ranking(analysis)}",
            f"{_scored(analysis)} against step: mean with {analysis.level} t band over {seeds}, at most "
            f"{figures.CURVES_DRAWN} single runs per schedule faint; below, the {used.label}. A decayed run before its end is "
            "not a shorter run.",
        ),
        "rates": Drawn(
            lambda: figures.rates(used.by_schedule, schedules=names, label=used.label),
            f"The {used.label} over training, for {numbers.count(len(used.by_schedule), 'schedule')}.",
            f"The {used.label} at every step of the confirmed configurations, as training used it. {used.note}",
        ),
    }


def _losses(analysis: Analysis) -> dict[str, Drawn]:
    if not traces.available(analysis):
        return {}
    return {"losses": Drawn(lambda: traces.figure(analysis), traces.finding(analysis), traces.caption(analysis))}


def _search(analysis: Analysis) -> dict[str, Drawn]:
    searched, names, tables = analysis.search[analysis.search["phase"] == "search"], analysis.schedules, analysis.tables
    made = {}
    if len(searched) and searched["params_peak"].nunique() > 1:
        made["sensitivity"] = Drawn(
            lambda: figures.sensitivity(searched, schedules=names, score=analysis.score, label=axis(analysis)),
            _best_rates(analysis),
            f"{_scored(analysis)} of {numbers.count(len(searched), 'search run')} against peak rate. Every dot is a run; a cross on the upper edge did not finish.",
        )
    if "budget" in tables and tables["budget"]["budget"].nunique() > 1:
        made["budget"] = Drawn(
            lambda: figures.budget(tables["budget"], schedules=names, label=axis(analysis)),
            "Expected best score against the number of search trials, by schedule.",
            f"Expected best {_scored(analysis)} of the search if only so many trials had been made (unbiased form, Tang et al. "
            f"2020). Lines go to half the trials; {analysis.level} bootstrap bands only to an eighth, beyond which they would "
            "cover too little.",
        )
    return made


def _best_rates(analysis: Analysis) -> str:
    found = analysis.tables["sensitivity"].dropna(subset=["best_rate"])
    parts = [f"{numbers.name(row['schedule'])} {numbers.number(row['best_rate'])}" for row in found.to_dict("records")]
    return f"Peak rate of the best search run: {', '.join(parts)}." if parts else "No search run can be compared."


def _ranking(analysis: Analysis) -> str:
    ordered = analysis.summary.dropna(subset=["mean"]).sort_values("mean", ascending=analysis.direction == "lower")
    spread = analysis.spread_of(analysis.score)
    parts = [
        f"{numbers.name(row['schedule'])} {numbers.aligned([row['mean']], spread=spread)[0]}"
        for row in ordered.to_dict("records")
    ]
    return f"Mean {analysis.title}, best first: {', '.join(parts)}." if parts else "No run finished."


def ema_sentence(analysis: Analysis) -> str:
    """Whether averaging replaces decay, as a paragraph."""
    return " ".join(ema_sentences(analysis))


def ema_sentences(analysis: Analysis) -> list[str]:
    """What averaging did to the baseline, then by schedule whether it replaces decay, from the interaction's interval."""
    table = analysis.tables.get("ema")
    if table is None or table.empty:
        return ["Too few runs to say whether averaging replaces decay."]
    gain, both = table.iloc[0], [analysis.spread_of(score) for score in (analysis.raw, analysis.averaged)]
    parts = [
        f"Averaging the weights changed {numbers.name(analysis.baseline)}'s {analysis.title} by "
        f"{numbers.estimate(gain['gain'], gain['gain_low'], gain['gain_high'], sign=True, spread=both[0])}."
    ]
    for row in table.to_dict("records"):
        if not math.isfinite(row["low"]):
            say = "too few runs to compare the two"
        elif row["low"] > 0:
            say = "decay helps averaged weights less than raw ones"
        elif row["high"] < 0:
            say = "decay helps averaged weights more than raw ones"
        else:
            say = "whether averaging replaces decay is undecided"
        raw, averaged = (
            numbers.aligned([row[key]], spread=spread, sign=True)[0]
            for key, spread in zip(("raw", "ema"), both, strict=True)
        )
        parts.append(
            f"{numbers.name(row['schedule'])}: effect {raw} on raw and {averaged} on averaged weights, interaction "
            f"{numbers.estimate(row['interaction'], row['low'], row['high'], sign=True, spread=both[0])}: {say}."
        )
    return parts
