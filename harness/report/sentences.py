"""The verdicts in plain words: a headline and a paragraph that a reader may quote, made from the table alone."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from harness.report import numbers

ALONE = "Only one schedule was confirmed, so there is nothing to compare."


def listed(names: list[str]) -> str:
    """'a', 'a and b', 'a, b and c', each name fit for a sentence."""
    found = [numbers.name(str(name)) for name in names]
    return ", ".join([*found[:-2], " and ".join(found[-2:])])


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
        found = [str(label) for label in table.loc[table["verdict"] == verdict, "schedule"]]
        if found:
            said.append(form.format(listed(found)))
    return " ".join(said)


def sentences(table: pd.DataFrame, *, score_title: str, rope: float = 0.0, spread: float | None = None) -> list[str]:
    """One sentence per row of `contrasts`: better, worse, equivalent or undecided, by how much, how sure.

    Numbers are cut where `spread` has its second digit, by default where each interval's half-width has it.
    """
    return [_sentence(row, score_title, rope, spread) for row in table.to_dict("records")]


def basis(table: pd.DataFrame, *, alpha: float = 0.05) -> str:
    """What the sentences rest on: seeds, test, correction, level."""
    seeds = sorted({int(n) for n in table["n"]})
    pairs = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    return (
        f"Each statement is about the tuned configurations and rests on {pairs} pair{'s' if pairs != '1' else ''} of runs "
        f"from fresh seeds (exact sign-flip test, Holm over {len(table)} comparison{'s' if len(table) > 1 else ''}, "
        f"family-wise error {100 * alpha:g} %; intervals are {100 * (1 - alpha):g} % t intervals)."
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
