"""Figures: tidy tables in, matplotlib figures out. Every dot is a run; every band says what it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import stats as distributions

from harness import schedules as shapes
from harness.report import hover, style

JOINED = 60  # seeds whose dots are joined
CURVES_DRAWN = 40  # single curves a schedule; more would hide each other, the band is of all


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
        what, _, protocol = label.partition(" (")
        below = f"({protocol.removesuffix(')')}; {arrow})" if protocol else f"({arrow})"
        made.supxlabel(f"{what}, difference to {baseline}\n{below}", fontsize=8)  # of the figure: axes may be narrow
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
                [places[name]] * len(mine),
                mine[score],
                marks[name],
                color=colours[name],
                ms=4,
                alpha=0.7,
                mew=0,
            )
            hover.name(dots, hover.runs(mine, score))
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
        axes.set_ylabel(label)
        axes.grid(axis="x", visible=False)
    return made


def anytime(curves: pd.DataFrame, *, schedules: Sequence[str], score: str, label: str) -> Figure:
    """Score against step, mean over seeds with its 95 % t band, single runs faint; the learning rate beneath."""
    with style.context():
        made, (top, bottom) = style.figure(style.COLUMN, 3.6, rows=2, ratios=(3, 1.1))
        colours, lines = style.colours(schedules), style.lines(schedules)
        called = style.names(schedules)
        for name in schedules:
            mine = curves[curves["schedule"] == name]
            if mine.empty:
                continue
            for run in list(dict.fromkeys(mine["run"]))[:CURVES_DRAWN]:
                one = mine[mine["run"] == run]
                (curve,) = top.plot(one["step"], one[score], color=colours[name], alpha=0.15, lw=0.7)
                hover.name(curve, [str(run)])
            grouped = mine.groupby("step")[score].agg(["mean", "std", "count"])
            top.plot(grouped.index, grouped["mean"], color=colours[name], ls=lines[name], lw=1.6, label=called[name])
            if (grouped["count"] > 1).all():
                half = distributions.t.ppf(0.975, grouped["count"] - 1) * grouped["std"] / np.sqrt(grouped["count"])
                top.fill_between(
                    grouped.index,
                    grouped["mean"] - half,
                    grouped["mean"] + half,
                    color=colours[name],
                    alpha=0.15,
                    lw=0,
                )
            rates = mine.groupby("step")["rate_generator"].mean()
            bottom.plot(rates.index, rates, color=colours[name], ls=lines[name], lw=1.4)
        top.set_ylabel(label)
        style.legend(made, top, schedules)
        style.few_ticks(bottom)
        bottom.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3))
        bottom.set_ylabel("learning rate")
        bottom.set_xlabel("generator steps")
        bottom.set_ylim(bottom=0)
    return made


def rates(runs: pd.DataFrame, *, schedules: Sequence[str]) -> Figure:
    """The learning rates of the confirmed configurations, as training used them."""
    with style.context():
        made, axes = style.figure(style.COLUMN, 2.5)
        colours, lines = style.colours(schedules), style.lines(schedules)
        called = style.names(schedules)
        for name in schedules:
            mine = runs[runs["schedule"] == name]
            if mine.empty:
                continue
            table = _rates(mine.iloc[0])
            steps = np.unique(np.linspace(0, len(table) - 1, 600).astype(int))
            axes.plot(steps, table[steps], color=colours[name], ls=lines[name], lw=1.5, label=called[name])
        style.few_ticks(axes)
        axes.set_xlabel("generator steps")
        axes.set_ylabel("generator's learning rate")
        axes.set_ylim(bottom=0)
        axes.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3))
        style.legend(made, axes, schedules)
    return made


def _rates(row: pd.Series) -> np.ndarray:
    """The table of rates of a run, from its row."""
    kind = str(row["kind"])
    names = [each.name for each in shapes.shape_fields(kind)]
    own = {name: row[f"params_{name}"] for name in names if f"params_{name}" in row and pd.notna(row[f"params_{name}"])}
    whole = {each.name for each in shapes.shape_fields(kind) if each.type is int}
    own = {name: int(value) if name in whole else float(value) for name, value in own.items()}
    warmup = row.get("params_warmup", 0.0)
    schedule = shapes.Schedule(
        shapes.shape(kind, **own),
        peak=float(row["params_peak"]),
        warmup=float(warmup) if pd.notna(warmup) else 0.0,
    )
    return schedule.rates(int(row["steps"]))


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
                ms=4,
                ls="-",
                lw=0.8,
                alpha=0.8,
                label=called[name],
            )
            hover.name(dots, hover.runs(done, score))
            lost = mine[mine["status"] != "finished"]
            (crosses,) = axes.plot(
                lost["params_peak"],
                [1.0] * len(lost),
                "x",
                color=colours[name],
                transform=axes.get_xaxis_transform(),
                clip_on=False,
            )
            hover.name(crosses, hover.runs(lost, score))
        style.logarithmic(axes)
        axes.set_xlabel("peak learning rate")
        axes.set_ylabel(label)
        style.legend(made, axes, schedules)
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
        axes.set_xlabel("search trials a schedule")
        axes.set_ylabel(f"expected best\n{label}")
        axes.xaxis.get_major_locator().set_params(integer=True)
        style.legend(made, axes, schedules)
    return made


def averaging(runs: pd.DataFrame, *, schedules: Sequence[str], score: str, label: str) -> Figure:
    """Raw against averaged weights by schedule: mean with 95 % t interval over seeds."""
    with style.context():
        made, axes = style.figure(style.COLUMN, 2.7)
        colours, marks = style.colours(schedules), style.marks(schedules)
        called = style.names(schedules)
        done = runs[runs["status"] == "finished"]
        for place, name in enumerate(schedules):
            mine = done[done["schedule"] == name]
            if mine.empty:
                continue
            shift = (place - (len(schedules) - 1) / 2) * 0.06
            means = [mine[column].mean() for column in (score, f"{score}_ema")]
            halves = [
                distributions.t.ppf(0.975, len(mine) - 1) * mine[column].std() / np.sqrt(len(mine))
                if len(mine) > 1
                else 0.0
                for column in (score, f"{score}_ema")
            ]
            axes.errorbar(
                np.array([0, 1]) + shift,
                means,
                yerr=halves,
                color=colours[name],
                marker=marks[name],
                ms=4.5,
                capsize=2,
                lw=1.3,
                label=called[name],
            )
        axes.set_xticks([0, 1], ["raw weights", "averaged weights (EMA)"])
        axes.set_xlim(-0.4, 1.4)
        axes.set_ylabel(label)
        axes.grid(axis="x", visible=False)
        style.legend(made, axes, schedules)
    return made
