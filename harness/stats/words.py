"""The verdicts in plain words: one paragraph that a reader may quote, made from the table alone."""

from __future__ import annotations

import math

import pandas as pd


def paragraph(table: pd.DataFrame, *, score_title: str, rope: float = 0.0, alpha: float = 0.05) -> str:
    """Sentences for a table of `contrasts`: what is better, worse, equivalent, undecided, and by how much."""
    if table.empty:
        return "Only one schedule was confirmed, so there is nothing to compare."
    baseline = str(table["baseline"].iloc[0])
    sentences = [
        _sentence({str(k): v for k, v in row.items()}, score_title, baseline, rope) for row in table.to_dict("records")
    ]
    seeds = sorted({int(n) for n in table["n"]})
    number = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    basis = (
        f"Each statement is about the tuned configurations and rests on {number} pairs of runs from fresh seeds (exact sign-flip test, Holm over "
        f"{len(table)} comparison{'s' if len(table) > 1 else ''}, family-wise error {alpha:.0%}; intervals are 95 % t intervals)."
    )
    if not math.isclose(alpha, 0.05):
        basis = basis.replace("95 %", f"{1 - alpha:.0%}".replace("%", " %"))
    return " ".join([*sentences, basis])


def _sentence(row: dict[str, object], title: str, baseline: str, rope: float) -> str:
    name, verdict = str(row["schedule"]), str(row["verdict"])
    name = name[0].upper() + name[1:]
    size = _size(row, title)
    lost = _lost(row, baseline)
    if verdict in ("better", "worse"):
        return f"{name} was {verdict} than {baseline}{size}{lost}."
    if verdict == "equivalent":
        return f"{name} and {baseline} were equivalent within ±{rope:g}{size}{lost}."
    if verdict == "descriptive only":
        return f"{name} cannot be judged against {baseline} ({row['note']}){size}{lost}."
    more = row["more_seeds"]
    hint = f"; about {int(str(more))} further seeds would decide" if pd.notna(more) else ""  # type: ignore[call-overload]
    return f"Whether {row['schedule']!s} differs from {baseline} is undecided{size}{lost}{hint}."


def _size(row: dict[str, object], title: str) -> str:
    difference = float(str(row["difference"]))
    if math.isnan(difference):
        return ""
    low, high = float(str(row["low"])), float(str(row["high"]))
    interval = "" if math.isnan(low) else f", interval {low:+.3g} to {high:+.3g}"
    return f" (mean difference in {title} {difference:+.3g}{interval}; better in {float(str(row['p_better'])):.0%} of pairs)"


def _lost(row: dict[str, object], baseline: str) -> str:
    mine, other = int(str(row["diverged"])), int(str(row["baseline_diverged"]))
    if not mine and not other:
        return ""
    return f"; diverged: {mine} of its runs, {other} of {baseline}"
