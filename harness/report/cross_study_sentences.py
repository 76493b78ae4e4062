"""What several studies say together, in plain words, by rules from the tables across them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from harness import stats
from harness.report import claims, numbers
from harness.report.cross_study_frames import Studies
from harness.report.entries import Line
from harness.report.sentences import listed
from harness.stats import averages, words

QUESTION, BY_STEPS = "Does it depend on model and task?", "Does it depend on the number of steps?"
REPLACES = "Does averaging replace decay?"
FORM = numbers.Form(relative=True)
ORDER = (words.BETTER, words.EQUIVALENT, words.UNDECIDED, words.WORSE, words.DESCRIPTIVE)
_NAMED = 5  # most schedules, or studies, that a sentence names one by one
_TENTH, _HALF = 0.1, 0.5  # shares of comparisons from which on a claim is contradicted, or supported
LARGER, SMALLER, SAME = "helps more", "helps less", "no change"


def headline(studies: Studies) -> str:
    """All studies in one sentence: how far the schedules that all have are from the baseline, and how often that was decided."""
    if not studies.contrasts:
        return "No study has a verdict yet."
    if len(studies.together) < 2:
        return f"These {len(studies.analyses)} studies cannot be taken together: {reasons(studies)}. Each answers for itself."
    if not studies.having:
        return "No study has a pair of runs yet that ended."
    frame = studies.frames["aggregates"]
    if not studies.common:
        label = next(iter(studies.having))
        said = _alone(studies, frame, label)
        return f"No schedule is in all {len(studies.together)} studies; {_of(studies, label)} {said}"
    if len(studies.common) == 1:
        return f"{_of(studies, None)} {_alone(studies, frame, studies.common[0])}"
    return f"{_of(studies, None)} {_several(studies, frame)}"


def _of(studies: Studies, label: str | None) -> str:
    """'Over 9 studies of 5 families': of all studies, or those that have a schedule."""
    names = list(studies.together) if label is None else studies.having[label]
    families = {studies.families[name] for name in names}
    kinds = f" of {numbers.count(len(families), 'family')}" if len(families) < len(names) else ""
    return f"{'Over' if label is None else 'over'} {numbers.count(len(names), 'study')}{kinds}"


def _alone(studies: Studies, frame: pd.DataFrame, label: str) -> str:
    """What one schedule did to the score of raw and of averaged weights, and its verdicts."""
    rows = {row["weights"]: row for row in frame[frame["schedule"] == label].to_dict("records")}
    first, *others = rows.values()
    level = f"interquartile mean, {100 * (1 - studies.alpha):g} % interval "
    verb, size = _moved(studies, first, level)
    said = f"{numbers.name(label)} {verb} the {studies.title} of {first['weights']} weights {size} against {numbers.name(studies.baseline)}"
    for other in others:
        again, size = _moved(studies, other)
        said += f" and {'' if again == verb else f'{again} '}that of {other['weights']} weights {size}"
    found = verdicts(studies, label)
    return f"{said}: {counted(found, total=sum(found.values()))}."


def _moved(studies: Studies, row: Mapping[Any, Any], level: str = "") -> tuple[str, str]:
    """'lowered', 'by 21 % (12 to 29 %)'; signed where the interval holds zero, so that either may be."""
    direction = next(iter(studies.together.values())).direction
    better, worse = ("lowered", "raised") if direction == "lower" else ("improved", "worsened")
    value, low, high = (float(row[key]) for key in ("iqm", "iqm_low", "iqm_high"))
    if high < 0:
        verb, size = better, _unsigned(-value, -high, -low)
    elif low > 0:
        verb, size = worse, _unsigned(value, low, high)
    else:
        verb, size = "changed", sized(value, low, high)
    return verb, f"by {size.replace('(', f'({level}', 1)}"


def _unsigned(value: float, low: float, high: float) -> str:
    return sized(value, low, high).replace("+", "")


def sized(value: float, low: float, high: float) -> str:
    """An aggregate with its interval: '−6 % (−9 to −2 %)'; '∞' where a quarter or more of the pairs were lost."""
    if math.isfinite(value) and math.isfinite(low) and high == math.inf:
        return f"{FORM.alone(value)} ({FORM.alone(low)} to ∞)"
    return "∞" if value == math.inf else FORM.estimate(value, low, high)


def _several(studies: Studies, frame: pd.DataFrame) -> str:
    """What several schedules that all studies have did; each its number if they are few, else the ends."""
    of = {str(kind): rows for kind, rows in frame[frame["everywhere"]].groupby("weights", sort=False)}
    (first, rows), *others = of.items()
    rows = rows.sort_values("iqm", kind="stable")
    level = f"interquartile mean, {100 * (1 - studies.alpha):g} % interval "
    sizes = [
        f"{sized(row['iqm'], row['iqm_low'], row['iqm_high'])} with {numbers.name(row['schedule'])}"
        for row in rows.to_dict("records")
    ]
    sizes[0] = sizes[0].replace("(", f"({level}", 1)
    shown = listed(sizes) if len(sizes) <= _NAMED else f"between {sizes[0]} and {sizes[-1]}"
    said = f"the {studies.title} of {first} weights, against {numbers.name(studies.baseline)}, changed by {shown}"
    for weights, table in others:
        ends = table.sort_values("iqm", kind="stable").iloc[[0, -1]].to_dict("records")
        low, high = (sized(row["iqm"], math.nan, math.nan) for row in ends)
        said += f"; that of {weights} weights by {low}"
        if low != high:
            said += f" ({numbers.name(ends[0]['schedule'])}) to {high} ({numbers.name(ends[1]['schedule'])})"
    found: Counter[str] = sum((verdicts(studies, label) for label in studies.common), Counter())
    return f"{said}; of {numbers.count(sum(found.values()), 'verdict')} {counted(found)}."


def verdicts(studies: Studies, label: str) -> Counter[str]:
    """How often a schedule got which verdict, in the studies that are taken together."""
    tables = [studies.contrasts[name] for name in studies.together]
    return Counter(str(verdict) for table in tables for verdict in table.loc[table["schedule"] == label, "verdict"])


def counted(found: Mapping[str, int], *, total: int | None = None) -> str:
    """'better in 6 of 9 studies, undecided in 3, worse in none'; with no `total` '6 better, 3 undecided, none worse'."""
    shown = [verdict for verdict in ORDER if found.get(verdict) or verdict in words.CLAIMS]
    if total is None:
        return ", ".join(f"{found.get(verdict) or 'none'} {verdict}" for verdict in shown)
    parts = [f"{verdict} in {found.get(verdict) or 'none'}" for verdict in shown]
    return f"{parts[0]} of {numbers.count(total, 'study')}, {', '.join(parts[1:])}"


def scope(studies: Studies) -> str:
    """What the aggregates' intervals cover and what they do not, and how studies are weighted; empty without aggregates."""
    if len(studies.together) < 2:
        return ""
    once = [name for name, analysis in studies.together.items() if not analysis.plan.replicated]
    luck = "of tunings and seeds" if len(once) < len(studies.together) else "of seeds"
    tuned = ""
    if once and len(once) < len(studies.together):
        tuned = f" (of seeds alone in {listed(once)}, tuned once)"
    elif once:
        tuned = " (each study tuned once, so that the luck of its tuning is in the numbers and not in the intervals)"
    kinds = {studies.families[name] for name in studies.together}
    weighed = ""
    if len(kinds) == 1:
        weighed = " All are of one family: the same images, model and networks."
    elif len(kinds) < len(studies.together):
        weighed = (
            f" Studies of the same images, model and networks are one family: each of the {len(kinds)} families weighs the same, so "
            "that its studies do not count as so many proofs."
        )
    left = f" Left out: {reasons(studies)}." if studies.left_out else ""
    return (
        f"Intervals cover the luck {luck} within these studies{tuned}. They say nothing about other images or networks: the studies are "
        f"given, not drawn.{weighed}{left}"
    )


def reasons(studies: Studies) -> str:
    """Which studies are in no aggregate, and why."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in studies.left_out.items():
        by_reason.setdefault(reason, []).append(name)
    return "; ".join(f"{listed(names)} ({reason})" for reason, names in by_reason.items())


def families(studies: Studies) -> Line:
    """Which studies are of one family; empty where none are."""
    members: dict[str, list[str]] = {}
    for name in studies.together:
        members.setdefault(studies.families[name], []).append(name)
    if len(members) == len(studies.together) or len(studies.together) < 2:
        return ()
    return (f"Families: {'; '.join(f'{family}: {listed(names)}' for family, names in members.items())}.",)


def answer(studies: Studies) -> list[str]:
    """The answers of the first screen, that to the page's question first: over all studies unless it asks for something else.

    Then those on the number of steps, on averaging, and on the article's claims.
    """
    said = {
        QUESTION: [headline(studies)],
        BY_STEPS: budgets(studies),
        REPLACES: _replaced(studies),
        "": _claims(studies),
    }
    first = said.pop(studies.question) if said.get(studies.question) else said.pop(QUESTION)
    return [*first, *(each for rest in said.values() for each in rest)]


def _replaced(studies: Studies) -> list[str]:
    """In which studies, or in how many if they are more than a few, averaging replaces how much of decay."""
    by_kind: dict[str, list[str]] = {}
    for name, (kind, _) in replaced(studies).items():
        by_kind.setdefault(kind, []).append(name)
    parts = [
        f"in {listed(names) if len(names) <= _NAMED else len(names)} {said}"
        for kind, said in _REPLACED.items()
        if (names := by_kind.get(kind))
    ]
    over = numbers.count(sum(map(len, by_kind.values())), "study")
    return [f"What averaging replaces of decay, over {over}: {'; '.join(parts)}."] if parts else []


def _claims(studies: Studies) -> list[str]:
    """The article's claims by their verdicts."""
    by_verdict: dict[str, list[str]] = {}
    for (claim, measure), (verdict, _) in judged(studies).items():
        name = f"{claim.lower()} ({measure})" if claim == claims.STABLE else claim.lower()
        by_verdict.setdefault(verdict, []).append(name)
    parts = [f"{verdict}: {listed(by_verdict[verdict])}" for verdict in VERDICTS if verdict in by_verdict]
    return [f"Of what the article says of decay {'; '.join(parts)}."] if parts else []


# The number of steps.


def trend(rows: pd.DataFrame, *, relative: bool) -> str:
    """Whether a schedule's effect at most steps differs from that at fewest by more than the two intervals allow.

    Half-widths are added in squares, since the two are studies of their own.
    """
    ends = rows.sort_values("steps").iloc[[0, -1]]
    values = [[float(row[key]) for key in ("difference", "low", "high")] for row in ends.to_dict("records")]
    if relative:
        values = [[math.log1p(max(each, -1 + 1e-12)) for each in row] for row in values]
    gap = values[1][0] - values[0][0]
    width = math.hypot(*((row[2] - row[1]) / 2 for row in values))
    return LARGER if gap < -width else SMALLER if gap > width else SAME


def budgets(studies: Studies) -> list[str]:
    """One sentence per group of studies that differ in their number of steps."""
    said = []
    for _, rows in studies.frames["sweeps"].groupby("group", sort=False):
        analysis = studies.analyses[rows["study"].iloc[0]]
        found: dict[str, list[str]] = {}
        for label, of_schedule in rows.groupby("schedule", sort=False):
            kind = trend(of_schedule, relative=analysis.relative)
            found.setdefault(kind if analysis.direction == "lower" else _TURNED[kind], []).append(str(label))
        parts = [
            f"{listed(found[kind])} {text if len(found[kind]) > 1 else single}"
            for kind, text, single in (
                (LARGER, "help more the longer the training is", "helps more the longer the training is"),
                (SMALLER, "help less the longer the training is", "helps less the longer the training is"),
            )
            if kind in found
        ]
        if SAME in found:
            parts.append(f"of {listed(found[SAME])} no change is shown")
        steps = sorted(rows["steps"].unique())
        said.append(f"From {steps[0]:,} to {numbers.count(int(steps[-1]), 'step')}: {'; '.join(parts)}.")
    return said


_TURNED = {LARGER: SMALLER, SMALLER: LARGER, SAME: SAME}


def budgets_by_schedule(studies: Studies) -> list[Line]:
    """Each schedule's effect at fewest and most steps."""
    said: list[Line] = []
    for (_, label), rows in studies.frames["sweeps"].groupby(["group", "schedule"], sort=False):
        parts = []
        for row in rows.sort_values("steps").to_dict("records"):
            analysis = studies.analyses[row["study"]]
            size = analysis.form_of(analysis.score).estimate(row["difference"], row["low"], row["high"])
            parts.append(f"{size} at {row['steps']:,}")
        said.append((f"{numbers.name(str(label))}: {', '.join(parts)} steps.",))
    return said


# Averages.

ALL, PART, NOTHING, WITHOUT = "all", "part", "nothing", "without"
_REPLACED = {
    ALL: "all of it (with the best average no decay is shown to be better)",
    PART: "a part (some decays that help raw weights are not shown to help averaged ones)",
    NOTHING: "none of it (all decays that help raw weights help averaged ones)",
    WITHOUT: "nothing to replace (no decay helps raw weights)",
}


def replaced(studies: Studies) -> dict[str, tuple[str, str]]:
    """By study whether averaging replaces decay (ALL, PART, NOTHING, WITHOUT), and a sentence that says so.

    The average is the one with which the baseline's mean score is best. A decay is better where its interval lies below zero.
    """
    frame = studies.frames["averages"]
    found = {}
    for study, rows in frame.groupby("study", sort=False):
        gains = rows[rows["what"] == averages.AVERAGING].dropna(subset=["difference"])
        decays = rows[rows["decay"]]
        if gains.empty or decays.empty:
            continue
        best = gains.sort_values("difference", kind="stable").iloc[0]
        by_weights = decays[decays["what"] == averages.DECAY].groupby("weights")
        raw, same = (_better(by_weights.get_group(weights)) for weights in ("raw", best["weights"]))
        instead = decays[(decays["what"] == averages.INSTEAD) & (decays["weights"] == best["weights"])]
        kind = WITHOUT if not raw else ALL if not same else PART if set(raw) - set(same) else NOTHING
        found[str(study)] = (
            kind,
            _replacing(str(study), best, raw, same, instead, studies.analyses[str(study)].baseline),
        )
    return found


def _better(rows: pd.DataFrame) -> list[str]:
    return [str(label) for label in rows.loc[rows["high"] < 0, "schedule"]]


def _replacing(
    study: str, best: pd.Series[Any], raw: Sequence[str], same: Sequence[str], instead: pd.DataFrame, baseline: str
) -> str:
    of, base = len(instead), numbers.name(baseline)
    size = FORM.estimate(best["difference"], best["low"], best["high"])
    life = "" if pd.isna(best["half_life"]) else f", half-life {numbers.percent(best['half_life'])} of the run"
    above, under = int((instead["low"] > 0).sum()), int((instead["high"] < 0).sum())
    which = f" ({listed(list(same))})" if same else ""
    return (
        f"{numbers.name(study)}: averaging alone ({best['average']}{life}) changes the score of {base} by {size}. Of "
        f"{numbers.count(of, 'decay')} {_are(len(raw))} better than {base} by raw weights, {len(same) or 'none'} with that "
        f"average{which}. Without averaging {_are(above)} worse than {base} with it, {_are(under)} better."
    )


def _are(count: int) -> str:
    return f"{count or 'none'} {'are' if count > 1 else 'is'}"


def averaging(studies: Studies) -> list[Line]:
    """Whether averaging replaces decay, one entry per study."""
    return [(said,) for _, said in replaced(studies).values()]


# The article's claims.


def judged(studies: Studies) -> dict[tuple[str, str], tuple[str, pd.DataFrame]]:
    """A verdict per claim and measure, by rule, with its evidence; of time, which has no intervals, there is none."""
    frame = studies.frames["claims"]
    timed = frame["claim"] == claims.COSTS
    groups = frame[~timed].groupby(["claim", "measure"], sort=False)
    return {(str(claim), str(measure)): (_judged(_shares(studies, rows)), rows) for (claim, measure), rows in groups}


def claimed(studies: Studies) -> list[Line]:
    """Each claim's verdict with its evidence, then what decay costs."""
    said: list[Line] = []
    kinds = ((claims.AS_CLAIMED, "as claimed"), (claims.CONTRARY, "the contrary"), (claims.OPEN, "neither"))
    for (claim, measure), (verdict, rows) in judged(studies).items():
        found = rows["says"].value_counts()
        counts = [f"{int(found.get(kind, 0)) or 'none'} {text}" for kind, text in kinds]
        said.append((f"{claim} ({measure}): {verdict}. {_comparisons(rows)} show {', '.join(counts)}.",))
    timed = studies.frames["claims"]
    timed = timed[timed["claim"] == claims.COSTS]
    for step, rows in timed.groupby("measure", sort=False):
        low, high = (FORM.alone(float(end)) for end in (rows["difference"].min(), rows["difference"].max()))
        said.append((f"{claims.COSTS} ({step}): {low} to {high} against the baseline, over {_comparisons(rows)}.",))
    return said


def _comparisons(rows: pd.DataFrame) -> str:
    return f"{numbers.count(len(rows), 'comparison')} of a decay with its baseline in {numbers.count(rows['study'].nunique(), 'study')}"


def _shares(studies: Studies, rows: pd.DataFrame) -> dict[str, float]:
    """The share of comparisons that say each, averaged within a study, then over families."""
    weights = rows["study"].map(
        stats.shares({study: studies.families[study] for study in dict.fromkeys(rows["study"])})
    )
    each = weights / rows.groupby("study")["study"].transform("size")
    return {kind: float(each[rows["says"] == kind].sum()) for kind in (claims.AS_CLAIMED, claims.CONTRARY)}


SUPPORTED, CONTRADICTED, MIXED, MOSTLY_OPEN, NOT_SHOWN = VERDICTS = (
    "supported",
    "contradicted",
    "mixed",
    "mostly open",
    "not shown",
)


def _judged(share: Mapping[str, float]) -> str:
    """A verdict on a claim, from the shares of comparisons that say it and the contrary."""
    yes, no = share[claims.AS_CLAIMED], share[claims.CONTRARY]
    if min(yes, no) >= _TENTH:
        return MIXED
    if max(yes, no) < _TENTH:
        return NOT_SHOWN
    if max(yes, no) < _HALF:
        return MOSTLY_OPEN
    return SUPPORTED if yes > no else CONTRADICTED


# Ranks.


def no_ranks(studies: Studies) -> Line:
    """Why there are no ranks, where that is so."""
    if len(studies.frames["ranks"]):
        return ()
    if len(studies.together) < 2:
        return ("Ranks need two studies of one score and one baseline.",)
    if not studies.common:
        return ("No schedule but the baseline is in all studies: a rank would say which studies a schedule was in.",)
    return (
        f"Only {numbers.name(studies.common[0])} is in all studies besides {numbers.name(studies.baseline)}: a rank of two says no "
        "more than the aggregate.",
    )
