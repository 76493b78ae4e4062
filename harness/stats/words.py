"""The verdicts in plain words: a headline and a paragraph that a reader may quote, made from the table alone."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from harness.stats import digits

ALONE = "Only one schedule was confirmed, so there is nothing to compare."


def headline(table: pd.DataFrame) -> str:
    """All verdicts of a table of `contrasts` in one line, without numbers."""
    if table.empty:
        return ALONE
    baseline = digits.name(str(table["baseline"].iloc[0]))
    forms = {
        "better": f"Better than {baseline}: {{}}.",
        "worse": f"Worse than {baseline}: {{}}.",
        "equivalent": f"Equivalent to {baseline}: {{}}.",
        "undecided": "Undecided: {}.",
        "descriptive only": "Too few seeds for a verdict: {}.",
    }
    said = []
    for verdict, form in forms.items():
        found = [digits.name(str(label)) for label in table.loc[table["verdict"] == verdict, "schedule"]]
        if found:
            said.append(form.format(", ".join([*found[:-2], " and ".join(found[-2:])])))
    return " ".join(said)


def sentences(table: pd.DataFrame, *, score_title: str, rope: float = 0.0) -> list[str]:
    """A sentence a row of `contrasts`: better, worse, equivalent or undecided, by how much, how sure."""
    return [_sentence(row, score_title, rope) for row in table.to_dict("records")]


def basis(table: pd.DataFrame, *, alpha: float = 0.05) -> str:
    """What the sentences rest on: seeds, test, correction, level."""
    seeds = sorted({int(n) for n in table["n"]})
    pairs = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    return (
        f"Each statement is about the tuned configurations and rests on {pairs} pair{'s' if pairs != '1' else ''} of runs "
        f"from fresh seeds (exact sign-flip test, Holm over {len(table)} comparison{'s' if len(table) > 1 else ''}, "
        f"family-wise error {100 * alpha:g} %; intervals are {100 * (1 - alpha):g} % t intervals)."
    )


def paragraph(table: pd.DataFrame, *, score_title: str, rope: float = 0.0, alpha: float = 0.05) -> str:
    """The sentences for a table of `contrasts`, and what they rest on."""
    if table.empty:
        return ALONE
    return " ".join([*sentences(table, score_title=score_title, rope=rope), basis(table, alpha=alpha)])


def _sentence(row: Mapping[str, object] | Mapping[object, object], title: str, rope: float) -> str:
    row = {str(key): value for key, value in row.items()}
    name, baseline, verdict = (digits.name(str(row[key])) for key in ("schedule", "baseline", "verdict"))
    begun = name[0].upper() + name[1:]
    size = _size(row, title)
    lost = _lost(row, baseline)
    if verdict in ("better", "worse"):
        return f"{begun} was {verdict} than {baseline}{size}{lost}."
    if verdict == "equivalent":
        return f"{begun} and {baseline} were equivalent within ±{rope:g}{size}{lost}."
    if verdict == "descriptive only":
        return f"{begun} cannot be judged against {baseline} ({row['note']}){size}{lost}."
    more = row["more_seeds"]
    hint = f"; about {_counted(int(str(more)))} would decide" if pd.notna(more) else ""  # type: ignore[call-overload]
    return f"Whether {name} differs from {baseline} is undecided{size}{lost}{hint}."


def _counted(seeds: int) -> str:
    return f"{seeds} further seed{'' if seeds == 1 else 's'}"


def _size(row: Mapping[str, object], title: str) -> str:
    difference, low, high, better = (float(str(row[key])) for key in ("difference", "low", "high", "p_better"))
    if math.isnan(difference):
        return ""
    spread = math.nan if math.isnan(low) else (high - low) / 2
    middle, below, above = digits.aligned([difference, low, high], spread=spread, sign=True)
    interval = "" if math.isnan(low) else f", interval {below} to {above}"
    return f" (mean difference in {title} {middle}{interval}; better in {digits.percent(better)} of pairs)"


def _lost(row: Mapping[str, object], baseline: str) -> str:
    mine, other = int(str(row["diverged"])), int(str(row["baseline_diverged"]))
    if not mine and not other:
        return ""
    return f"; diverged: {mine} of its runs, {other} of {baseline}"
