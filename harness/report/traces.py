"""The figure of training losses: what it draws, and what is said of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from harness.report import numbers
from harness.report.analysis import Analysis
from harness.report.figures import style

DRAWN = 40  # single runs per schedule; more would hide each other, the mean is of all
SHARE = 0.99  # of the points of finished runs that the axes show: the first steps, or a run's end, reach far beyond


def _rows(traces: pd.DataFrame) -> dict[str, str]:
    """Each loss's column and what its axis is called."""
    names = [str(name) for name in traces if str(name).startswith("loss_")]
    return {name: _called(name.removeprefix("loss_")) for name in names}


def _called(loss: str) -> str:
    """What an axis calls a loss: of a network of an adversarial pair, or a loss of its own name."""
    return f"loss of {loss}" if loss in ("generator", "discriminator") else f"{loss} loss"


def losses(traces: pd.DataFrame, finished: set[str], *, schedules: Sequence[str]) -> Figure:
    """Every loss against step: mean over the finished runs, single runs faint. Nothing is smoothed.

    `traces` are rows of traces.csv with a column `schedule`.
    """
    with style.context():
        rows = _rows(traces)
        height = 3.9 if len(rows) == 2 else 0.7 + 1.6 * len(rows)
        made, drawn = style.figure(style.COLUMN, height, rows=len(rows), ratios=(1,) * len(rows))
        panels = np.atleast_1d(drawn)  # one row is no array
        colours, lines, called = style.colours(schedules), style.lines(schedules), style.names(schedules)
        sound = traces[traces["run"].isin(finished)]
        faint = {
            "alpha": 0.12,
            "lw": 0.6,
            "zorder": 1,
            "rasterized": True,
        }  # beneath all means, so as one picture: small
        for axes, (column, label) in zip(panels, rows.items(), strict=True):
            for name in schedules:
                mine = traces[traces["schedule"] == name]
                for run in list(dict.fromkeys(mine["run"]))[:DRAWN]:
                    one = mine[mine["run"] == run]
                    axes.plot(one["step"], one[column], color=colours[name], **faint)
                mean = sound[sound["schedule"] == name].groupby("step")[column].mean()
                axes.plot(mean.index, mean, color=colours[name], ls=lines[name], lw=1.2, label=called[name])
            axes.set_ylim(*_limits((sound if len(sound) else traces)[column]))
            axes.set_ylabel(label)
        style.legend(made, panels[0])
        style.few_ticks(panels[-1])
        panels[-1].set_xlabel("generator steps" if "loss_generator" in rows else "steps")
        made.align_ylabels()
    return made


def _limits(values: pd.Series) -> tuple[float, float]:
    """Limits of an axis that shows SHARE of the values, with a margin."""
    low, high = np.nanquantile(values, [(1 - SHARE) / 2, (1 + SHARE) / 2])
    margin = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
    return float(low - margin), float(high + margin)


def figure(analysis: Analysis) -> Figure:
    """The figure for one study; `available` must hold."""
    return losses(_confirmed(analysis), _finished(analysis), schedules=analysis.schedules)


def available(analysis: Analysis) -> bool:
    """Whether traces of confirmation runs are stored: not in results made before they were kept."""
    return not _confirmed(analysis).empty


def _confirmed(analysis: Analysis) -> pd.DataFrame:
    return analysis.results.traces.merge(analysis.confirmed[["run", "schedule"]], on="run")


def _finished(analysis: Analysis) -> set[str]:
    runs = analysis.confirmed
    return set(runs.loc[runs["status"] == "finished", "run"])


def finding(analysis: Analysis) -> str:
    """Where the losses end, by schedule: the alternative text."""
    traces = _confirmed(analysis)
    late = traces[traces["run"].isin(_finished(analysis)) & (traces["step"] > 0.9 * traces["step"].max())]
    rows, parts = _rows(traces), []
    for name in analysis.schedules:
        mine = late[late["schedule"] == name]
        if len(mine):
            ends = [numbers.number(float(mine[column].mean())) for column in rows]
            parts.append(f"{numbers.name(name)} {' and '.join(ends)}")
    said = f" Mean over the last tenth of the steps: {', '.join(parts)}." if parts else " No run finished."
    names = " and ".join(name.removeprefix("loss_") for name in rows)
    return f"Losses of {names} against training step for each schedule.{said}"


def caption(analysis: Analysis) -> str:
    """What is drawn, and what it does not say."""
    traces = _confirmed(analysis)
    finished = traces[traces["run"].isin(_finished(analysis))]
    runs = finished.groupby("schedule")["run"].nunique()
    counts = sorted(set(runs))
    over = " to ".join(str(count) for count in (counts[:1] + counts[-1:] if len(counts) > 1 else counts))
    mean = f"mean over {over} finished runs per schedule" if counts else "no run finished"
    points = traces[traces["run"] == traces["run"].iloc[0]]["step"].to_numpy()
    gap = int(np.diff(points, prepend=0).max())
    each = f"the mean over the {gap} steps" if gap > 1 else "the loss of one step"
    since = " since the point before it" if gap > 1 else ""
    lost = len(set(traces["run"])) > len(set(finished["run"]))
    return (
        f"Losses against step: {mean}, at most {DRAWN} single runs faint"
        f"{' (those that diverged end early)' if lost else ''}. Every point is {each}{since}; nothing is smoothed beyond "
        f"that. The axes show {100 * SHARE:g} % of the points. {_meaning(traces)}"
    )


def _meaning(traces: pd.DataFrame) -> str:
    """What a low loss says of images."""
    if "loss_discriminator" in traces:
        return (
            "The two networks are trained against each other, so a low loss of one does not mean good images: only "
            "scores compare schedules."
        )
    return "A lower loss is not yet a better image: scores compare schedules."
