"""What a table from elsewhere says of its factor: verdicts, tables, figures and a page, by the statistics of our studies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

import harness
from harness import command_line
from harness.elsewhere import table as tables
from harness.elsewhere.question import Condition, Question, call, command
from harness.elsewhere.runs import Runs, tidy
from harness.report import catalogue
from harness.report.analysis import Analysis
from harness.report.build import named, statements, verdict_table, write
from harness.report.elsewhere import told_of
from harness.report.entries import Contents
from harness.report.render import cell
from harness.results import Results, document
from harness.results.tables import write_frame

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.table import Table as RichTable


@dataclass(frozen=True, repr=False)
class Comparison:
    """The verdicts on each level of a factor against the baseline, and all that they rest on, as DataFrames and figures.

    The levels stand in a column that is called as the factor.
    """

    _analysis: Analysis

    @property
    def verdicts(self) -> pd.DataFrame:
        """One row per level but the baseline: pairs, means, difference with interval, p, p after Holm, verdict, note."""
        return self._named(self._analysis.contrasts)

    @property
    def summary(self) -> pd.DataFrame:
        """Level and spread of the score: one row per level."""
        return self._named(self._analysis.summary)

    @property
    def all_pairs(self) -> pd.DataFrame:
        """As `verdicts`, for every pair of levels; exploratory."""
        return self._named(self._analysis.tables["all_pairs"])

    @property
    def runs(self) -> pd.DataFrame:
        """The runs as they were judged: level, pair, status, why a run counts as failed, score."""
        frame = self._analysis.results.runs.drop(columns=["phase", "chosen", "repetition"])
        return self._named(frame.assign(status=frame["status"].replace("diverged", "failed")))

    @property
    def curves(self) -> pd.DataFrame:
        """The score of each run at each step; empty of a table with one row per run."""
        return self._named(self._analysis.results.curves)

    @property
    def headline(self) -> str:
        """All verdicts in one line."""
        return self._analysis.headline

    @property
    def scope(self) -> str:
        """What the verdicts are about, and how far the table's word is taken for it."""
        return self._analysis.scope

    @property
    def sentence(self) -> str:
        """The verdicts, what they are about and what they rest on, as a paragraph."""
        return self._analysis.sentence

    @property
    def warnings(self) -> list[str]:
        """What to read the verdicts with."""
        return self._analysis.warnings

    @property
    def decided(self) -> bool:
        """Whether every verdict is better, worse or equivalent."""
        return self._analysis.decided

    @cached_property
    def _contents(self) -> Contents[Analysis]:
        return catalogue.contents(self._analysis)

    @property
    def figures(self) -> list[str]:
        """The names of the figures there are."""
        return list(self._contents.figures)

    def figure(self, name: str = "forest") -> Figure:
        """A figure by its name, one of `figures`; raises KeyError for another."""
        drawn: Figure = self._contents.figures[name].draw()
        return drawn

    def to_dict(self) -> dict[str, Any]:
        """Verdicts in one line and in sentences, warnings, and one entry per level, as plain values for JSON."""
        plan, study = self._analysis.plan, self._analysis.results.study
        told = told_of(self._analysis)
        asked: dict[str, Any] = {"table": told.table, "factor": plan.factor, "pair": told.paired_by}
        asked |= {"direction": self._analysis.direction, "alpha": study.question.alpha, "rope": study.question.rope}
        said = statements(self._analysis, levels="levels")
        left = ("exploratory", "looks", "look", *(() if plan.replicated else ("replicates",)))
        kept = {key: value for key, value in said.items() if key not in left}
        return command_line.versioned({**asked, **kept})

    def table(self) -> RichTable:
        """The verdicts as a terminal shows them."""
        return verdict_table(self._analysis)

    def write(self, folder: str | Path, *, pdf: bool = False) -> Path:
        """Write the page, its tables as CSV and LaTeX, its figures and the runs into `folder`; return the page's path."""
        place = Path(folder)
        page = write(self._analysis, place, pdf=pdf)
        write_frame(place / "runs.csv", self.runs)
        if len(self.curves):
            write_frame(place / "curves.csv", self.curves)
        return page

    def __repr__(self) -> str:
        told = told_of(self._analysis)
        return f"<harness.compare of {told.table}: {len(self._analysis.results.runs)} runs by {told.factor}. {self.headline}>"

    @cached_property
    def _html(self) -> str:
        return cell.render(self._contents)

    def _repr_html_(self) -> str:
        """The page's first screen, as an element of a notebook: verdicts, their table, and the forest plot."""
        return self._html

    def _named(self, frame: pd.DataFrame) -> pd.DataFrame:
        unit = told_of(self._analysis).unit
        frame = frame.drop(columns="replicate", errors="ignore").rename(columns={"tuning": "replicate"})
        frame = frame.rename(columns={"pair": unit}) if unit not in frame else frame
        return named(frame, self._analysis.plan.factor)


def compare(
    runs: str | Path | pd.DataFrame,
    *,
    factor: str,
    pair: str | Sequence[str],
    score: str,
    baseline: object,
    direction: Literal["lower", "higher"] | None = None,
    replicate: str | None = None,
    where: Mapping[str, object] | None = None,
    same: str | Sequence[str] = (),
    step: str | None = None,
    status: str | None = None,
    rope: float = 0.0,
    alpha: float = 0.05,
    scale: Literal["absolute", "relative"] = "absolute",
    title: str = "",
) -> Comparison:
    """Judge runs trained elsewhere: a DataFrame, or a CSV or Parquet file, with one row per run.

    Each level of the column `factor` is compared with the level `baseline`, by the column `score`, over pairs of runs that
    have `pair`, a column or several, in common. `direction`: which scores are better, where the score's name does not say it.
    `replicate`: the column that says which tuning a run is of, where the whole tuning was repeated; replicates are judged then, each by
    the mean over its pairs. `where`: only rows with this value, or one of these values, by column. `same`: columns that must not differ between runs.
    `step`: the column of steps of a table with several rows per run, the last of which is judged. `status`: the column that says how
    runs ended; None for one called State, state or status, '' for none. `rope`, `alpha` and `scale` are those of a study file.
    Raises TableError, a ValueError, in one sentence, where the table cannot be judged as asked.
    """
    question = Question(
        factor=factor,
        pair=_several(pair),
        score=score,
        baseline=tables.text(baseline),
        direction=direction,
        replicate=replicate,
        where=tuple(
            Condition(column, tuple(map(tables.text, _each(values)))) for column, values in (where or {}).items()
        ),
        same=_several(same),
        step=step,
        status=status,
        rope=rope,
        alpha=alpha,
        scale=scale,
        title=title,
    )
    return judge(runs, question)


def _several(names: str | Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _each(values: object) -> list[object]:
    return list(values) if isinstance(values, list | tuple | set | frozenset) else [values]


def judge(source: str | Path | pd.DataFrame, question: Question) -> Comparison:
    """As `compare`, of a question that is made already."""
    table = tables.read(source)
    return Comparison(Analysis(_results(tidy(table, question), question, table)))


def _results(found: Runs, question: Question, table: tables.Table) -> Results:
    """The runs as results that a report can be made of."""
    return Results(
        study=_document(found, question, table),
        runs=found.runs,
        curves=found.curves,
        path=Path(table.name),
        traces=pd.DataFrame(),
        evaluations=pd.DataFrame(),
    )


def _document(found: Runs, question: Question, table: tables.Table) -> document.Document:
    """What is known of runs from elsewhere; whoever asks for what a table cannot tell gets an AttributeError."""
    factor, columns = tables.spoken(found.columns.factor), found.columns
    title = question.title or f"{found.score} by {factor}"
    unit = columns.unit if question.replicate is None else "replicate"
    text = (
        f"Which {factor} has {'an' if found.direction[0] in 'aeiou' else 'a'} {found.direction} {found.score} than {found.baseline}, {unit} "
        f"by {unit}?"
    )
    return document.Document.model_construct(
        name=title,
        title=title,
        harness=harness.__version__,
        question=document.Question(
            text=text, baseline=found.baseline, rope=question.rope, alpha=question.alpha, scale=question.scale
        ),
        schedules=found.levels,
        scores={
            found.score: document.Score.model_construct(
                title=found.score, direction=found.direction, help="", protocol=""
            )
        },
        primary=found.score,
        phases=_phases(found),
        warnings=found.warnings,
        elsewhere=document.Elsewhere(
            table=Path(table.name).name,
            factor=factor,
            unit=columns.unit,
            paired_by=columns.paired_by,
            step=tables.spoken(columns.step or "step"),
            facts=found.facts,
            command=command(table.name, question) if table.is_file else call(question),
        ),
    )


def _phases(found: Runs) -> document.Phases:
    """How often runs were repeated: replicates are looked at once, all of them."""
    search = document.Search.model_construct(trials=0)
    if not found.replicates:
        return document.Phases.model_construct(search=search)
    fewest = int(found.runs.groupby(["schedule", "replicate"]).size().min())
    return document.Phases.model_construct(
        search=search,
        confirm=document.Confirm(seeds=fewest),
        replicates=document.Replicates(looks=[found.replicates]),
    )
