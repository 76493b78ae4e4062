"""Several studies on one page: average ranks, verdicts side by side, relative effects with intervals."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

import jinja2
import numpy as np
from matplotlib.figure import Figure

from harness import stats
from harness.report import page, style
from harness.report.analysis import Analysis
from harness.results import load
from harness.results.tables import write_bytes, write_frame


def build(paths: Sequence[Path], *, output: Path) -> Path:
    """Write the cross-study tables, figure and page into `output`; return the page's path."""
    analyses = {}
    for path in paths:
        analysis = Analysis(load(path))
        name = str(analysis.results.study["name"])
        analyses[name if name not in analyses else f"{name} ({path})"] = analysis
    contrasts = {name: each.contrasts for name, each in analyses.items() if "difference" in each.contrasts}
    tables = {
        "ranks": stats.average_ranks({name: each.summary for name, each in analyses.items() if len(each.summary)}),
        "verdicts": stats.verdict_matrix(contrasts),
        "effects": stats.effect_sizes(contrasts),
    }
    for name, frame in tables.items():
        write_frame(output / f"{name}.csv", frame)
    figure = style.rendered(_effects(tables["effects"]), "svg") if len(tables["effects"]) else b""
    environment = jinja2.Environment(loader=jinja2.PackageLoader("harness.report"), autoescape=True, trim_blocks=True)
    environment.globals["table"] = page.html_table
    html = environment.get_template("cross.html.jinja").render(
        tables=tables,
        studies={name: each.results.study for name, each in analyses.items()},
        sentences={name: each.sentence for name, each in analyses.items()},
        figure=base64.b64encode(figure).decode(),
    )
    write_bytes(output / "report.html", html.encode())
    if figure:
        write_bytes(output / "effects.svg", figure)
    return output / "report.html"


def _effects(effects: object) -> Figure:
    """Relative difference to baseline by study and schedule, with intervals."""
    import pandas as pd

    assert isinstance(effects, pd.DataFrame)
    names = list(dict.fromkeys(effects["schedule"]))
    studies = list(dict.fromkeys(effects["study"]))
    with style.context():
        made, axes = style.figure(5.0, 0.8 + 0.25 * len(effects) + 0.2 * len(studies))
        colours, marks = style.colours(["", *names]), style.marks(["", *names])
        place, ticks, labels = 0.0, [], []
        for study in studies:
            for row in effects[effects["study"] == study].to_dict("records"):
                axes.plot(
                    [100 * row["low"], 100 * row["high"]],
                    [place, place],
                    color=colours[row["schedule"]],
                    lw=2,
                )
                axes.plot(100 * row["relative"], place, marks[row["schedule"]], color=colours[row["schedule"]], ms=5)
                ticks.append(place)
                labels.append(f"{style.short(study)}: {style.short(row['schedule'])}")
                place += 1
            place += 0.6
        axes.axvline(0.0, color="#333333", lw=0.8)
        axes.set_yticks(ticks, labels)
        axes.set_ylim(np.max(ticks) + 0.6, -0.6)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("difference to baseline, % of its mean (left is better), t interval")
    return made
