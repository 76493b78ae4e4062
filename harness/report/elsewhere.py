"""The texts and tables of a page on runs that were trained elsewhere."""

from __future__ import annotations

from harness.report import methods, numbers, sentences
from harness.report.analysis import Analysis
from harness.report.entries import Line
from harness.report.study_tables import LOST
from harness.report.tables import Table, whole
from harness.results.document import Elsewhere


def lost(analysis: Analysis) -> Line:
    """How many runs did not finish, and how they count."""
    count = int((analysis.results.runs["status"] != "finished").sum())
    if not count:
        return ("All runs finished.",)
    some = f" (the first {LOST} are listed)" if count > LOST else ""
    counts = "makes its replicate" if analysis.plan.replicated else "counts as"
    return (
        f"{numbers.count(count, 'run')} did not finish{some}. Each {counts} the worst outcome of its {analysis.plan.factor} and "
        f"is never dropped; means are of the other {analysis.plan.compared}s.",
    )


def lost_runs(analysis: Analysis) -> Table | None:
    """Runs that did not finish, with what the table says of them; the first LOST."""
    runs = analysis.results.runs
    frame = runs.loc[runs["status"] != "finished", ["run", "reason"]].head(LOST)
    return whole(frame, caption="Runs that did not finish", source="runs.csv")


def facts(analysis: Analysis) -> list[Line]:
    """What was read, what was asked of it, and what no table says."""
    told, question = told_of(analysis), analysis.results.study.question
    lines: list[Line] = [(fact,) for fact in told.facts]
    if analysis.pairing:
        lines += [(f"Pairing by {analysis.plan.paired_by}: {analysis.pairing}",)]
    return [
        *lines,
        (f"Region of practical equivalence {analysis.margin}, family-wise error rate {question.alpha:g}",),
        (
            f"No table says how each {told.factor} was tuned and in how many trials, whether other runs were left out of it, and "
            "what the runs cost: this page does not either",
        ),
        (f"Harness {analysis.results.study.harness}",),
    ]


def command(analysis: Analysis) -> str:
    """What judges the same table again."""
    return told_of(analysis).command


def paragraph(analysis: Analysis) -> Line:
    """What was compared and how it was judged, for a paper; how the runs were made its writer knows."""
    told, runs = told_of(analysis), analysis.results.runs
    others = sentences.listed([label for label in analysis.schedules if label != analysis.baseline])
    lost = int((runs["status"] != "finished").sum())
    failed = f"{numbers.count(lost, 'run')} of {len(runs)} failed" if lost else "No run failed"
    counted, repeated = "failed runs", ""
    if analysis.plan.replicated:
        counted = "replicates with a failed run"
        repeated = (
            f"The whole tuning was repeated {numbers.count(analysis.plan.looks[-1], 'time')}; the unit of every comparison is such a "
            "replicate, the mean over its runs. "
        )
    return (
        f"We compared the {told.factor} {numbers.name(analysis.baseline)} (the baseline) with {others}, by {analysis.title} "
        f"({analysis.direction} is better) of {numbers.count(len(runs), 'run')}. {repeated}{methods.tested(analysis)} {failed}; {counted} "
        f"{'count' if lost else 'would count'} as the worst outcome and stay in every comparison.",
    )


def bibtex(analysis: Analysis) -> str:
    """The works that the verdicts rest on, as BibTeX."""
    return methods.cited()


def told_of(analysis: Analysis) -> Elsewhere:
    """What is known of the runs; a study of the harness has no such page."""
    assert analysis.plan.elsewhere is not None
    return analysis.plan.elsewhere
