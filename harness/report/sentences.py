"""Statements in plain words that a reader may quote, made from the tables alone."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd

from harness.report import numbers

EDGES_SAID = 4  # parameters at an edge that a warning names; boundary.csv has all
ALONE = "Only one schedule was confirmed, so there is nothing to compare."


def listed(names: list[str]) -> str:
    """The names in a sentence.

    >>> listed(["linear"]), listed(["linear", "step", "rex"])
    ('linear', 'linear, step and rex')
    """
    shown = [numbers.name(str(name)) for name in names]
    return ", ".join([*shown[:-2], " and ".join(shown[-2:])])


def headline(table: pd.DataFrame) -> str:
    """All verdicts of a table of `contrasts` in one line, without numbers."""
    if table.empty:
        return ALONE
    baseline = numbers.name(str(table["baseline"].iloc[0]))
    forms = {
        "better": f"Better than {baseline}: {{}}.",
        "worse": f"Worse than {baseline}: {{}}.",
        "equivalent": f"Equivalent to {baseline}: {{}}.",
        "undecided": "Undecided: {}.",
        "descriptive only": "Too few seeds for a verdict: {}.",
    }
    said = []
    for verdict, form in forms.items():
        labels = [str(label) for label in table.loc[table["verdict"] == verdict, "schedule"]]
        if labels:
            said.append(form.format(listed(labels)))
    return " ".join(said)


def sentences(table: pd.DataFrame, *, score_title: str, rope: float = 0.0, spread: float | None = None) -> list[str]:
    """One sentence per row of `contrasts`: the verdict, by how much, how sure.

    Numbers are cut where `spread` has its second digit, by default where each interval's half-width has it.
    """
    return [_sentence(row, score_title, rope, spread) for row in table.to_dict("records")]


def basis(table: pd.DataFrame, *, alpha: float = 0.05) -> str:
    """What the sentences rest on: pairs of seeds, test, correction for multiple comparisons, level."""
    seeds = sorted({int(n) for n in table["n"]})
    pairs = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    return (
        f"Each statement is about the tuned configurations and rests on {pairs} pair{'s' if pairs != '1' else ''} of runs "
        f"from fresh seeds (exact sign-flip test, Holm over {len(table)} comparison{'s' if len(table) > 1 else ''}, "
        f"family-wise error rate {100 * alpha:g} %; intervals are {100 * (1 - alpha):g} % t intervals)."
    )


def _sentence(
    row: Mapping[str, object] | Mapping[object, object], title: str, rope: float, spread: float | None
) -> str:
    row = {str(key): value for key, value in row.items()}
    name, baseline, verdict = (numbers.name(str(row[key])) for key in ("schedule", "baseline", "verdict"))
    begun = name[0].upper() + name[1:]
    size = _size(row, title, spread)
    lost = _lost(row, baseline)
    if verdict in ("better", "worse"):
        return f"{begun} was {verdict} than {baseline}{size}{lost}."
    if verdict == "equivalent":
        return f"{begun} and {baseline} were equivalent within ±{rope:g}{size}{lost}."
    if verdict == "descriptive only":
        return f"{begun} cannot be judged against {baseline} ({row['note']}){size}{lost}."
    more = row["more_seeds"]
    known = pd.notna(more)  # type: ignore[call-overload]
    hint = f"; about {numbers.count(int(str(more)), 'further seed')} would decide" if known else ""
    return f"Whether {name} differs from {baseline} is undecided{size}{lost}{hint}."


def _size(row: Mapping[str, object], title: str, spread: float | None) -> str:
    difference, low, high, better = (float(str(row[key])) for key in ("difference", "low", "high", "p_better"))
    if math.isnan(difference):
        return ""
    middle = numbers.estimate(difference, low, high, sign=True, spread=spread).partition(" (")[0]
    interval = "" if math.isnan(low) else f", interval {numbers.interval(low, high, sign=True, spread=spread)}"
    return f" (mean difference in {title} {middle}{interval}; better in {numbers.percent(better)} of pairs)"


def _lost(row: Mapping[str, object], baseline: str) -> str:
    mine, other = int(str(row["diverged"])), int(str(row["baseline_diverged"]))
    if not mine and not other:
        return ""
    return f"; diverged: {mine} of its runs, {other} of {baseline}"


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
    table: pd.DataFrame, *, baseline: str, score_title: str, spreads: tuple[float, float], decays: Collection[str]
) -> list[str]:
    """What averaging did to the baseline, then by schedule whether it replaces decay: of `stats.ema_interaction`.

    `spreads` cut the numbers of raw and of averaged weights. The schedules `decays` differ from the baseline in a decay.
    """
    if table.empty:
        return ["Too few runs to say whether averaging replaces decay."]
    gain = table.iloc[0]
    size = numbers.estimate(gain["gain"], gain["gain_low"], gain["gain_high"], sign=True, spread=spreads[0])
    said = [f"Averaging the weights changed {numbers.name(baseline)}'s {score_title} by {size}."]
    for row in table.to_dict("records"):
        raw, averaged = (
            numbers.aligned([row[key]], spread=spread, sign=True)[0]
            for key, spread in zip(("raw", "ema"), spreads, strict=True)
        )
        said.append(
            f"{numbers.name(row['schedule'])}: effect {raw} on raw and {averaged} on averaged weights, interaction "
            f"{numbers.estimate(row['interaction'], row['low'], row['high'], sign=True, spread=spreads[0])}: "
            f"{_interaction(row['low'], row['high'], decay=row['schedule'] in decays)}."
        )
    return said


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
        for row in rows[:EDGES_SAID]
    ]
    more = f"; and {len(rows) - EDGES_SAID} more" if len(rows) > EDGES_SAID else ""
    return (
        f"Best searched values at the edge of their range: {'; '.join(parts)}{more}. Better ones may lie outside: widen "
        "the range in a new study."
    )
