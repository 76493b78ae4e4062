"""The README and the picture of results/replication, from the tables alone."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import stats

from benchmarks.calibration.page import markdown, per_cent
from benchmarks.replication.studies import DESIGNS, ROPE
from harness.report.figures import style
from harness.stats import replicates, words

PICTURE = "intervals"
TITLES = {each.name: each.title for each in DESIGNS}


def agreement(studies: pd.DataFrame) -> pd.DataFrame:
    """One row per weights, scale, design and schedule: what its studies say, and how well they agree.

    `same`, `opposite`: shares of pairs of studies with the same verdict, and with *better* against *worse*. `held`: share
    of intervals that hold the mean of the other studies.
    """
    key = ["weights", "scale", "design", "schedule"]
    rows = []
    for names, part in studies.groupby(key, sort=False):
        on = np.log1p if names[1] == "relative" else np.asarray
        difference, low, high = (on(part[name].to_numpy()) for name in ("difference", "low", "high"))
        pairs = list(itertools.combinations(part["verdict"], 2))
        others = (difference.sum() - difference) / (len(part) - 1)
        rows.append(
            dict(zip(key, names, strict=True))
            | {
                "studies": len(part),
                "runs": int(part["runs"].iloc[0]),
                "pooled": replicates.as_difference(float(difference.mean()), names[1]),
                "least": float(part["difference"].min()),
                "most": float(part["difference"].max()),
                "sd": float(difference.std(ddof=1)),
                "standard_error": float(part["standard_error"].mean()),
                "diverged": int(part["diverged"].sum()),
                "verdicts": ", ".join(
                    f"{count} {verdict}" for verdict, count in part["verdict"].value_counts().items()
                ),
                "same": float(np.mean([one == other for one, other in pairs])),
                "opposite": float(np.mean([{one, other} == {*words.CLAIMS} for one, other in pairs])),
                "held": float(np.mean((low <= others) & (others <= high))),
            }
        )
    return pd.DataFrame(rows)


def expected(replicates: int, studies: int) -> float:
    """The share of perfect 95 % intervals that hold the mean of the other studies, which has an error of its own."""
    half = stats.t.ppf(0.975, replicates - 1) / math.sqrt(1 + 1 / (studies - 1))
    return float(1 - 2 * stats.t.sf(half, replicates - 1))


def said(table: pd.DataFrame) -> list[str]:
    """What the tables say, one sentence per weights, on the absolute scale."""
    sentences = []
    for weights, name in (("raw", "Raw weights"), ("ema", "Averaged weights")):
        rows = table[(table["weights"] == weights) & (table["scale"] == "absolute")]
        parts = []
        for each in DESIGNS:
            part = rows[rows["design"] == each.name]
            spread = part["sd"] / part["standard_error"]
            parts.append(
                f"*{each.title}*: the difference spreads over studies {spread.min():.1f} to {spread.max():.1f} times as far as its "
                f"standard error says; {per_cent(part['held'].mean())} of 95 % intervals hold the mean of the other studies; "
                f"two studies give the same verdict in {per_cent(part['same'].mean())}, opposite ones in "
                f"{per_cent(part['opposite'].mean())}"
            )
        sentences.append(f"**{name}.** {'. '.join(parts)}.")
    return sentences


def page(tables: Mapping[str, pd.DataFrame], command: str) -> str:
    """The README of the folder."""
    table = agreement(tables["studies"])
    studies = int(table["studies"].min())
    parts = [
        "# Would the same study say the same again?",
        "",
        f"Made by `{command}`. Digits, 1,000 steps, constant against linear and exponential decay, whole studies from "
        f"{studies} study seeds: search, choice and confirmation anew each time. Two designs of {table['runs'].iloc[0]} runs "
        "per schedule: *one tuning* (16 search points, the best confirmed on 16 fresh seeds) and *8 tunings* (3 points each, the "
        "best confirmed on one fresh seed; the tuning is the unit of the verdict).",
        "",
        *(f"- {sentence}" for sentence in said(table)),
        "",
        f"Of perfect intervals {per_cent(expected(8, studies))} (8 tunings) would hold the mean of the other studies, which "
        f"has an error of its own. The standard deviation of {studies} numbers is known to about "
        f"±{100 / math.sqrt(2 * (studies - 1)):.0f} %.",
        "",
        f"![Differences to constant with 95 % intervals, study by study]({PICTURE}.png)",
        "",
        "A row per schedule and weights. Filled: decided (*better*, *worse* or *equivalent*); hollow: undecided. Line: mean of the design's "
        "studies. Band: differences that the studies call too small to matter.",
    ]
    for scale, unit in (("absolute", "score units"), ("relative", "ratios less 1; spread and error of logarithms")):
        region = "±10 %" if scale == "relative" else f"±{ROPE[scale]:g}"
        parts += [
            "",
            f"## Differences to constant, {scale} scale ({unit}); region of equivalence {region}",
            "",
            markdown(
                table[table["scale"] == scale].assign(title=table["design"].map(TITLES)),
                {
                    "weights": "weights",
                    "title": "design",
                    "schedule": "schedule",
                    "pooled": "mean",
                    "least": "least",
                    "most": "most",
                    "sd": "sd over studies",
                    "standard_error": "standard error they report",
                    "diverged": "pairs that diverged",
                    "verdicts": "verdicts",
                    "same": "pairs that agree",
                    "opposite": "opposite",
                    "held": "intervals that hold the others' mean",
                },
                shares=("same", "opposite", "held"),
            ),
        ]
    parts += [
        "",
        "Weights were averaged in the same runs, whose configurations were chosen by the raw ones. `scores.csv` has the final "
        "scores of all runs, `studies.csv` each study's answers.",
        "",
    ]
    return "\n".join(parts)


def picture(studies: pd.DataFrame) -> Figure:
    """The studies' intervals side by side, a row per schedule and weights; absolute scale."""
    absolute = studies[studies["scale"] == "absolute"]
    groups = [(names, part) for names, part in absolute.groupby(["schedule", "weights"], sort=False)]
    with style.context():
        figure, panels = style.figure(style.PAGE, 0.6 + 1.5 * len(groups), rows=len(groups))
        colours = dict(zip(TITLES, style.PALETTE, strict=False))
        for axes, ((label, weights), rows) in zip(np.atleast_1d(panels), groups, strict=True):
            axes.axhspan(-ROPE["absolute"], ROPE["absolute"], color="#999999", alpha=0.15, lw=0)
            axes.axhline(0.0, color="#333333", lw=0.8)
            start, ticks, names = 0.0, [], []
            for design, title in TITLES.items():
                part = rows[rows["design"] == design]
                if part.empty:
                    continue
                places = start + np.arange(len(part))
                colour = colours[design]
                axes.vlines(places, part["low"], part["high"], color=colour, lw=1.6, label=title)
                axes.hlines(part["difference"].mean(), places[0] - 0.4, places[-1] + 0.4, color=colour, lw=0.9)
                decided = part["verdict"].isin(words.DECIDED).to_numpy()
                for chosen, face in ((decided, colour), (~decided, "white")):
                    axes.plot(places[chosen], part["difference"][chosen], "o", color=colour, mfc=face, ms=5)
                ticks += list(places)
                names += [str(seed) for seed in part["seed"]]
                start = places[-1] + 2
            axes.set_xticks(ticks, names)
            axes.grid(axis="x", visible=False)
            axes.set_ylabel(f"{label}, {'raw' if weights == 'raw' else 'averaged'}")
        style.legend(figure, np.atleast_1d(panels)[0])
        figure.supxlabel("study seed", fontsize=8)
        figure.supylabel("difference to constant (better ↓)", fontsize=8)
    return figure
