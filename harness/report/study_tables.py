"""The tables of one study, each made from its analysis with a true caption; None where the study has no data for it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from harness import stats
from harness.report import arms, numbers, sentences
from harness.report.analysis import Analysis
from harness.report.tables import Cell, Row, Table, between, difference, estimate, interval, share, table, value, whole
from harness.stats import words

LOST = 200  # runs that did not finish which the page lists; runs.csv has all
Columns = dict[str, Callable[[Row], Cell]]


def verdicts(analysis: Analysis) -> Table | None:
    """Each schedule against the baseline in few columns: mean, difference with interval, p, verdict, look or seeds to decide."""
    return _few_columns(analysis, "contrasts", analysis.score, caption=_against(analysis))


def verdicts_in_full(analysis: Analysis) -> Table | None:
    """As `verdicts`, with all columns."""
    return _all_columns(analysis, "contrasts", analysis.score, caption=f"{_against(analysis)}, in full")


def other_verdicts(analysis: Analysis) -> Table | None:
    """As `verdicts`, of the other weights."""
    return _few_columns(analysis, "contrasts_other_weights", analysis.other, caption=_other(analysis))


def other_verdicts_in_full(analysis: Analysis) -> Table | None:
    """As `verdicts_in_full`, of the other weights."""
    return _all_columns(analysis, "contrasts_other_weights", analysis.other, caption=f"{_other(analysis)}, in full")


def exploratory(analysis: Analysis) -> Table | None:
    """What came after the plan: schedules added later, seeds or replicates beyond the plan."""
    frame = analysis.tables.get("exploratory")
    if frame is None:
        return None
    form = analysis.form_of(analysis.score)
    columns: Columns = {
        "schedule": value("schedule"),
        "what came later": value("what"),
        f"{analysis.plan.unit}s": value("n"),
        f"difference ({analysis.level} interval)": estimate("difference", form),
    }
    if frame["p_holm"].notna().any():
        columns |= {
            "p (Holm)": value("p_holm"),
            "verdict (exploratory)": lambda row: Cell(_explored(row), _explored(row)),
        }
    caption = (
        f"Exploratory: what came after the plan, against {analysis.baseline}, over all {analysis.plan.unit}s stored. It "
        "changes no verdict"
    )
    return table(frame, columns, caption=caption, source="exploratory.csv")


def _explored(row: Row) -> str:
    return str(row["verdict"]) if row["what"] == sentences.ADDED else "–"


def pairs(analysis: Analysis) -> Table | None:
    """Every pair of schedules, with all columns."""
    factors = numbers.plural(analysis.plan.factor)
    caption = f"Every pair of {factors}, Holm over all pairs; exploratory, not part of the question asked"
    return _all_columns(analysis, "all_pairs", analysis.score, caption=caption)


def _against(analysis: Analysis) -> str:
    said = f"Each {analysis.plan.factor} against {analysis.baseline}, paired by {analysis.plan.paired_by}: {analysis.score}"
    return f"{said}; exploratory" if analysis.plan.changed else said


def _other(analysis: Analysis) -> str:
    return (
        f"The same runs with {analysis.other_weights} weights ({analysis.other}); corrected by itself, not part of the "
        "question asked"
    )


def _few_columns(analysis: Analysis, name: str, score: str, *, caption: str) -> Table | None:
    frame, spread, form = analysis.tables.get(name), analysis.spread_of(score), analysis.form_of(score)
    if frame is None or "difference" not in frame:
        return None
    columns: Columns = {
        analysis.plan.head: value("schedule"),
        _mean(analysis): value("mean", spread),
        f"difference ({analysis.level} interval)": estimate("difference", form),
        "p (Holm)": value("p_holm"),
        "verdict": value("verdict"),
    } | _when(analysis, frame)
    return table(frame, columns, caption=caption, source=f"{name}.csv")


def _all_columns(analysis: Analysis, name: str, score: str, *, caption: str) -> Table | None:
    """Folded on the page."""
    frame, spread, form = analysis.tables.get(name), analysis.spread_of(score), analysis.form_of(score)
    if frame is None or "difference" not in frame:
        return None
    columns: Columns = {
        analysis.plan.head: value("schedule"),
        _mean(analysis): value("mean", spread),
        "baseline": value("baseline"),
        f"baseline {_mean(analysis)}": value("baseline_mean", spread),
        "pairs": value("n"),
        "difference": difference("difference", form),
        f"{analysis.level} interval": between(form),
        "p": value("p"),
        "p (Holm)": value("p_holm"),
        "P(better)": share("p_better"),
        "correlation of pairs": value("correlation", 0.1),
        "pairing efficiency": value("pairing_efficiency"),
        "verdict": value("verdict"),
    }
    if (frame[["diverged", "baseline_diverged"]] > 0).any(axis=None):
        columns[analysis.plan.lost] = lambda row: Cell(
            f"{row['diverged']} and {row['baseline_diverged']}", row["diverged"]
        )
    columns |= _when(analysis, frame)
    if frame["note"].astype(bool).any():
        columns["note"] = value("note")
    return table(frame, columns, caption=caption, source=f"{name}.csv", folded=True)


def _mean(analysis: Analysis) -> str:
    return "geometric mean" if analysis.relative else "mean"


def _when(analysis: Analysis, frame: pd.DataFrame) -> Columns:
    """When a replicated study decided; of one that tunes once, how many seeds a new study would need."""
    if "done" in frame:
        return {"decided after": lambda row: _decided(row, analysis)}
    if frame["more_seeds"].notna().any():
        return {f"{numbers.plural(analysis.plan.unit)} to decide (new study)": _to_decide}
    return {}


def _decided(row: Row, analysis: Analysis) -> Cell:
    looks = analysis.plan.looks
    if not row["done"] and not analysis.ended:
        return Cell(f"next look at {looks[row['look']]}", looks[-1] + 1)
    if row["verdict"] in words.OPEN:
        return Cell("–", looks[-1] + 1)
    return Cell(numbers.count(int(row["replicates"]), "replicate"), row["replicates"])


def _to_decide(row: Row) -> Cell:
    more = row["more_seeds"]
    return Cell("–", None) if pd.isna(more) else Cell(numbers.number(int(row["n"] + more)), int(row["n"] + more))


def verdicts_of_a_paper(analysis: Analysis) -> Table | None:
    """The verdicts as a paper's column holds them: mean ± sd, difference, verdict; the best mean is bold."""
    return _paper(analysis, analysis.tables.get("contrasts"), analysis.score)


def other_verdicts_of_a_paper(analysis: Analysis) -> Table | None:
    """As `verdicts_of_a_paper`, of the other weights."""
    return _paper(analysis, analysis.tables.get("contrasts_other_weights"), analysis.other)


def _paper(analysis: Analysis, contrasts: pd.DataFrame | None, score: str) -> Table | None:
    if contrasts is None or contrasts.empty or "difference" not in contrasts:
        return None
    summary, spread, baseline = analysis.summary_of(score), analysis.spread_of(score), analysis.baseline
    form = analysis.form_of(score)
    compared = {row["schedule"]: row for row in contrasts.to_dict("records")}
    rows = []
    for row in summary.to_dict("records"):
        label, known = str(row["schedule"]), row["schedule"] in compared
        mean, sd = numbers.aligned([row["mean"], row["sd"]], spread=spread)
        gap = float(compared[label]["difference"]) if known else math.nan
        verdict = str(compared[label]["verdict"]) if known else "(baseline)" if label == baseline else "–"
        rows.append(
            (
                Cell(label, label),
                Cell(mean if sd == "–" else f"{mean} ± {sd}", row["mean"]),
                Cell(form.alone(gap), gap),
                Cell(verdict, verdict),
            )
        )
    means = summary["mean"].to_numpy(dtype=float)
    named = "" if analysis.title == score else f"{score}, "
    first = np.nanargmin if analysis.direction == "lower" else np.nanargmax
    best = (int(first(means)), 1) if np.isfinite(means).any() else None
    caption = (
        f"{analysis.title} ({named}{analysis.direction} is better) over {_compared(analysis)}: mean ± sd, mean paired "
        f"difference to {baseline}, verdict. {analysis.scope}"
    ).removesuffix(".")
    return Table(
        caption, (analysis.plan.head, "mean ± sd", "difference", "verdict"), tuple(rows), "contrasts.csv", bold=best
    )


def _compared(analysis: Analysis) -> str:
    return "replicates" if analysis.plan.replicated else f"{analysis.plan.runs}s"


def levels(analysis: Analysis) -> Table | None:
    """Level and spread by schedule."""
    frame, spread = analysis.summary, analysis.spread_of(analysis.score)
    columns: Columns = {
        analysis.plan.head: value("schedule"),
        f"{analysis.plan.compared}s": value("n"),
        "finished": value("finished"),
        "mean": value("mean", spread),
        f"{analysis.level} interval": interval(spread),
        "median": value("median", spread),
        "IQM": value("iqm", spread),
        "sd": value("sd", spread),
        "best": value("best", spread),
        "worst": value("worst", spread),
        analysis.plan.lost: _diverged,
    }
    if frame["failed"].any():
        columns["failed"] = value("failed")
    caption = (
        f"Level and spread of {analysis.score} over the {_compared(analysis)}; means are of finished "
        f"{analysis.plan.compared}s"
    )
    return table(frame, columns, caption=caption, source="summary.csv")


def _diverged(row: Row) -> Cell:
    """Runs that diverged, and the Wilson interval of their rate."""
    runs = int(row["n"])
    rate = int(row["diverged"]) / runs if runs else math.nan
    low, high = (round(100 * float(row[key])) for key in ("diverged_low", "diverged_high"))
    return Cell(f"{row['diverged']} of {runs} ({low} to {high} %)", rate)


def interactions(analysis: Analysis) -> Table | None:
    """Effect of each schedule on raw and averaged weights, each with the digits of its own spread, and their gap."""
    frame = analysis.tables.get("ema")
    if frame is None:
        return None
    raw, averaged = analysis.form_of(analysis.raw), analysis.form_of(analysis.averaged)
    columns: Columns = {
        "schedule": value("schedule"),
        "pairs": value("n"),
        "effect on raw weights": difference("raw", raw),
        "effect on averaged weights": difference("ema", averaged),
        "interaction": difference("interaction", raw),
        f"{analysis.level} interval": between(raw),
    }
    of = "decay" if analysis.decays.issuperset(frame["schedule"]) else "each schedule"
    caption = f"Effect of {of} on raw and averaged weights, and their difference (interaction)"
    return table(frame, columns, caption=caption, source="ema.csv")


def averages(analysis: Analysis) -> Table | None:
    """The primary score of each schedule by each kind of weights, a column each, those that may be the best marked."""
    surface = analysis.surface
    if surface.empty:
        return None
    spread = analysis.spread_of(analysis.score)
    by_pair = {(row["schedule"], row["weights"]): row for row in surface.to_dict("records")}

    def mean(weights: str) -> Callable[[Row], Cell]:
        def cell(row: Row) -> Cell:
            found = by_pair[row["schedule"], weights]
            text = numbers.aligned([found["mean"]], spread=spread)[0]
            return Cell(f"{text} •" if found["may_be_best"] else text, found["mean"])

        return cell

    columns: Columns = {"schedule": value("schedule")}
    columns |= {analysis.weights_in_words(name): mean(name) for name in dict.fromkeys(surface["weights"])}
    caption = (
        f"Mean {analysis.title} of each schedule by its raw weights and each moving average (EMA), over "
        f"{numbers.count(int(surface['n'].iloc[0]), analysis.plan.unit)}. • may be the best of all pairs, at {analysis.level}"
    )
    return table(surface.drop_duplicates("schedule"), columns, caption=caption, source="averages.csv")


def average_interactions(analysis: Analysis) -> Table | None:
    """Effect of each schedule on the weights of each average, and how it differs from the effect on raw weights."""
    surface = analysis.surface
    if surface.empty:
        return None
    rows = surface[(surface["schedule"] != analysis.baseline) & (surface["weights"] != "raw")]
    form = analysis.form_of(analysis.raw)
    columns: Columns = {
        "schedule": value("schedule"),
        "average": lambda row: Cell(analysis.weights_in_words(row["weights"]), row["weights"]),
        "effect": difference("effect", form),
        f"interaction ({analysis.level} interval)": lambda row: Cell(
            form.estimate(row["interaction"], row["interaction_low"], row["interaction_high"]), row["interaction"]
        ),
    }
    caption = (
        f"Effect of each schedule, against {analysis.baseline} with the same average, and how much it exceeds that on raw weights: "
        "above zero where the average takes from the effect. Intervals are of each row alone"
    )
    return table(rows, columns, caption=caption, source="averages.csv", folded=True)


def settings(analysis: Analysis) -> Table | None:
    """The configuration of each schedule, from its confirmation runs; of a replicated study how they spread."""
    first = analysis.confirmed.drop_duplicates("schedule")
    caption = "The configurations that were confirmed"
    if not analysis.plan.replicated:
        return table(first, _settings(analysis, first, value), caption=caption, source="runs.csv")
    tunings = analysis.confirmed.drop_duplicates(["schedule", "replicate"]).groupby("schedule", sort=False)
    by_schedule = {str(label): runs for label, runs in tunings}

    def spread(name: str) -> Callable[[Row], Cell]:
        return lambda row: _over_replicates(by_schedule[row["schedule"]][name])

    columns = {"schedule": value("schedule"), "tunings": lambda row: _count(by_schedule[row["schedule"]])}
    columns |= _settings(analysis, first, spread)
    return table(first, columns, caption=f"{caption}: median over the replicates (min to max)", source="runs.csv")


def settings_by_replicate(analysis: Analysis) -> Table | None:
    """The configuration of each schedule in each replicate."""
    if not analysis.plan.replicated:
        return None
    rows = analysis.confirmed.drop_duplicates(["schedule", "replicate"])
    columns = {"schedule": value("schedule"), "replicate": value("replicate")} | _settings(analysis, rows, value)
    caption = "The configurations that were confirmed, replicate by replicate"
    return table(rows, columns, caption=caption, source="runs.csv", folded=True)


def _settings(analysis: Analysis, rows: pd.DataFrame, shown: Callable[[str], Callable[[Row], Cell]]) -> Columns:
    """The columns of a configuration, its parameters as `shown` by their columns."""
    names = [name for name in rows.columns if name.startswith("params_") and analysis.confirmed[name].notna().any()]
    columns: Columns = {"schedule": value("schedule"), "kind": value("kind")}
    columns |= _said_of_arms(analysis)
    if "params_weight_decay" in names:
        names.remove("params_weight_decay")
        decay = shown("params_weight_decay")
        columns["weight decay"] = lambda row: _weight_decay(analysis, row, decay)
    return columns | {name.removeprefix("params_").replace("_", " "): shown(name) for name in names}


def _count(rows: pd.DataFrame) -> Cell:
    return Cell(numbers.number(len(rows)), len(rows))


def _over_replicates(values: pd.Series) -> Cell:
    """The median with the smallest and the largest; the value alone where all are the same."""
    known = values.dropna()
    if known.empty:
        return Cell("–", None)
    median, low, high = (float(each) for each in (known.median(), known.min(), known.max()))
    text = numbers.number(median)
    return Cell(text if low == high else f"{text} ({numbers.number(low)} to {numbers.number(high)})", median)


def _said_of_arms(analysis: Analysis) -> Columns:
    """What the schedules of a study differ in besides their parameters: networks' own shapes, scope, optimizer, precision."""
    study = analysis.results.study
    arms = {label: study.arm(label) for label in study.schedules}
    optimizers = {label: schedule.optimizer_name for label, schedule in study.spec.schedules.items()}
    found: dict[str, dict[str, str]] = {}
    for network in dict.fromkeys(network for arm in arms.values() for network in arm.networks):
        found[f"{network} kind"] = {label: arm.networks.get(network, "") for label, arm in arms.items()}
    if len({arm.applies_to for arm in arms.values()}) > 1:
        found["applies to"] = {label: arm.applies_to for label, arm in arms.items()}
    if any(optimizers.values()):
        found["optimizer"] = {label: name or study.spec.train.optimizer_name for label, name in optimizers.items()}
    precisions = study.spec.precisions
    if len(set(precisions.values())) > 1:
        found["precision"] = precisions
    return {head: _by_schedule(texts) for head, texts in found.items()}


def _weight_decay(analysis: Analysis, row: Row, of_schedule: Callable[[Row], Cell]) -> Cell:
    """The weight decay of a configuration: of the schedule, or of its optimizer where the schedule says nothing."""
    if pd.notna(row["params_weight_decay"]):
        return of_schedule(row)
    value = arms.weight_decay(analysis.results.study, str(row["schedule"]))
    return Cell("–", None) if value is None else Cell(numbers.number(float(value)), float(value))


def _by_schedule(texts: Mapping[str, str]) -> Callable[[Row], Cell]:
    """A column that says something of each schedule; a dash where there is nothing to say."""
    return lambda row: Cell(texts[row["schedule"]] or "–", texts[row["schedule"]])


def sanity(analysis: Analysis) -> Table | None:
    """What the primary score says of real images with known damage, beside its floor."""
    rows = tuple(
        (
            Cell(test.damage, test.damage),
            Cell(numbers.number(test.value), test.value),
            Cell(numbers.number(test.floor), test.floor),
            Cell("yes" if test.seen else "no", "yes" if test.seen else "no"),
        )
        for test in analysis.results.study.sanity
    )
    caption = f"Does the score see known damage? {analysis.score} of degraded real images, beside that of undamaged ones (floor)"
    return Table(caption, ("damage", "score", "floor", "seen"), rows, "study.json")


def final_against_best(analysis: Analysis) -> Table | None:
    """Final against best score of a run."""
    return _whole(analysis, "final_against_best", "Final against best score of a run, and roughness of its curve")


def cost(analysis: Analysis) -> Table | None:
    """Seconds per run and per step."""
    return _whole(analysis, "cost", f"{_seconds(analysis)}, and the ratio of the latter to {analysis.baseline}")


def time_to_target(analysis: Analysis) -> Table | None:
    """Steps until the baseline's mean final score is reached."""
    caption = (
        f"Steps until {analysis.baseline}'s mean final score is reached (Kaplan–Meier median; runs that never do are "
        "censored)"
    )
    return _whole(analysis, "time_to_target", caption)


def sensitivity(analysis: Analysis) -> Table | None:
    """How much the peak rate matters."""
    caption = "Best peak rate, score at half and double that rate, width of the basin within 10 % of the best"
    caption += ", of the trials of all replicates together" if analysis.plan.replicated else ""
    return _whole(analysis, "sensitivity", caption)


def boundary(analysis: Analysis) -> Table | None:
    """Best searched values at the edge of their range."""
    return _whole(analysis, "boundary", "Best searched value at the edge of its range: a better one may lie outside")


def choices(analysis: Analysis) -> Table | None:
    """How the chosen values spread over the replicates."""
    frame = analysis.tables.get("choices")
    if frame is None:
        return None
    columns: Columns = {name.replace("_", " "): value(name) for name in ("schedule", "parameter", "replicates")}
    columns |= {"median": value("median"), "min to max": _ends}
    columns |= {f"at the {end} edge": value(f"at_{end}") for end in ("lower", "upper")}
    caption = (
        f"The values chosen by the search, over the replicates; edges are the outer {100 * stats.EDGE:g} % of the range"
    )
    return table(frame, columns, caption=caption, source="choices.csv")


def without_curve(analysis: Analysis) -> Table | None:
    """The tunings in which there was no curve to choose by."""
    caption = "Where the search runs carried no curve to choose by, so that their best run was chosen"
    return _whole(analysis, "without_curve", caption)


def _ends(row: Row) -> Cell:
    return Cell(f"{numbers.number(row['low'])} to {numbers.number(row['high'])}", float(row["low"]))


def optimism(analysis: Analysis) -> Table | None:
    """What the search promised, and what fresh seeds confirmed."""
    caption = "How much better the search's best looked than fresh seeds confirmed"
    if not analysis.plan.replicated or "optimism" not in analysis.tables:
        return _whole(analysis, "optimism", caption)
    spread = analysis.spread_of(analysis.score)
    columns: Columns = {name.replace("_", " "): value(name, spread) for name in ("schedule", "trials", "replicates")}
    columns |= {name.replace("_", " "): value(name, spread) for name in ("search_best", "confirmed")}
    columns[f"optimism ({analysis.level} interval)"] = estimate("optimism", numbers.Form(spread))
    caption += ": means over the replicates"
    return table(analysis.tables["optimism"], columns, caption=caption, source="optimism.csv")


_OF_THE_SCORE = ("final", "best", "target", "half", "double", "search_best", "confirmed", "optimism")


def _whole(analysis: Analysis, name: str, caption: str) -> Table | None:
    """A table of the analysis with all its columns; those in units of the score with the score's digits."""
    if name not in analysis.tables:
        return None
    spreads = dict.fromkeys(_OF_THE_SCORE, analysis.spread_of(analysis.score))
    return whole(analysis.tables[name], caption=caption, source=f"{name}.csv", spreads=spreads)


def _seconds(analysis: Analysis) -> str:
    """What the cost table's seconds are of: evaluations were not timed apart by earlier versions."""
    apart = analysis.confirmed.loc[analysis.confirmed["status"] == "finished", "seconds_evaluation"].notna()
    if apart.all():
        shared = ", as if it had trained all of its steps itself" if analysis.results.runs["shared_steps"].any() else ""
        return f"Seconds per run with its evaluations{shared}, and seconds of training per step"
    some = "" if not apart.any() else " in runs stored by an earlier version"
    return f"Seconds per run and per step, evaluations included in both{some}"


def lost(analysis: Analysis) -> Table | None:
    """Runs that did not finish, of all phases; the first LOST."""
    runs = analysis.results.runs
    columns = ["run", "status", "last_step", "reason"]
    frame = runs.loc[runs["status"] != "finished", columns].head(LOST)
    return whole(frame, caption="Runs that did not finish, all phases", source="runs.csv")
