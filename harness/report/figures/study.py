"""Figures: tidy tables in, matplotlib figures out. Every dot is a run; every band says what it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from harness.report.figures import style, tooltips

JOINED = 60  # dots of a schedule that are drawn large and joined; more are a crowd
CURVES_DRAWN = 40  # single curves per schedule; more would hide each other, the band is of all
RATES_DRAWN = 600  # steps of a rate that are drawn; more than a figure has pixels


def forest(
    contrasts: pd.DataFrame,
    *,
    schedules: Sequence[str],
    rope: float,
    label: str,
    better: str = "left",
    interval: str = "95 % t interval",
) -> Figure:
    """Mean paired difference to the baseline with its interval; the region of equivalence shaded."""
    with style.context():
        made, axes = style.figure(style.COLUMN, 1.25 + 0.38 * max(len(contrasts), 1))
        colours, marks = style.colours(schedules), style.marks(schedules)
        called = style.names(schedules)
        if rope > 0:
            axes.axvspan(-rope, rope, color="#999999", alpha=0.25, lw=0, label=f"equivalent: ±{rope:g}")
        axes.axvline(0.0, color="#333333", lw=0.8)
        for place, row in enumerate(contrasts.to_dict("records")):
            name = row["schedule"]
            axes.plot([row["low"], row["high"]], [place, place], color=colours[name], lw=2.2)
            axes.plot(row["difference"], place, marks[name], color=colours[name], ms=6)
            if not np.isfinite(row["difference"]):
                axes.annotate(
                    "no pair of which both finished",
                    (0.5, place),
                    xycoords=("axes fraction", "data"),
                    ha="center",
                    va="center",
                )
        axes.plot([], [], color="#777777", lw=2.2, label=interval)
        rows = contrasts.to_dict("records")
        axes.set_yticks(range(len(rows)), [f"{called[row['schedule']]}\n{row['verdict']}" for row in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.grid(axis="y", visible=False)
        style.few_ticks(axes)
        arrow = "← better" if better == "left" else "better →"
        baseline = called[rows[0]["baseline"]] if rows else "baseline"
        said = style.wrapped(f"{label}, difference to {baseline}", 3.3, lines=2)
        made.supxlabel(f"{said}\n({arrow})", fontsize=8)  # of the figure: axes may be narrow
        made.legend(loc="outside upper left", ncols=1 if rope > 0 and len(interval) > 30 else 2, borderpad=0)
    return made


def joined(runs: pd.DataFrame) -> bool:
    """Whether the dots of one seed are joined: not where lines of many seeds would cover everything."""
    done = runs[runs["status"] == "finished"]
    return bool(done["schedule"].nunique() > 1 and done["repetition"].nunique() <= JOINED)


def finals(runs: pd.DataFrame, summary: pd.DataFrame, *, schedules: Sequence[str], score: str, label: str) -> Figure:
    """Final scores, every run a dot, dots of one seed joined; mean with interval beside; diverged runs on top."""
    with style.context():
        made, axes = style.figure(min(max(style.COLUMN, 0.9 + 0.75 * len(schedules)), style.PAGE), 2.9)
        colours, marks = style.colours(schedules), style.marks(schedules)
        called = style.names(schedules, 16)
        places = {name: place for place, name in enumerate(schedules)}
        done = runs[runs["status"] == "finished"]
        if joined(done):
            for _, group in done.groupby("repetition"):
                ordered = group.sort_values("schedule", key=lambda column: column.map(places))
                axes.plot(
                    ordered["schedule"].map(places),
                    ordered[score],
                    color="#888888",
                    alpha=0.3,
                    lw=0.7,
                    zorder=1,
                )
        for name in schedules:
            mine = done[done["schedule"] == name]
            mine = mine[np.isfinite(mine[score])]
            (dots,) = axes.plot(
                places[name] + style.spread(len(mine), crowd=JOINED),
                mine[score],
                marks[name],
                color=colours[name],
                ms=4 if len(mine) <= JOINED else 2.5,
                alpha=0.7 if len(mine) <= JOINED else 0.4,
                mew=0,
                rasterized=len(done) > tooltips.MOST,
            )
            tooltips.name(dots, tooltips.runs(mine, score))
            row = summary[summary["schedule"] == name]
            if len(row) and np.isfinite(row["mean"].iloc[0]):
                axes.errorbar(
                    places[name] + 0.22,
                    row["mean"].iloc[0],
                    yerr=[row["mean"] - row["low"], row["high"] - row["mean"]]
                    if np.isfinite(row["low"].iloc[0])
                    else None,
                    fmt="_",
                    color="#222222",
                    capsize=2.5,
                    lw=1.2,
                )
            lost = int((runs["schedule"].eq(name) & runs["status"].eq("diverged")).sum())
            if lost:
                axes.annotate(
                    f"{lost} ✕\ndiverged",
                    (places[name], 1.0),
                    xycoords=("data", "axes fraction"),
                    ha="center",
                    fontsize=7.5,
                )
        if done.empty:
            axes.set_yticks([])
        slanted = len(schedules) > 5 or max(map(len, called.values())) > 12
        axes.set_xticks(
            range(len(schedules)),
            [called[name] for name in schedules],
            rotation=30 if slanted else 0,
            ha="right" if slanted else "center",
        )
        axes.set_xlim(-0.5, len(schedules) - 0.4)
        axes.set_ylabel(style.wrapped(label, 1.6))
        axes.grid(axis="x", visible=False)
    return made


def anytime(
    curves: pd.DataFrame,
    bands: pd.DataFrame,
    *,
    schedules: Sequence[str],
    score: str,
    label: str,
    rates: Mapping[str, NDArray[np.float32]] | None = None,
    rate_label: str = "learning rate",
) -> Figure:
    """Score against step: mean and band of `stats.curve_bands`, single runs faint; beneath, where given, the rates.

    `rates` holds by schedule the rate of every step, (steps,), which is drawn at the number of steps done with it, as
    curves have it.
    """
    with style.context():
        height, ratios = (4.1, (3, 1.25)) if rates else (3.0, None)
        made, panels = style.figure(style.COLUMN, height, rows=2 if rates else 1, ratios=ratios)
        top, bottom = panels if rates else (panels, panels)
        colours, lines = style.colours(schedules), style.lines(schedules)
        called = style.names(schedules)
        for name in schedules:
            mine, band = curves[curves["schedule"] == name], bands[bands["schedule"] == name]
            if band.empty:
                continue
            for run in list(dict.fromkeys(mine["run"]))[:CURVES_DRAWN]:
                one = mine[mine["run"] == run]
                (curve,) = top.plot(one["step"], one[score], color=colours[name], alpha=0.15, lw=0.7)
                tooltips.name(curve, [str(run)])
            top.plot(band["step"], band["mean"], color=colours[name], ls=lines[name], lw=1.6, label=called[name])
            if band["low"].notna().all():
                top.fill_between(band["step"], band["low"], band["high"], color=colours[name], alpha=0.15, lw=0)
        if rates:
            _draw_rates(bottom, rates, schedules, label=None)
            bottom.set_ylabel(style.wrapped(rate_label, 0.95))
        top.set_ylabel(style.wrapped(label, 2.0))
        style.legend(made, top)
        style.few_ticks(bottom)
        bottom.set_xlabel("generator steps")
    return made


def rates(tables: Mapping[str, NDArray[np.float32]], *, schedules: Sequence[str], label: str) -> Figure:
    """The learning rate of every step by schedule, (steps,), drawn at the number of steps done with it."""
    with style.context():
        made, axes = style.figure(style.COLUMN, 2.5)
        _draw_rates(axes, tables, schedules, label=style.names(schedules))
        style.few_ticks(axes)
        axes.set_xlabel("generator steps")
        axes.set_ylabel(style.wrapped(label, 1.6))
        style.legend(made, axes)
    return made


def _draw_rates(
    axes: Any,
    tables: Mapping[str, NDArray[np.float32]],
    schedules: Sequence[str],
    *,
    label: Mapping[str, str] | None,
) -> None:
    colours, lines = style.colours(schedules), style.lines(schedules)
    for name in (each for each in schedules if each in tables):
        table = tables[name]
        places = _telling(table)
        called = label[name] if label is not None else None
        axes.plot(places + 1, table[places], color=colours[name], ls=lines[name], lw=1.4, label=called)
    axes.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3))
    axes.set_ylim(bottom=0)


def _telling(table: NDArray[np.float32]) -> NDArray[np.int64]:
    """Indices of so many steps that a curve through them looks like one through all: evenly spread, and both sides of jumps."""
    even = np.linspace(0, len(table) - 1, min(len(table), RATES_DRAWN)).astype(np.int64)
    jumps = np.flatnonzero(np.abs(np.diff(table)) > 0.02 * table.max())[:RATES_DRAWN]
    return np.unique(np.concatenate([even, jumps, jumps + 1]))


def sensitivity(runs: pd.DataFrame, *, schedules: Sequence[str], score: str, label: str) -> Figure:
    """Search trials: score against peak rate by schedule; runs that did not finish as crosses on the upper edge."""
    with style.context():
        made, axes = style.figure(style.COLUMN, 2.9)
        colours, marks = style.colours(schedules), style.marks(schedules)
        called = style.names(schedules)
        for name in schedules:
            mine = runs[runs["schedule"] == name].sort_values("params_peak")
            done = mine[mine["status"] == "finished"]
            done = done[np.isfinite(done[score])]
            (dots,) = axes.plot(
                done["params_peak"],
                done[score],
                marks[name],
                color=colours[name],
                ms=4 if len(done) <= JOINED else 2.5,
                ls="-" if len(done) <= JOINED else "",
                lw=0.8,
                alpha=0.8 if len(done) <= JOINED else 0.4,
                label=called[name],
                rasterized=len(runs) > tooltips.MOST,
            )
            tooltips.name(dots, tooltips.runs(done, score))
            lost = mine[mine["status"] != "finished"]
            (crosses,) = axes.plot(
                lost["params_peak"],
                [1.0] * len(lost),
                "x",
                color=colours[name],
                transform=axes.get_xaxis_transform(),
                clip_on=False,
            )
            tooltips.name(crosses, tooltips.runs(lost, score))
        style.logarithmic(axes)
        axes.set_xlabel("peak learning rate")
        axes.set_ylabel(style.wrapped(label, 1.9))
        style.legend(made, axes)
    return made


def budget(curves: pd.DataFrame, *, schedules: Sequence[str], label: str) -> Figure:
    """Expected best of the search against the number of trials; a band only where it is honest."""
    with style.context():
        made, axes = style.figure(style.COLUMN, 2.6)
        colours, marks = style.colours(schedules), style.marks(schedules)
        called = style.names(schedules)
        for name in schedules:
            mine = curves[(curves["schedule"] == name) & np.isfinite(curves["expected"])]
            axes.plot(
                mine["budget"],
                mine["expected"],
                marker=marks[name],
                color=colours[name],
                ms=3.5,
                lw=1.2,
                label=called[name],
            )
            band = mine.dropna(subset=["low"])
            axes.fill_between(band["budget"], band["low"], band["high"], color=colours[name], alpha=0.15, lw=0)
        axes.set_xlabel("search trials per schedule")
        axes.set_ylabel(style.wrapped(f"expected best {label}", 1.7))
        axes.xaxis.get_major_locator().set_params(integer=True)
        style.legend(made, axes)
    return made


def averaging(raw: pd.DataFrame, averaged: pd.DataFrame, *, schedules: Sequence[str], label: str) -> Figure:
    """Raw against averaged weights by schedule: means with the intervals of two tables of `stats.summary`."""
    with style.context():
        made, axes = style.figure(style.COLUMN, 2.7)
        colours, marks = style.colours(schedules), style.marks(schedules)
        called = style.names(schedules)
        sides = [{row["schedule"]: row for row in table.to_dict("records")} for table in (raw, averaged)]
        for place, name in enumerate(schedules):
            rows = [side[name] for side in sides if name in side and np.isfinite(side[name]["mean"])]
            if len(rows) < len(sides):
                continue
            shift = (place - (len(schedules) - 1) / 2) * 0.06
            errors = [[row["mean"] - row["low"] for row in rows], [row["high"] - row["mean"] for row in rows]]
            axes.errorbar(
                np.array([0, 1]) + shift,
                [row["mean"] for row in rows],
                yerr=errors if np.isfinite(errors).all() else None,
                color=colours[name],
                marker=marks[name],
                ms=4.5,
                capsize=2,
                lw=1.3,
                label=called[name],
            )
        axes.set_xticks([0, 1], ["raw weights", "averaged weights (EMA)"])
        axes.set_xlim(-0.4, 1.4)
        axes.set_ylabel(style.wrapped(label, 1.8))
        axes.grid(axis="x", visible=False)
        style.legend(made, axes)
    return made
