"""`harness.load_results` and what `Study.run` returns: a study's tables, verdicts, figures and page, as Python has them."""

from __future__ import annotations

import os
import webbrowser
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from harness.report import catalogue
from harness.report.analysis import Analysis
from harness.report.build import build, values
from harness.report.entries import Contents, Drawing
from harness.report.render import cell
from harness.results import archive, load
from harness.results.document import Document


def load_results(path: str | os.PathLike[str]) -> Results:
    """The results in a folder that `run_study` wrote, or in an archive of one, which is unpacked beside it; raises ValueError naming a file that is missing, damaged or too new.

    A study that tunes once has one replicate, number 0.
    """
    return Results(Analysis(load(archive.unpacked(Path(path)))))


class Results:
    """One study's results: its tables, what follows from them, and the page. A notebook shows the page's first screen."""

    def __init__(self, analysis: Analysis) -> None:
        self._analysis = analysis

    @property
    def path(self) -> Path:
        """The results folder."""
        return self._analysis.results.path

    @property
    def study(self) -> Document:
        """The facts of study.json as attributes: `study.question.rope`, `study.data.name`."""
        return self._analysis.results.study

    @property
    def runs(self) -> pd.DataFrame:
        """One row per run, as runs.csv."""
        return self._analysis.results.runs

    @property
    def curves(self) -> pd.DataFrame:
        """One row per run and evaluation, as curves.csv."""
        return self._analysis.results.curves

    @property
    def traces(self) -> pd.DataFrame:
        """One row per run and trace point: rates and mean losses, as traces.csv; empty where none were kept."""
        return self._analysis.results.traces

    @property
    def evaluations(self) -> pd.DataFrame:
        """One row per run and further set of evaluation latents; empty of a study without [variance]."""
        return self._analysis.results.evaluations

    @property
    def verdicts(self) -> pd.DataFrame:
        """One row per schedule but the baseline: difference to it, interval, p and verdict, as contrasts.csv.

        Under the relative scale a difference is a fraction: -0.18 is 18 % lower.
        """
        return self._analysis.contrasts

    @property
    def summary(self) -> pd.DataFrame:
        """Level and spread of the primary score by schedule, as summary.csv."""
        return self._analysis.summary

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        """All tables of the report by name: `tables["all_pairs"]` is all_pairs.csv."""
        return self._analysis.tables

    @property
    def headline(self) -> str:
        """All verdicts in one line."""
        return self._analysis.headline

    @property
    def sentence(self) -> str:
        """The verdicts, what they are about, and what they rest on, as a paragraph."""
        return self._analysis.sentence

    @property
    def warnings(self) -> list[str]:
        """What to read the answer with."""
        return self._analysis.warnings

    @property
    def decided(self) -> bool:
        """Whether every schedule is better, worse or equivalent."""
        return self._analysis.decided

    def values(self) -> dict[str, Any]:
        """What `--json` prints, as plain values; docs/output.schema.json says what stands where."""
        return values(self._analysis)

    @cached_property
    def plot(self) -> Plot:
        """The figures of the page: `plot.forest()`, `plot.curves()`."""
        return Plot(self._contents)

    @property
    def page(self) -> Path:
        """The page, report.html; made first where it is not there."""
        page = self.path / "report.html"
        return page if page.is_file() else build(self.path)

    def open(self) -> Path:
        """Show the page in a browser of this machine; return its path."""
        page = self.page
        webbrowser.open(page.resolve().as_uri())
        return page

    @cached_property
    def _contents(self) -> Contents[Analysis]:
        return catalogue.contents(self._analysis)

    def __repr__(self) -> str:
        return f"<harness.Results of {self.study.name!r} in {self.path}: {len(self.runs)} runs. {self.headline}>"

    @cached_property
    def _html(self) -> str:
        return cell.render(self._contents)

    def _repr_html_(self) -> str:
        """The page's first screen, as an element of a notebook: verdicts, their table, and the forest plot."""
        return self._html


class Plot:
    """The figures of a report, drawn anew at each call: matplotlib figures, which a notebook shows, with or without pyplot.

    `figure.savefig(path)` writes one. Raises ValueError for a figure that the results have no data for.
    """

    def __init__(self, contents: Contents[Analysis]) -> None:
        self._contents = contents

    def forest(self) -> Figure:
        """Differences to the baseline with their intervals."""
        return self._draw("forest")

    def finals(self) -> Figure:
        """Final scores, run by run or replicate by replicate."""
        return self._draw("finals")

    def anytime(self) -> Figure:
        """Score against step, with the learning rate beneath."""
        return self._draw("anytime")

    def curves(self) -> Figure:
        """The same: score against step."""
        return self.anytime()

    def rates(self) -> Figure:
        """The learning rate of every step."""
        return self._draw("rates")

    def losses(self) -> Figure:
        """Losses against step."""
        return self._draw("losses")

    def averaging(self) -> Figure:
        """Raw against averaged weights."""
        return self._draw("averaging")

    def averages(self) -> Figure:
        """The primary score over schedules and averages, of a study with several averages."""
        return self._draw("averages")

    def variance(self) -> Figure:
        """Where the spread of the score comes from, of a study with [variance]."""
        return self._draw("variance")

    def sensitivity(self) -> Figure:
        """Searched scores against the peak rate."""
        return self._draw("sensitivity")

    def budget(self) -> Figure:
        """Expected best score against the number of search trials."""
        return self._draw("budget")

    def caption(self, name: str) -> str:
        """What stands below a figure on the page."""
        return self._drawing(name).caption

    def _draw(self, name: str) -> Figure:
        return self._drawing(name).draw()

    def _drawing(self, name: str) -> Drawing:
        figures = self._contents.figures
        if name not in figures:
            there = ", ".join(figures) or "none"
            raise ValueError(f"these results have no data for the figure {name!r}; there are: {there}")
        return figures[name]

    def __repr__(self) -> str:
        return f"<figures: {', '.join(self._contents.figures) or 'none'}>"
