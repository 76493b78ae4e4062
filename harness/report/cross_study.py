"""Several studies on one page: one sentence over all, aggregates, verdicts side by side, claims, budgets, averages, ranks."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness import files
from harness.report import cross_study_sentences as sentences
from harness.report import cross_study_tables as tables
from harness.report import entries, numbers
from harness.report.analysis import Analysis
from harness.report.cross_study_frames import Studies, sweeps
from harness.report.entries import Contents, Entry, FigureEntry, Line, Listing, Section, TableEntry, Text
from harness.report.figures import style
from harness.report.render import html, markdown, readme
from harness.results import ResultsError, load
from harness.results.tables import unlike, write_frame

RECORD = "cross.json"  # in the page's folder: of which studies it is, what it asks, what makes it
_FORMAT = 1

AGGREGATES = TableEntry[Studies]("aggregates", tables.aggregates, brief=True, fit=True)
OF_SOME = TableEntry[Studies](
    "aggregates_of_some", tables.aggregates_of_some, title="Schedules that some studies lack", brief=True, fit=True
)
FIGURE = FigureEntry[Studies]("aggregates", tables.aggregates_figure, brief=True)
SWEEPS = FigureEntry[Studies]("sweeps", tables.sweeps_figure, brief=True)
AVERAGES = FigureEntry[Studies]("averages", tables.averages_figure, brief=True)
MATRICES = (
    TableEntry[Studies]("matrix", tables.matrix, brief=True, fit=True),
    TableEntry[Studies]("wide_matrix", tables.wide_matrix, brief=True),
)
FIRST: tuple[Entry[Studies], ...] = (AGGREGATES, OF_SOME, FIGURE, *MATRICES)


def _claimed(studies: Studies) -> Line:
    """How the evidence on the article's claims is to be read."""
    if studies.frames["claims"].empty:
        return ()
    return (
        "Each decay of each study against its baseline, by the weights that the study asks about. A claim is supported where at least half of the "
        "comparisons say so and fewer than a tenth the contrary, contradicted the other way round, mixed where a tenth or more say each, "
        "mostly open where a tenth or more say one, and else not shown. The decays of a study weigh as much as one, and so do the studies of a "
        "family. Intervals are not corrected for their number: about one comparison in forty says so by chance.",
    )


SECTIONS: tuple[Section[Studies], ...] = (
    Section(
        "claims",
        "The article's claims, across studies",
        "The article's claims",
        (
            Text(_claimed, soft=True, brief=True),
            Listing(sentences.claimed),
            TableEntry("claims", tables.claim_by_study, brief=True, fit=True),
        ),
    ),
    Section(
        "budget",
        sentences.BY_STEPS,
        "Step budget",
        (
            SWEEPS,
            Listing(sentences.budgets_by_schedule, title="Each schedule in a sentence", most=4),
            TableEntry("sweeps", tables.sweeps, brief=True),
        ),
    ),
    Section(
        "averaging",
        sentences.REPLACES,
        "Averaging",
        (
            Listing(sentences.averaging, title="Each study in a sentence", most=6),
            AVERAGES,
            TableEntry("averages", tables.averages, brief=True, fit=True),
        ),
    ),
    Section(
        "effects",
        "Effects",
        "Effects",
        (
            FigureEntry("effects", tables.effects_figure, brief=True),
            TableEntry("effects", tables.effects, brief=True, otherwise="No study has a comparison yet."),
            TableEntry("aggregates_in_full", tables.aggregates_in_full),
        ),
    ),
    Section(
        "ranks",
        "Average ranks",
        "Average ranks",
        (Text(sentences.no_ranks, brief=True), TableEntry("ranks", tables.ranks, brief=True)),
    ),
)


def build(
    paths: Sequence[Path], *, output: Path, pdf: bool = False, question: str | None = None, command: str = ""
) -> Path:
    """Write the cross-study tables, figures, README.md and pages into `output`; return the HTML page's path.

    `question` is what the page asks, by default whether the answer depends on model and task, or on the number of steps where
    the studies differ in nothing else. `command` is what makes it.
    """
    analyses = _analyses(paths)
    record = {
        "format": _FORMAT,
        "question": question or _asked(analyses),
        "command": command,
        "studies": [Path(os.path.relpath(path, output)).as_posix() for path in paths],
    }
    files.write(output / RECORD, (json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode())
    studies = Studies(analyses, str(record["question"]), command)
    for name, frame in studies.frames.items():
        write_frame(output / f"{name}.csv", frame)
    contents = _contents(studies)
    for name, drawing in contents.figures.items():
        figure = drawing.draw()
        for kind in ("svg", "png", *(("pdf",) if pdf else ())):
            files.write(output / f"{name}.{kind}", style.rendered(figure, kind))
    for name, content in _pages(contents, output).items():
        files.write(output / name, content.encode())
    files.write(output / "report.html", _page(contents, output).encode())
    return output / "report.html"


def is_cross(folder: Path) -> bool:
    """Whether a folder holds a page across studies."""
    return (folder / RECORD).is_file()


def stale(folder: Path) -> list[str]:
    """Files of a page across studies that do not follow from the studies' own tables; as `harness.report.stale`.

    Raises ResultsError if what it is made of cannot be read.
    """
    studies = _studies(folder)
    contents = _contents(studies)
    found = unlike(folder, studies.frames, _pages(contents, folder))
    missing = [f"{name}.svg" for name in contents.figures if not (folder / f"{name}.svg").is_file()]
    if missing:
        return [*found, *missing]  # the page holds the pictures: without them it cannot be made again
    return [*found, *([] if files.holds(folder / "report.html", _page(contents, folder)) else ["report.html"])]


def _studies(folder: Path) -> Studies:
    """The studies that a folder's record names."""
    path = folder / RECORD
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        places, question, command = record["studies"], str(record["question"]), str(record["command"])
        if (
            record["format"] != _FORMAT
            or not isinstance(places, list)
            or not all(isinstance(each, str) for each in places)
        ):
            raise ValueError
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ResultsError(f"{path}: is damaged, or of another version; make the page again") from error
    return Studies(_analyses([folder / place for place in places]), question, command)


def _analyses(paths: Sequence[Path]) -> dict[str, Analysis]:
    """Each study by its name; those of a name that another has, with their folder's."""
    analyses: dict[str, Analysis] = {}
    for path in paths:
        analysis = Analysis(load(path))
        name = analysis.results.study.name
        analyses[name if name not in analyses else f"{name} ({path.name})"] = analysis
    return analyses


def _asked(analyses: Mapping[str, Analysis]) -> str:
    """What studies ask together that were given no question."""
    found = sweeps(analyses)
    alike = set(found["study"]) == set(analyses) and found["group"].nunique() == 1
    return sentences.BY_STEPS if alike else sentences.QUESTION


def _contents(studies: Studies) -> Contents[Studies]:
    return entries.contents(studies, entries.walk(FIRST, SECTIONS), pictures="")


def _page(contents: Contents[Studies], folder: Path) -> str:
    studies = contents.subject
    return (
        html.environment()
        .get_template("cross.html.jinja")
        .render(
            contents=contents,
            question=studies.question,
            answer=sentences.answer(studies),
            scope=sentences.scope(studies),
            families=sentences.families(studies),
            first=FIRST,
            sections=contents.shown(SECTIONS),
            picture=html.pictures_of(contents, folder),
            sentences={
                name: [analysis.headline, analysis.scope, *analysis.sentences]
                for name, analysis in studies.analyses.items()
            },
            studies={name: analysis.results.study for name, analysis in studies.analyses.items()},
        )
    )


def _pages(contents: Contents[Studies], folder: Path) -> dict[str, str]:
    """The Markdown files by name."""
    return {"report.md": _markdown(contents, folder), "README.md": _readme(contents, folder)}


def _answer(studies: Studies) -> list[str]:
    """Lines of the answer: one sentence, what else is known, what the intervals cover."""
    first, *below = sentences.answer(studies)
    lines = [f"**{markdown.plain(studies.question)}**", "", markdown.plain(first), ""]
    scope = sentences.scope(studies)
    lines += [*(f"- {markdown.plain(said)}" for said in below), ""] if below else []
    lines += [markdown.plain(scope), ""] if scope else []
    families = markdown.inline(sentences.families(studies))
    return [*lines, families, ""] if families else lines


def _list(studies: Studies, folder: Path) -> list[str]:
    """One line per study: where its page is, its title, which says of what images it is, and how it was made."""
    lines = []
    for name, analysis in studies.analyses.items():
        study = analysis.results.study
        title = f", {markdown.plain(study.title)}" if study.title != study.name else ""
        lines.append(
            f"- [{markdown.plain(name)}]({readme.address(analysis.results.path, folder)}){title}: {markdown.plain(study.data.name)}, "
            f"network {markdown.code(study.spec.network.name)}, {numbers.count(study.spec.train.steps, 'step')}, "
            f"commit `{study.environment.commit}`"
        )
    return lines


def _markdown(contents: Contents[Studies], folder: Path) -> str:
    lines = ["# Schedules across studies", "", *_answer(contents.subject)]
    lines += [line for entry in FIRST for line in markdown.shown(contents, entry)]
    lines += [*markdown.sections(contents, SECTIONS), "## Studies", "", *_list(contents.subject, folder)]
    return "\n".join([*lines, ""])


def _readme(contents: Contents[Studies], folder: Path) -> str:
    """README.md of the folder: question, answer, verdicts, of which studies, how to check it."""
    studies = contents.subject
    lines = ["# Schedules across studies", "", *_answer(studies)]
    lines += [
        line for entry in (AGGREGATES, FIGURE, *MATRICES, SWEEPS, AVERAGES) for line in markdown.shown(contents, entry)
    ]
    lines += ["The whole page: [report.md](report.md), or `report.html` in a browser.", "", "## How it was made", ""]
    lines += [f"- command: {markdown.code(studies.command)}"] if studies.command else []
    lines += _list(studies, folder)
    lines += ["", "## How to check it", "", "In this folder:", "", "```bash"]
    lines += ["python -m harness.report . --check       # it follows from the studies' tables"]
    return "\n".join([*lines, "```", "", readme.ABOUT, ""])
