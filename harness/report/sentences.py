"""Statements in plain words that a reader may quote, made from the tables alone."""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from harness.report import numbers
from harness.stats import words

EDGES_SAID = 4  # parameters at an edge that a warning names; boundary.csv has all
FORM = numbers.Form()
_JOULES_PER_KWH = 3.6e6
ADDED, MORE_SEEDS, BEYOND = "added schedule", "seeds after the plan", "replicates beyond the plan"
LATER_SAID = 4  # differences after the plan that a sentence names; exploratory.csv has all
_PAIRS_NAMED = 6  # pairs of schedule and average that a sentence names; averages.csv has all
ALONE = "Only one schedule was confirmed, so there is nothing to compare."


def listed(names: list[str]) -> str:
    """The names in a sentence.

    >>> listed(["linear"]), listed(["linear", "step", "rex"])
    ('linear', 'linear, step and rex')
    """
    shown = [numbers.name(str(name)) for name in names]
    return ", ".join([*shown[:-2], " and ".join(shown[-2:])])


@dataclass(frozen=True)
class Way:
    """How the verdicts of a study come about, as far as sentences say it.

    `unit`: 'seed' of a study that tunes once, 'replicate' of one that repeats its tuning. `factor`: what is compared. `trials`: search trials per
    schedule, and replicate. `looks`: the numbers of replicates at which it is looked at, () without replicates. `lost`: what
    runs did that are the worst outcome. `elsewhere`: whether the runs were trained elsewhere.
    """

    unit: str = "seed"
    factor: str = "schedule"
    trials: int = 0
    looks: tuple[int, ...] = ()
    lost: str = "diverged"
    elsewhere: bool = False

    @property
    def tuned(self) -> str:
        """What the schedules of a statement were, to be put after their names; empty of one tuned configuration each."""
        return f", each tuned with {numbers.count(self.trials, 'trial')}," if self.looks and self.trials else ""


ONCE = Way()


def headline(table: pd.DataFrame, way: Way = ONCE, *, ended: bool = False) -> str:
    """All verdicts of a table of `contrasts` in one line, without numbers; `ended`: the study trains no more for any of them."""
    if table.empty:
        return ALONE
    baseline = numbers.name(str(table["baseline"].iloc[0]))
    forms = {
        "better": f"Better than {baseline}: {{}}.",
        "worse": f"Worse than {baseline}: {{}}.",
        "equivalent": f"Equivalent to {baseline}: {{}}.",
        "undecided": f"Undecided{_so_far(table, way, ended=ended)}: {{}}.",
        "descriptive only": f"Too few {numbers.plural(way.unit)} for a verdict: {{}}.",
    }
    said = []
    for verdict, form in forms.items():
        labels = [str(label) for label in table.loc[table["verdict"] == verdict, "schedule"]]
        if labels:
            said.append(form.format(listed(labels)))
    return " ".join(said)


def _so_far(table: pd.DataFrame, way: Way, *, ended: bool) -> str:
    """Whether what is undecided will stay so, of a replicated study."""
    if not way.looks:
        return ""
    if table.loc[table["verdict"] == "undecided", "done"].all():
        return f" after {way.looks[-1]} replicates"
    return " when the study ended" if ended else " so far"


def sentences(
    table: pd.DataFrame, *, score_title: str, margin: str = "", form: numbers.Form = FORM, way: Way = ONCE
) -> list[str]:
    """One sentence per row of `contrasts`: the verdict, by how much, how sure.

    `margin` is the region of equivalence in words, '±0.3'. Numbers are written in `form`, by default cut where each
    interval's half-width has its second digit.
    """
    return [_sentence(_named(row), score_title, margin=margin, form=form, way=way) for row in table.to_dict("records")]


def basis(table: pd.DataFrame, *, alpha: float = 0.05, way: Way = ONCE) -> str:
    """What the sentences rest on: pairs of seeds or replicates, test, correction for multiple comparisons, level."""
    found = sorted({int(n) for n in table["n"]})
    pairs = f"{found[0]}" if len(found) == 1 else f"{found[0]} to {found[-1]}"
    over = f"Holm over {len(table)} comparison{'s' if len(table) > 1 else ''}, family-wise error rate {100 * alpha:g} %"
    level = f"{100 * (1 - alpha):g} %"
    if way.elsewhere and way.looks:
        return (
            f"Each statement is about {numbers.plural(way.factor)} and how they were tuned. It rests on {pairs} replicates, each a tuning of "
            f"its own, trained elsewhere (exact sign-flip test, {over}; intervals are {level} t intervals)."
        )
    if way.looks:
        looks = numbers.count(len(way.looks), "look")
        test = f"exact sign-flip test, {over}; intervals are {level} t intervals"
        if len(way.looks) > 1:
            test = (
                f"group-sequential sign-flip test, {looks} planned, {over} over all looks together; intervals are {level} "
                "intervals for a study that may stop at any look"
            )
        return (
            f"Each statement is about schedules and how they were tuned. It rests on {pairs} replicate{'s' if pairs != '1' else ''}, "
            f"each a tuning with search points and seeds of its own, shared by all schedules ({test})."
        )
    if way.elsewhere:
        return (
            f"Each statement rests on {pairs} pair{'s' if pairs != '1' else ''} of runs trained elsewhere (exact sign-flip test, "
            f"{over}; intervals are {level} t intervals)."
        )
    about = "tuned configurations, whose tuning was not repeated," if way.trials else "configurations in the study file"
    return (
        f"Each statement is about the {about} and rests on {pairs} pair{'s' if pairs != '1' else ''} of runs "
        f"from fresh seeds (exact sign-flip test, {over}; intervals are {level} t intervals)."
    )


def as_told(replicates: int, *, way: Way) -> str:
    """That verdicts on a table rest on its word, and how often it says that the tuning was repeated."""
    repeated = (
        f"The whole tuning was repeated {numbers.count(replicates, 'time')}: these verdicts are about {numbers.plural(way.factor)} tuned so. "
        if way.looks
        else ""
    )
    return (
        f"{repeated}The harness did not train these runs: it takes the table's word for what they are, for what runs of one "
        f"{way.unit} have in common, and that no run was left out."
    )


def not_repeated(way: Way) -> str:
    """That the verdicts of a study that tunes once are about configurations."""
    if not way.trials:
        return "These verdicts are about the configurations in the study file: nothing was tuned."
    return (
        "These verdicts are about one tuned configuration per schedule, not about the schedules: the tuning was not "
        "repeated."
    )


def course(table: pd.DataFrame, *, replicates: int, way: Way) -> str:
    """How often a replicated study tuned, when it was looked at, and what stopped it.

    `replicates` have ended; of a study that stopped those count that its looks used.
    """
    taken, stopped = int(table["look"].max()), bool(table["done"].all())
    looks, largest = way.looks, way.looks[-1]
    times = numbers.count(int(table["replicates"].max()) if stopped else replicates, "time")
    repeated = f"{'The whole tuning' if way.trials else 'Training'} was repeated {times}{'' if stopped else ' so far'}"
    if not taken:
        return (
            f"{repeated}; nothing is decided before the first look, after {looks[0]} of at most {largest} replicates."
        )
    seen = " and ".join(filter(None, [", ".join(map(str, looks[: taken - 1])), str(looks[taken - 1])]))
    looked = f"looked at after {seen} of at most {largest} replicates" if len(looks) > 1 else "looked at once"
    still = [str(label) for label in table.loc[table["verdict"].isin(words.OPEN), "schedule"]]
    if not stopped:
        end = f"the next look comes after {looks[int(table.loc[~table['done'].astype(bool), 'look'].max())]}"
    elif still:
        end = f"ended with the last look, at which {listed(still)} {'was' if len(still) == 1 else 'were'} undecided"
    else:
        end = "stopped since every comparison was decided"
    return f"{repeated}; {looked}; {end}."


def _named(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(key): value for key, value in row.items()}


def _sentence(row: Mapping[str, Any], title: str, *, margin: str, form: numbers.Form, way: Way) -> str:
    name, baseline, verdict = (numbers.name(str(row[key])) for key in ("schedule", "baseline", "verdict"))
    begun = name[0].upper() + name[1:]
    rest = f"{_size(row, title, form, way)}{_lost(row, baseline, way)}"
    each = way.tuned.removesuffix(",")
    if verdict in words.CLAIMS:
        return f"{begun} was {verdict} than {baseline}{each}{rest}."
    if verdict == "equivalent":
        return f"{begun} and {baseline}{way.tuned} were equivalent within {margin}{rest}."
    if verdict == "descriptive only":
        return f"{begun} cannot be judged against {baseline} ({row['note']}){rest}."
    ended = not way.looks or row["done"]
    after = f" after {numbers.count(int(row['n']), 'replicate')}" if way.looks and row["look"] else ""
    hint = _hint(row, way) if ended else ""
    so_far = "" if ended else f" so far{',' if after else ''}"
    return f"Whether {name} differs from {baseline}{way.tuned} is undecided{so_far}{after}{rest}{hint}."


def _hint(row: Mapping[str, Any], way: Way) -> str:
    """How large a new study would have to be: this one must not grow until it decides."""
    if pd.isna(row["more_seeds"]):
        return ""
    return f"; a new study with about {numbers.count(int(row['n']) + int(row['more_seeds']), way.unit)} would probably decide"


def _size(row: Mapping[str, Any], title: str, form: numbers.Form, way: Way) -> str:
    difference, low, high, better = (float(row[key]) for key in ("difference", "low", "high", "p_better"))
    if math.isnan(difference):
        return ""
    interval = "" if math.isnan(low) else f", interval {form.interval(low, high)}"
    middle = form.estimate(difference, low, high).partition(" (")[0]
    pairs = numbers.count(int(row["n"]), "replicate") if way.looks else "pairs"
    share = "" if math.isnan(better) else f"; better in {numbers.percent(better)} of {pairs}"
    return f" (mean difference in {title} {middle}{interval}{share})"


def _lost(row: Mapping[str, Any], baseline: str, way: Way) -> str:
    mine, other = int(row["diverged"]), int(row["baseline_diverged"])
    if not mine and not other:
        return ""
    return f"; {way.lost}: {mine} of its {'replicates' if way.looks else 'runs'}, {other} of {baseline}"


def later(table: pd.DataFrame, *, score_title: str, margin: str, form: numbers.Form, way: Way) -> list[str]:
    """What came after the plan, of a table with the column `what`: a sentence per added schedule, one for all else."""
    rows = [_named(row) for row in table.to_dict("records")]
    said = [
        "Exploratory, since the schedule was added later: "
        + _sentence(row, score_title, margin=margin, form=form, way=way)
        for row in rows
        if row["what"] == ADDED
    ]
    further = [row for row in rows if row["what"] != ADDED]
    if not further:
        return said
    sizes = [
        f"{form.estimate(row['difference'], row['low'], row['high'])} for {numbers.name(str(row['schedule']))} over "
        f"{numbers.count(int(row['n']), way.unit)}"
        for row in further[:LATER_SAID]
    ]
    more = f", and {len(further) - LATER_SAID} more" if len(further) > LATER_SAID else ""
    return [
        *said,
        f"Exploratory, with the {further[0]['what']}: the mean difference to {numbers.name(str(further[0]['baseline']))} is "
        f"{', '.join(sizes)}{more}.",
    ]


def interactions(table: pd.DataFrame, decays: Collection[str]) -> list[str]:
    """On which schedules averaged weights change the effect, from the intervals `low` to `high`.

    The effect is one of decay for the schedules `decays`, and of anything for the others.
    """
    decay, said = table["schedule"].isin(decays), []
    for form, rows in (
        ("Decay helps averaged weights less than raw ones (interaction above zero): {}.", decay & (table["low"] > 0)),
        ("Decay helps averaged weights more than raw ones (interaction below zero): {}.", decay & (table["high"] < 0)),
        ("Averaged weights gain less than raw ones (interaction above zero): {}.", ~decay & (table["low"] > 0)),
        ("Averaged weights gain more than raw ones (interaction below zero): {}.", ~decay & (table["high"] < 0)),
        ("Interaction undecided: {}.", (table["low"] <= 0) & (table["high"] >= 0)),
    ):
        if rows.any():
            said.append(form.format(listed([str(label) for label in table.loc[rows, "schedule"]])))
    return said


def averaging(
    table: pd.DataFrame,
    *,
    baseline: str,
    score_title: str,
    forms: tuple[numbers.Form, numbers.Form],
    decays: Collection[str],
) -> list[str]:
    """What averaging did to the baseline, then by schedule whether it replaces decay: of `stats.ema_interaction`.

    Differences of raw and of averaged weights are written in `forms`. The schedules `decays` differ from the baseline in a decay.
    """
    if table.empty:
        return ["Too few runs to say whether averaging replaces decay."]
    gain = table.iloc[0]
    size = forms[0].estimate(gain["gain"], gain["gain_low"], gain["gain_high"])
    said = [f"Averaging the weights changed {numbers.name(baseline)}'s {score_title} by {size}."]
    for row in table.to_dict("records"):
        raw, averaged = (form.alone(row[key]) for key, form in zip(("raw", "ema"), forms, strict=True))
        said.append(
            f"{numbers.name(row['schedule'])}: effect {raw} on raw and {averaged} on averaged weights, interaction "
            f"{forms[0].estimate(row['interaction'], row['low'], row['high'])}: "
            f"{_interaction(row['low'], row['high'], decay=row['schedule'] in decays)}."
        )
    return said


def best_pair(table: pd.DataFrame, *, score_title: str, spread: float, level: str, unit: str, tuned: str) -> str:
    """Which pair of schedule and weights has the lowest mean, and which others may be the best: of `stats.surface`.

    `tuned`: the weights by whose score configurations were chosen, if any were.
    """
    candidates = table[table["may_be_best"]].dropna(subset=["mean"])
    if candidates.empty:
        return ""
    lowest = candidates.sort_values("mean", kind="stable").iloc[0]
    rest = table.drop(index=lowest.name)
    others = [_pair(row) for row in rest[rest["may_be_best"]].to_dict("records")]
    mean = numbers.aligned([lowest["mean"]], spread=spread)[0]
    said = (
        f"Of {len(table)} pairs of schedule and weights, {_pair(lowest)} has the lowest mean {score_title} ({mean}, over "
        f"{numbers.count(int(lowest['n']), unit)})"
    )
    if others:
        which = f": {listed(others)}" if len(others) <= _PAIRS_NAMED else ""
        said += (
            f", and {numbers.count(len(others), 'other pair')} may as well be the best{which}. At {level} the best pair is one of "
            f"these {len(others) + 1}, whichever was tried."
        )
    else:
        said += f". Each other pair is worse than some pair: at {level} this is the best."
    if tuned:
        said += f" Configurations were chosen by the score of {tuned} weights, which favours these."
    return said


def _pair(row: Mapping[Hashable, Any] | pd.Series[Any]) -> str:
    return f"{numbers.name(str(row['schedule']))} with {row['weights']}"


def _interaction(low: float, high: float, *, decay: bool) -> str:
    if not math.isfinite(low):
        return "too few runs to compare the two"
    if low > 0:
        return f"{'decay helps averaged weights' if decay else 'averaged weights gain'} less than raw ones"
    if high < 0:
        return f"{'decay helps averaged weights' if decay else 'averaged weights gain'} more than raw ones"
    return f"whether {'averaging replaces decay' if decay else 'they differ'} is undecided"


def pairing(table: pd.DataFrame) -> str:
    """How alike paired scores are, and what pairing by seed gained or lost; of `contrasts` with known correlations."""
    known = table.dropna(subset=["correlation"]).sort_values("correlation", kind="stable")
    ends = [
        f"{numbers.aligned([row['correlation']], spread=0.1)[0]} ({numbers.name(str(row['schedule']))})"
        for row in known.iloc[[0, -1]].to_dict("records")
    ]
    span = ends[0] if len(known) == 1 else f"{ends[0]} to {ends[1]}"
    gained = float(known["pairing_efficiency"].median())
    word = "gained" if gained > 1.05 else "lost" if gained < 0.95 else "changed little"
    return (
        f"Correlation of paired scores: {span}. Pairing {word}: in the median an unpaired comparison would need "
        f"{numbers.number(gained)} times as many runs to say as much."
    )


def edges(rows: Sequence[Mapping[Any, Any]]) -> str:
    """The best searched values that lie at the edge of their range: rows of boundary.csv."""
    parts = [
        f"{numbers.name(str(row['schedule']))}, {row['parameter']} {numbers.number(row['value'])} ({row['edge']} edge of "
        f"{numbers.number(row['low'])} to {numbers.number(row['high'])})"
        for row in rows
    ]
    return _widen("Best searched values at the edge of their range", parts)


def edges_chosen(rows: Sequence[Mapping[Any, Any]]) -> str:
    """The parameters whose chosen values often lie at the edge of their range: such rows of choices.csv."""
    parts = [
        f"{numbers.name(str(row['schedule']))}, {row['parameter']} ({row['edge']} edge in {row['at_' + row['edge']]} of "
        f"{numbers.count(row['replicates'], 'replicate')})"
        for row in rows
    ]
    return _widen("Values were often chosen at the edge of their range", parts)


def _widen(found: str, parts: Sequence[str]) -> str:
    """What lies at edges, the first EDGES_SAID by name, and what to do."""
    more = f"; and {len(parts) - EDGES_SAID} more" if len(parts) > EDGES_SAID else ""
    return (
        f"{found}: {'; '.join(parts[:EDGES_SAID])}{more}. Better ones may lie outside: widen the range in a new study."
    )


def energy(runs: pd.DataFrame) -> str:
    """Kilowatt-hours of all runs by part of the machine, and of how many runs where not of all; empty where none is known."""
    on_gpu = int((~runs["device"].fillna("").astype(str).str.startswith("CPU")).sum())
    told = []
    for part, name, using in (("processor", "processor packages", len(runs)), ("gpu", "GPUs", on_gpu)):
        known = runs[runs[f"joules_{part}"].notna()] if f"joules_{part}" in runs else runs.iloc[:0]
        if len(known):
            # Steps that another run trained count there.
            own = known[f"joules_{part}"].sum() - known.get(f"shared_joules_{part}", pd.Series(dtype=float)).sum()
            some = f" (of {len(known)} of {using} runs)" if len(known) < using else ""
            told.append(f"{numbers.measured(float(own) / _JOULES_PER_KWH)} kWh of the {name}{some}")
    return listed(told)


def shared(runs: pd.DataFrame) -> str:
    """How many of all runs' steps were trained once for several runs, in how much time; empty where none were."""
    steps = int(runs["shared_steps"].sum())
    if not steps:
        return ""
    hours = runs["shared_seconds"].sum() / 3600
    return (
        f"{numbers.count(steps, 'step')} of {int(runs['last_step'].sum()):,} were those of an earlier run, too, bit for bit, and "
        f"were not trained again: {numbers.number(float(hours))} worker-hours saved, which each run's own seconds count in full"
    )
