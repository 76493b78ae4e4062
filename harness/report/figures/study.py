"""The figures of one study: tidy tables in, matplotlib figures out. Every dot is a run; every band says what it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colors, patches
from matplotlib.figure import Figure
from numpy.typing import NDArray

from harness.report.figures import style, tooltips

JOINED = 60  # dots of one schedule up to which they are drawn large and joined by seed
CURVES_DRAWN = 40  # single curves per schedule; more would hide each other, while the band is over all of them
RATES_DRAWN = 600  # steps of a rate that are drawn; more than a figure has pixels


def forest(
    contrasts: pd.DataFrame,
    *,
    schedules: Sequence[str],
    rope: tuple[float, float] | None,
    margin: str,
    label: str,
    unit: str = "",
    better: str = "left",
    interval: str = "95 % t interval",
) -> Figure:
    """Mean paired difference to the baseline with its interval; the region of equivalence, called `margin`, shaded."""
    with style.context():
        figure, axes = style.figure(style.COLUMN, 1.25 + 0.38 * max(len(contrasts), 1))
        colours, markers = style.colours(schedules), style.markers(schedules)
        called = style.names(schedules)
        if rope is not None:
            axes.axvspan(*rope, color="#999999", alpha=0.25, lw=0, label=f"equivalent: {margin}")
        axes.axvline(0.0, color="#333333", lw=0.8)
        for position, row in enumerate(contrasts.to_dict("records")):
            name = row["schedule"]
            axes.plot([row["low"], row["high"]], [position, position], color=colours[name], lw=2.2)
            axes.plot(row["difference"], position, markers[name], color=colours[name], ms=6)
            if not np.isfinite(row["difference"]):
                axes.annotate(
                    "no pair of which both finished",
                    (0.5, position),
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
        text = style.wrapped(f"{label}, difference to {baseline}{unit}", 3.3, lines=2)
        figure.supxlabel(f"{text}\n({arrow})", fontsize=8)  # of the figure: axes may be narrow
        figure.legend(loc="outside upper left", ncols=1 if rope is not None and len(interval) > 30 else 2, borderpad=0)
    return figure


def joined(runs: pd.DataFrame) -> bool:
    """Whether the dots of one seed are joined: not where lines of many seeds would cover everything."""
    done = runs[runs["status"] == "finished"]
    return bool(done["schedule"].nunique() > 1 and done["repetition"].nunique() <= JOINED)


def finals(
    runs: pd.DataFrame,
    summary: pd.DataFrame,
    *,
    schedules: Sequence[str],
    score: str,
    label: str,
    lost: str = "diverged",
) -> Figure:
    """Final scores, every run a dot, dots of one seed joined; mean with interval beside; `lost` runs on top."""
    with style.context():
        figure, axes = style.figure(min(max(style.COLUMN, 0.9 + 0.75 * len(schedules)), style.PAGE), 2.9)
        colours, markers = style.colours(schedules), style.markers(schedules)
        done = runs[runs["status"] == "finished"]
        if joined(done):
            _join_seeds(axes, done, schedules, score)
        means = {row["schedule"]: row for row in summary.to_dict("records")}
        for position, name in enumerate(schedules):
            rows = done[(done["schedule"] == name) & np.isfinite(done[score])]
            crowded = len(rows) > JOINED
            (dots,) = axes.plot(
                position + style.spread(len(rows), crowd=JOINED),
                rows[score],
                markers[name],
                color=colours[name],
                ms=2.5 if crowded else 4,
                alpha=0.4 if crowded else 0.7,
                mew=0,
                rasterized=len(done) > tooltips.MOST,
            )
            tooltips.name(dots, tooltips.runs(rows, score))
            if name in means and np.isfinite(means[name]["mean"]):
                _mean_beside(axes, position, means[name])
            diverged = int((runs["schedule"].eq(name) & runs["status"].eq("diverged")).sum())
            if diverged:
                where = {"xycoords": ("data", "axes fraction"), "ha": "center"}
                axes.annotate(f"{diverged} ✕\n{lost}", (position, 1.0), fontsize=7.5, **where)
        if done.empty:
            axes.set_yticks([])
        _label_schedules(axes, schedules)
        axes.set_ylabel(style.wrapped(label, 1.6))
    return figure


def _join_seeds(axes: Any, done: pd.DataFrame, schedules: Sequence[str], score: str) -> None:
    """A grey line through the dots of each seed."""
    positions = {name: position for position, name in enumerate(schedules)}
    for _, group in done.groupby("repetition"):
        ordered = group.sort_values("schedule", key=lambda column: column.map(positions))
        x = ordered["schedule"].map(positions)
        axes.plot(x, ordered[score], color="#888888", alpha=0.3, lw=0.7, zorder=1)


def _mean_beside(axes: Any, position: int, row: Mapping[Any, Any]) -> None:
    """A mean to the right of its dots, with its interval where there is one."""
    errors = [[row["mean"] - row["low"]], [row["high"] - row["mean"]]] if np.isfinite(row["low"]) else None
    axes.errorbar(position + 0.22, row["mean"], yerr=errors, fmt="_", color="#222222", capsize=2.5, lw=1.2)


def _label_schedules(axes: Any, schedules: Sequence[str]) -> None:
    """The schedules' names along the horizontal axis, slanted where they would meet."""
    called = style.names(schedules, 16)
    slanted = len(schedules) > 5 or max(map(len, called.values())) > 12
    axes.set_xticks(
        range(len(schedules)),
        [called[name] for name in schedules],
        rotation=30 if slanted else 0,
        ha="right" if slanted else "center",
    )
    axes.set_xlim(-0.5, len(schedules) - 0.4)
    axes.grid(axis="x", visible=False)


def anytime(
    curves: pd.DataFrame,
    bands: pd.DataFrame,
    *,
    schedules: Sequence[str],
    score: str,
    label: str,
    rates: Mapping[str, NDArray[np.float32]] | None = None,
    rate_label: str = "learning rate",
    other_rates: Mapping[str, Sequence[NDArray[np.float32]]] | None = None,
    steps: str = "steps",
) -> Figure:
    """Score against step: mean and band of `stats.curve_bands`, single runs faint; beneath, where given, the rates.

    `rates` holds by schedule the rate of every step, (steps,), which is drawn at the number of steps done with it, as
    curves have it; `other_rates` those of other networks, dotted.
    """
    with style.context():
        height, ratios = (4.1, (3, 1.25)) if rates else (3.0, None)
        figure, panels = style.figure(style.COLUMN, height, rows=2 if rates else 1, ratios=ratios)
        top, bottom = panels if rates else (panels, panels)
        colours, lines = style.colours(schedules), style.lines(schedules)
        called = style.names(schedules)
        for name in schedules:
            rows, band = curves[curves["schedule"] == name], bands[bands["schedule"] == name]
            if band.empty:
                continue
            for run in list(dict.fromkeys(rows["run"]))[:CURVES_DRAWN]:
                one = rows[rows["run"] == run]
                (curve,) = top.plot(one["step"], one[score], color=colours[name], alpha=0.15, lw=0.7)
                tooltips.name(curve, [str(run)])
            top.plot(band["step"], band["mean"], color=colours[name], ls=lines[name], lw=1.6, label=called[name])
            if band["low"].notna().all():
                top.fill_between(band["step"], band["low"], band["high"], color=colours[name], alpha=0.15, lw=0)
        if rates:
            _draw_rates(bottom, rates, schedules, label=None, others=other_rates)
            bottom.set_ylabel(style.wrapped(rate_label, 0.95))
        top.set_ylabel(style.wrapped(label, 2.0))
        style.legend(figure, top)
        style.few_ticks(bottom)
        bottom.set_xlabel(steps)
    return figure


def rates(
    tables: Mapping[str, NDArray[np.float32]],
    *,
    schedules: Sequence[str],
    label: str,
    others: Mapping[str, Sequence[NDArray[np.float32]]] | None = None,
    steps: str = "steps",
) -> Figure:
    """The learning rate of every step by schedule, (steps,), drawn at the number of steps done with it.

    `others` are rates of further networks by schedule, dotted.
    """
    with style.context():
        figure, axes = style.figure(style.COLUMN, 2.5)
        _draw_rates(axes, tables, schedules, label=style.names(schedules), others=others)
        style.few_ticks(axes)
        axes.set_xlabel(steps)
        axes.set_ylabel(style.wrapped(label, 1.6))
        style.legend(figure, axes)
    return figure


def _draw_rates(
    axes: Any,
    tables: Mapping[str, NDArray[np.float32]],
    schedules: Sequence[str],
    *,
    label: Mapping[str, str] | None,
    others: Mapping[str, Sequence[NDArray[np.float32]]] | None,
) -> None:
    colours, lines = style.colours(schedules), style.lines(schedules)
    for name in (label for label in schedules if label in tables):
        table = tables[name]
        steps = _telling(table)
        called = label[name] if label is not None else None
        axes.plot(steps + 1, table[steps], color=colours[name], ls=lines[name], lw=1.4, label=called)
    for name in (label for label in schedules if label in (others or {})):
        for table in (others or {})[name]:
            steps = _telling(table)
            axes.plot(steps + 1, table[steps], color=colours[name], ls=":", lw=1.2)
    axes.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3))
    axes.set_ylim(bottom=0)


def _telling(table: NDArray[np.float32]) -> NDArray[np.int64]:
    """Indices of so many steps that a curve through them looks like one through all: evenly spread, and both sides of jumps."""
    even = np.linspace(0, len(table) - 1, min(len(table), RATES_DRAWN)).astype(np.int64)
    jumps = np.flatnonzero(np.abs(np.diff(table)) > 0.02 * table.max())[:RATES_DRAWN]
    return np.unique(np.concatenate([even, jumps, jumps + 1]))


def sensitivity(
    runs: pd.DataFrame, *, schedules: Sequence[str], score: str, label: str, curves: pd.DataFrame | None = None
) -> Figure:
    """Search trials: score against peak rate by schedule; runs that did not finish as crosses on the upper edge.

    With the smooth `curves` of `stats.curve_table` the dots, then of several replicates, are not joined, and those that
    the search chose are ringed.
    """
    with style.context():
        figure, axes = style.figure(style.COLUMN, 2.9)
        colours, markers = style.colours(schedules), style.markers(schedules)
        called = style.names(schedules)
        for name in schedules:
            rows = runs[runs["schedule"] == name].sort_values("params_peak")
            done = rows[rows["status"] == "finished"]
            done = done[np.isfinite(done[score])]
            (dots,) = axes.plot(
                done["params_peak"],
                done[score],
                markers[name],
                color=colours[name],
                ms=4 if len(done) <= JOINED and curves is None else 2.5,
                ls="-" if len(done) <= JOINED and curves is None else "",
                lw=0.8,
                alpha=0.8 if len(done) <= JOINED and curves is None else 0.4,
                label=called[name] if curves is None else None,
                rasterized=len(runs) > tooltips.MOST,
            )
            tooltips.name(dots, tooltips.runs(done, score))
            if curves is not None:
                _response(axes, curves[curves["schedule"] == name], done, score, colours[name], called[name])
            lost = rows[rows["status"] != "finished"]
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
        style.legend(figure, axes)
    return figure


def _response(axes: Any, curve: pd.DataFrame, done: pd.DataFrame, score: str, colour: str, label: str) -> None:
    """The smooth curve through a schedule's search runs with a standard deviation on either side, and the chosen ones."""
    axes.plot(curve["params_peak"], curve["fitted"], color=colour, lw=1.4, label=label)
    axes.fill_between(curve["params_peak"], curve["low"], curve["high"], color=colour, alpha=0.12, lw=0)
    chosen = done[done["chosen"]]
    ring = {"ms": 5, "mfc": "none", "mew": 0.8, "alpha": 0.9}
    axes.plot(chosen["params_peak"], chosen[score], "o", color=colour, **ring)


def budget(curves: pd.DataFrame, *, schedules: Sequence[str], label: str) -> Figure:
    """Expected best of the search against the number of trials; a band only where it is honest."""
    with style.context():
        figure, axes = style.figure(style.COLUMN, 2.6)
        colours, markers = style.colours(schedules), style.markers(schedules)
        called = style.names(schedules)
        for name in schedules:
            rows = curves[(curves["schedule"] == name) & np.isfinite(curves["expected"])]
            axes.plot(
                rows["budget"],
                rows["expected"],
                marker=markers[name],
                color=colours[name],
                ms=3.5,
                lw=1.2,
                label=called[name],
            )
            band = rows.dropna(subset=["low"])
            axes.fill_between(band["budget"], band["low"], band["high"], color=colours[name], alpha=0.15, lw=0)
        axes.set_xlabel("search trials per schedule")
        axes.set_ylabel(style.wrapped(f"expected best {label}", 1.7))
        axes.xaxis.get_major_locator().set_params(integer=True)
        style.legend(figure, axes)
    return figure


def averaging(raw: pd.DataFrame, averaged: pd.DataFrame, *, schedules: Sequence[str], label: str) -> Figure:
    """Raw against averaged weights by schedule: means with the intervals of two tables of `stats.summary`."""
    with style.context():
        figure, axes = style.figure(style.COLUMN, 2.7)
        colours, markers = style.colours(schedules), style.markers(schedules)
        called = style.names(schedules)
        sides = [{row["schedule"]: row for row in table.to_dict("records")} for table in (raw, averaged)]
        for index, name in enumerate(schedules):
            rows = [side[name] for side in sides if name in side and np.isfinite(side[name]["mean"])]
            if len(rows) < len(sides):
                continue
            shift = (index - (len(schedules) - 1) / 2) * 0.06
            errors = [[row["mean"] - row["low"] for row in rows], [row["high"] - row["mean"] for row in rows]]
            axes.errorbar(
                np.array([0, 1]) + shift,
                [row["mean"] for row in rows],
                yerr=errors if np.isfinite(errors).all() else None,
                color=colours[name],
                marker=markers[name],
                ms=4.5,
                capsize=2,
                lw=1.3,
                label=called[name],
            )
        axes.set_xticks([0, 1], ["raw weights", "averaged weights (EMA)"])
        axes.set_xlim(-0.4, 1.4)
        axes.set_ylabel(style.wrapped(label, 1.8))
        axes.grid(axis="x", visible=False)
        style.legend(figure, axes)
    return figure


def averages(surface: pd.DataFrame, *, schedules: Sequence[str], label: str) -> Figure:
    """A table of `stats.surface` as shades: means by schedule (rows) and weights (columns); darker is better, the best framed.

    Its column `text` is what a cell says.
    """
    with style.context():
        rows = [name for name in schedules if name in set(surface["schedule"])]
        columns = list(dict.fromkeys(surface["weights"]))
        figure, axes = style.figure(style.COLUMN, 0.9 + 0.27 * len(rows))
        means = (
            surface.pivot(index="schedule", columns="weights", values="mean").loc[rows, columns].to_numpy(dtype=float)
        )
        known = means[np.isfinite(means)]
        low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
        # Shades go by ratios where scores are positive: one bad pair shall not hide the differences of the others.
        norm = colors.LogNorm(low, high) if 0 < low < high else None
        # See-through, so that ink is read on them on light and on dark pages.
        blue = colors.to_rgb(style.PALETTE[0])
        shades = colors.LinearSegmentedColormap.from_list("better", [(*blue, 0.55), (*blue, 0.0)])
        axes.imshow(means, cmap=shades, aspect="auto", norm=norm)
        for cell in surface.to_dict("records"):
            column, row = columns.index(cell["weights"]), rows.index(cell["schedule"])
            axes.text(column, row, cell["text"], ha="center", va="center", fontsize=7)
            if cell["may_be_best"]:
                frame = patches.Rectangle(
                    (column - 0.44, row - 0.4), 0.88, 0.8, fill=False, ec=style.PALETTE[1], lw=1.4
                )
                axes.add_patch(frame)
        axes.set_yticks(range(len(rows)), [style.names(schedules)[name] for name in rows])
        wide = 2.6 / len(columns)
        axes.set_xticks(range(len(columns)), [style.wrapped(name, wide, size=7.5, lines=2) for name in columns])
        axes.tick_params(length=0)
        axes.grid(visible=False)
        axes.set_xlabel(style.wrapped(f"{label} by weights", 2.6))
    return figure
