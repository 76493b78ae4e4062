"""Our key charts in Optuna Dashboard: differences to the baseline, final scores and curves, beside its own charts.

The dashboard takes any object that gives its figure as JSON, so that plotly itself is not needed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import sqlalchemy.exc

from harness.report.analysis import Analysis
from harness.report.figures import style
from harness.results import load

DOTS = 2000  # runs drawn one by one; the database keeps a chart in pieces of 2,045 characters


@dataclass(frozen=True)
class Chart:
    """A figure in plotly's own terms."""

    data: list[dict[str, Any]]
    layout: dict[str, Any]

    def to_json(self) -> str:
        """The figure as the dashboard stores it."""
        return json.dumps({"data": self.data, "layout": self.layout}, allow_nan=False)


def save(study: optuna.Study, folder: Path) -> str | None:
    """Store the charts of a results folder with its Optuna study; return what went wrong, None if nothing did.

    Without the package optuna-dashboard nothing is stored. Charts are a courtesy: a database that is away now loses
    nothing but them.
    """
    try:
        from optuna_dashboard import save_plotly_graph_object
    except ImportError:
        return None
    try:
        for name, chart in charts(Analysis(load(folder))).items():
            save_plotly_graph_object(study, chart, graph_object_id=name)
    except (optuna.exceptions.StorageInternalError, sqlalchemy.exc.SQLAlchemyError) as error:
        reason = str(error).splitlines()[0]
        return f"the charts for Optuna Dashboard were not stored ({reason}); the same command tries again"
    return None


def charts(analysis: Analysis) -> dict[str, Chart]:
    """The charts that the results have data for, by the name the dashboard keeps them under."""
    made = {}
    if len(analysis.contrasts) and "difference" in analysis.contrasts:
        made["differences"] = _differences(analysis)
    if len(analysis.confirmed):
        made["finals"] = _finals(analysis)
        made["curves"] = _curves(analysis)
    return made


def _differences(analysis: Analysis) -> Chart:
    colours = style.colours(analysis.schedules)
    table = analysis.drawn
    names = [f"{escape(row['schedule'])}: {row['verdict']}" for row in table.to_dict("records")]
    dots = {
        "type": "scatter",
        "mode": "markers",
        "x": _plain(table["difference"]),
        "y": names,
        "marker": {"size": 10, "color": [colours[label] for label in table["schedule"]]},
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": _plain(table["high"] - table["difference"]),
            "arrayminus": _plain(table["difference"] - table["low"]),
            "color": "#777777",
        },
    }
    title = f"Difference to {escape(analysis.baseline)} in {analysis.score} (← better), {analysis.level} interval"
    return Chart(
        [dots],
        _layout(title, x="difference in %" if analysis.relative else "difference", y="")
        | {"yaxis": {"autorange": "reversed", "automargin": True}},
    )


def _finals(analysis: Analysis) -> Chart:
    colours = style.colours(analysis.schedules)
    done = analysis.confirmed[analysis.confirmed["status"] == "finished"]
    data = []
    for label in analysis.schedules:
        mine = done[done["schedule"] == label].head(DOTS // len(analysis.schedules))
        data.append(
            {
                "type": "box",
                "name": escape(label),
                "y": _plain(mine[analysis.score]),
                "text": [escape(str(run)) for run in mine["run"]],
                "boxpoints": "all",
                "marker": {"color": colours[label]},
            }
        )
    title = f"Final {analysis.score} {analysis.arrow} of the confirmation runs"
    return Chart(data, _layout(title, x="", y=analysis.score))


def _curves(analysis: Analysis) -> Chart:
    colours = style.colours(analysis.schedules)
    data = []
    for label in analysis.schedules:
        means = analysis.curves[analysis.curves["schedule"] == label].groupby("step")[analysis.score].mean()
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": escape(label),
                "x": [int(step) for step in means.index],
                "y": _plain(means),
                "line": {"color": colours[label]},
            }
        )
    title = f"{analysis.score} {analysis.arrow} against step, mean over confirmation runs"
    return Chart(data, _layout(title, x=analysis.steps, y=analysis.score))


def _layout(title: str, *, x: str, y: str) -> dict[str, Any]:
    return {"title": {"text": title}, "xaxis": {"title": {"text": x}}, "yaxis": {"title": {"text": y}}}


def _plain(values: Iterable[float] | pd.Series) -> list[float | None]:
    """Numbers as JSON has them: None for what is missing."""
    return [float(value) if math.isfinite(value) else None for value in values]
