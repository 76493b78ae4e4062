"""Figures across studies: aggregates, relative effects, differences by number of steps, and effects by average."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import pairwise

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from harness.report.figures import style

COLUMN_OF_PANELS = 3  # more panels than so many stand in two columns


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


def sweeps(table: pd.DataFrame, *, labels: Mapping[str, tuple[str, str]], relative: Collection[str] = ()) -> Figure:
    """Difference to baseline against the number of steps: one panel per group of studies, one line per schedule.

    Differences of the groups that are `relative` are in per cent of the baseline's score. `labels`: what each group's score and
    baseline are called.
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
            score, baseline = labels[group]
            told = f"{score} against {baseline}, %" if group in relative else f"difference in {score} to {baseline}"
            axes.set_ylabel(style.wrapped(f"{told} (↓ better)", 1.7, lines=3))
        np.atleast_1d(panels)[-1].set_xlabel("steps of the study")
        style.legend(figure, np.atleast_1d(panels)[0])
    return figure


def aggregates(table: pd.DataFrame, *, score: str, baseline: str) -> Figure:
    """Interquartile means of `stats.aggregate` by schedule: raw weights filled, averaged ones hollow, with intervals.

    Infinite ends are drawn to the edge.
    """
    names = list(dict.fromkeys(table["schedule"]))
    kinds = list(dict.fromkeys(table["weights"]))
    with style.context():
        figure, axes = style.figure(style.COLUMN * 1.35, 0.8 + 0.34 * len(names))
        colours, called = style.colours(["", *names]), style.names(names)
        forms = {
            kind: {"ls": "--" if place else "-", "mfc": "none" if place else ""} for place, kind in enumerate(kinds)
        }
        counts = table.drop_duplicates("schedule").set_index("schedule")["studies"]
        for place, name in enumerate(names):
            for row in table[table["schedule"] == name].to_dict("records"):
                at = place + (kinds.index(row["weights"]) - (len(kinds) - 1) / 2) * 0.32
                ends = [100 * row["iqm_low"], 100 * row["iqm_high"] if np.isfinite(row["iqm_high"]) else 1e4]
                form = forms[row["weights"]]
                axes.plot(ends, [at, at], color=colours[name], lw=1.6, ls=form["ls"])
                axes.plot(100 * row["iqm"], at, "o", color=colours[name], ms=5, mfc=form["mfc"] or colours[name])
        finite = table[["iqm", "iqm_low", "iqm_high"]].to_numpy(dtype=float)
        finite = 100 * finite[np.isfinite(finite)]
        room = 0.06 * (max(finite.max(), 0) - min(finite.min(), 0)) or 1.0
        axes.set_xlim(min(finite.min(), 0) - room, max(finite.max(), 0) + room)
        axes.axvline(0.0, color="#333333", lw=0.8)
        axes.set_yticks(range(len(names)), [f"{called[name]} ({counts[name]})" for name in names])
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.grid(axis="y", visible=False)
        style.few_ticks(axes)
        for kind in kinds:
            form = {"ls": forms[kind]["ls"], "mfc": forms[kind]["mfc"] or "#555555"}
            axes.plot([], [], marker="o", color="#555555", ms=5, lw=1.6, label=f"{kind} weights", **form)
        style.legend(figure, axes)
        label = f"{score} against {baseline}, % (← better)"
        figure.supxlabel(style.wrapped(label, 4.2, lines=2), fontsize=8)
    return figure


def averages(table: pd.DataFrame) -> Figure:
    """Effect of each decay (per cent) against the half-life of the average (share of the run), raw weights at the left.

    A panel per study, in two columns where there are many.
    """
    studies = list(dict.fromkeys(table["study"]))
    names = list(dict.fromkeys(table["schedule"]))
    columns = 1 if len(studies) <= COLUMN_OF_PANELS else 2
    rows = -(-len(studies) // columns)
    with style.context():
        figure, panels = style.figure(
            style.COLUMN * 1.2 if columns == 1 else style.PAGE,
            0.8 + 1.7 * rows,
            rows=rows,
            columns=columns,
            shared=False,
        )
        panels = np.ravel(panels)
        colours, markers, called = style.colours(["", *names]), style.markers(["", *names]), style.names(names)
        for axes, study in zip(panels, studies, strict=False):
            of_study = table[table["study"] == study]
            lives = sorted(life for life in of_study["half_life"].unique() if life > 0)
            edge = lives[0] / 4
            present = [name for name in names if name in set(of_study["schedule"])]
            for index, name in enumerate(present):
                one = of_study[of_study["schedule"] == name].sort_values("half_life")
                shift = np.exp((index - (len(present) - 1) / 2) * 0.05)
                middle, low, high = (100 * one[key].to_numpy() for key in ("difference", "low", "high"))
                axes.errorbar(
                    one["half_life"].where(one["half_life"] > 0, edge) * shift,
                    middle,
                    yerr=None if np.isnan(low).any() else [middle - low, high - middle],
                    color=colours[name],
                    marker=markers[name],
                    ms=4,
                    elinewidth=0.6,
                    lw=1.2,
                )
            axes.axhline(0.0, color="#333333", lw=0.8)
            axes.set_xscale("log")
            axes.set_xticks([edge, *lives], ["raw", *map(_percent, lives)])
            axes.minorticks_off()
            axes.set_title(style.names(studies, 36)[study], loc="left")
        for name in names:  # of all panels, in the first
            panels[0].plot([], [], marker=markers[name], color=colours[name], ms=4, lw=1.2, label=called[name])
        for axes in panels[len(studies) :]:
            axes.set_visible(False)
        figure.supxlabel("half-life of the average, % of the run", fontsize=8)
        figure.supylabel("effect of decay, % (↓ better)", fontsize=8)
        style.legend(figure, panels[0])
    return figure


def _percent(share: float) -> str:
    """A share in per cent, with two digits."""
    return f"{100 * share:.2g}" if share < 1 else f"{100 * share:,.0f}"
