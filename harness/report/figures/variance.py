"""The figure of a score's spread by what it comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from harness.report.figures import style


def spreads(
    table: pd.DataFrame, *, schedules: Sequence[str], sources: Mapping[str, str], panels: Mapping[str, str], label: str
) -> Figure:
    """Standard deviations with their intervals: a row per source, a dot per schedule, a panel per score.

    `table` is of `stats.variance.by_source` with a column `score`; `sources` and `panels` say what sources and scores are
    called, in order. Where the largest is over ten times the smallest, the axis is logarithmic.
    """
    with style.context():
        height = 0.55 + len(panels) * (0.3 + 0.34 * len(sources))
        figure, drawn = style.figure(style.COLUMN, height, rows=len(panels), ratios=(1,) * len(panels))
        colours, markers, called = style.colours(schedules), style.markers(schedules), style.names(schedules)
        shown = [name for name in schedules if name in set(table["schedule"])]
        known = table[table["sd"] > 0]
        for axes, (score, title) in zip(np.atleast_1d(drawn), panels.items(), strict=True):
            of_score = known[known["score"] == score]
            for place, source in enumerate(sources):
                for index, name in enumerate(shown):
                    row = of_score[(of_score["schedule"] == name) & (of_score["source"] == source)]
                    height_of = place + (index - (len(shown) - 1) / 2) * min(0.22, 0.7 / len(shown))
                    axes.plot(
                        row["sd"],
                        [height_of] * len(row),
                        markers[name],
                        color=colours[name],
                        ms=5,
                        label=called[name] if place == 0 else None,
                    )
                    axes.hlines([height_of] * len(row), row["low"], row["high"], color=colours[name], lw=1.6)
            axes.set_yticks(range(len(sources)), list(sources.values()))
            axes.set_ylim(len(sources) - 0.5, -0.5)
            axes.set_title(title, loc="left", fontsize=8)
            axes.grid(axis="y", visible=False)
        last = np.atleast_1d(drawn)[-1]
        if len(known) and known["sd"].max() > 10 * known["sd"].min():
            style.logarithmic(last)
        else:
            last.set_xlim(left=0)
            style.few_ticks(last)
        last.set_xlabel(style.wrapped(label, 2.2))
        style.legend(figure, np.atleast_1d(drawn)[0])
    return figure
