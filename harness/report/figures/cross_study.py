"""Figures across studies: relative effects, and differences by number of steps."""

from __future__ import annotations

from collections.abc import Collection
from itertools import pairwise

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from harness.report.figures import style


def effects(table: pd.DataFrame) -> Figure:
    """Relative difference to baseline by study and schedule, with intervals."""
    names = list(dict.fromkeys(table["schedule"]))
    studies = list(dict.fromkeys(table["study"]))
    with style.context():
        figure, axes = style.figure(style.COLUMN * 1.35, 0.9 + 0.22 * len(table) + 0.2 * len(studies))
        colours, markers = style.colours(["", *names]), style.markers(["", *names])
        called, headed = style.names(names), style.names(studies, 30)
        position, ticks, labels = 0.0, [], []
        for study in studies:
            axes.annotate(
                headed[study],
                (0.0, position - 0.62),
                xycoords=("axes fraction", "data"),
                xytext=(3, 0),
                textcoords="offset points",
                va="center",
                fontsize=7.5,
                fontweight="bold",
            )
            for row in table[table["study"] == study].to_dict("records"):
                name = row["schedule"]
                axes.plot([100 * row["low"], 100 * row["high"]], [position, position], color=colours[name], lw=2)
                axes.plot(100 * row["relative"], position, markers[name], color=colours[name], ms=5)
                ticks.append(position)
                labels.append(f"{called[name]}: {row['verdict']}")
                position += 1
            position += 0.9
        axes.axvline(0.0, color="#333333", lw=0.8)
        axes.set_yticks(ticks, labels)
        axes.set_ylim(np.max(ticks) + 0.6, -1.1)
        axes.grid(axis="y", visible=False)
        style.few_ticks(axes)
        figure.supxlabel("difference to baseline, % of the baseline mean (← better); interval", fontsize=8)
    return figure


def sweeps(table: pd.DataFrame, *, relative: Collection[str] = ()) -> Figure:
    """Difference to baseline against the number of steps: one panel per group of studies, one line per schedule.

    Differences of the groups that are `relative` are in per cent.
    """
    groups = list(dict.fromkeys(table["group"]))
    names = list(dict.fromkeys(table["schedule"]))
    with style.context():
        figure, panels = style.figure(style.COLUMN, 0.8 + 2.0 * len(groups), rows=len(groups), shared=False)
        colours, markers = style.colours(["", *names]), style.markers(["", *names])
        called = style.names(names)
        for axes, group in zip(np.atleast_1d(panels), groups, strict=True):
            rows = table[table["group"] == group]
            steps = sorted(rows["steps"].unique())
            gap = min((np.log(b / a) for a, b in pairwise(steps)), default=1.0)
            for index, name in enumerate(names):
                one = rows[rows["schedule"] == name].sort_values("steps")
                shift = np.exp((index - (len(names) - 1) / 2) * min(0.06, gap / (3 * len(names))))
                errors = [one["difference"] - one["low"], one["high"] - one["difference"]]
                axes.errorbar(
                    one["steps"] * shift,
                    one["difference"],
                    yerr=None if one["low"].isna().any() else errors,
                    color=colours[name],
                    marker=markers[name],
                    ms=4.5,
                    capsize=2,
                    lw=1.3,
                    label=called[name] if axes is np.atleast_1d(panels)[0] else None,
                )
            axes.axhline(0.0, color="#333333", lw=0.8)
            axes.set_xscale("log")
            axes.set_xticks(steps, [f"{step:,}" for step in steps])
            axes.minorticks_off()
            axes.set_title(style.names(groups, 40)[group], loc="left")
            unit = ", %" if group in relative else ""
            score = style.wrapped(f"{rows['score'].iloc[0]}{unit} (↓ better)", 1.5, lines=2)
            axes.set_ylabel(f"difference in\n{score}")
        np.atleast_1d(panels)[-1].set_xlabel("steps of the study")
        style.legend(figure, np.atleast_1d(panels)[0])
    return figure
