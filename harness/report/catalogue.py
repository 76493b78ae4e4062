"""What the report of a study shows, in order: the one list that page, report.md, README.md and LaTeX are made from.

A new table, figure or text is an entry of SECTIONS and the function that makes it.
"""

from __future__ import annotations

from functools import partial

from harness.report import (
    arms,
    claims,
    elsewhere,
    entries,
    methods,
    numbers,
    study_figures,
    study_tables,
    study_texts,
    variance,
)
from harness.report.analysis import Analysis
from harness.report.entries import Contents, FigureEntry, Listing, Pair, Section, TableEntry, Text, Verbatim
from harness.report.figures import style
from harness.report.tables import Table

# The first screen: what README.md shows as well.
VERDICTS = TableEntry("verdicts", study_tables.verdicts, brief=True, fit=True, paper=study_tables.verdicts_of_a_paper)
FOREST = FigureEntry("forest", study_figures.forest, brief=True)
EXPLORATORY = TableEntry("exploratory", study_tables.exploratory, brief=True, fit=True, paper=study_tables.exploratory)
ARMS = Text(arms.differences, brief=True)
FIRST = (VERDICTS, EXPLORATORY, ARMS, FOREST)
# What README.md shows of a study that compares nothing.
ANYTIME = FigureEntry("anytime", study_figures.anytime, brief=True)

SECTIONS: tuple[Section[Analysis], ...] = (
    Section(
        "verdicts",
        "Verdicts",
        "Verdicts",
        (
            TableEntry(
                "verdicts_wide",
                study_tables.verdicts_in_full,
                brief=True,
                paper=study_tables.verdicts_in_full,
            ),
            TableEntry("levels", study_tables.levels, brief=True, paper=study_tables.levels),
            FigureEntry("finals", study_figures.finals, brief=True),
            TableEntry(
                "other_verdicts",
                study_tables.other_verdicts,
                brief=True,
                fit=True,
                paper=study_tables.other_verdicts_of_a_paper,
            ),
            TableEntry(
                "other_verdicts_wide",
                study_tables.other_verdicts_in_full,
                paper=study_tables.other_verdicts_in_full,
            ),
            TableEntry("pairs", study_tables.pairs, title="All pairs (exploratory)"),
        ),
    ),
    Section(
        "claims",
        "The article's claims, measured",
        "The article's claims",
        (
            Text(study_texts.claims, soft=True),
            TableEntry("claims", claims.at_a_glance, brief=True, fit=True, paper=claims.at_a_glance),
            *(
                TableEntry(
                    f"claim_{index}",
                    partial(claims.scores, claim=claim),
                    title=claim.title,
                    note=claim.note,
                    otherwise="No data for this claim in this study.",
                )
                for index, claim in enumerate(claims.CLAIMS)
            ),
            TableEntry(
                "claim_none",
                partial(claims.scores, claim=claims.NONE),
                title=claims.NONE.title,
                note=claims.NONE.note,
            ),
            Text(study_texts.claims_elsewhere),
        ),
    ),
    Section(
        "stability",
        "Stability and failures",
        "Stability",
        (
            TableEntry("final_against_best", study_tables.final_against_best),
            Text(study_texts.lost),
            TableEntry("lost", study_tables.lost),
        ),
    ),
    Section(
        "training",
        "Training",
        "Training",
        (
            Pair(
                (
                    ANYTIME,
                    FigureEntry("rates", study_figures.learning_rates),
                )
            ),
            TableEntry("time_to_target", study_tables.time_to_target),
            FigureEntry("losses", study_figures.losses, brief=True),
        ),
    ),
    Section(
        "averaging",
        "Does averaging replace decay?",
        "Averaging",
        (
            Text(study_texts.averaging, brief=True),
            Listing(study_texts.averaging_by_schedule, title="Each schedule in a sentence", most=4),
            FigureEntry("averaging", study_figures.averaging, brief=True),
            TableEntry("interactions", study_tables.interactions, paper=study_tables.interactions),
            Text(study_texts.best_pair, brief=True),
            FigureEntry("averages", study_figures.averages, brief=True),
            TableEntry("averages", study_tables.averages, brief=True, paper=study_tables.averages),
            TableEntry("average_interactions", study_tables.average_interactions),
        ),
    ),
    Section(
        "spread",
        "How sure a score is, and where its spread comes from",
        "Spread",
        (
            Text(variance.enough, brief=True),
            TableEntry("score_errors", variance.errors, brief=True),
            Text(variance.finding, brief=True),
            FigureEntry("variance", variance.figure, brief=True),
            TableEntry("variance", variance.sources, paper=variance.sources),
            TableEntry("variance_together", variance.together, brief=True, paper=variance.together),
        ),
    ),
    Section(
        "search",
        "Search, and sensitivity to the peak rate",
        "Search",
        (
            Text(study_texts.unequal_budgets, brief=True),
            Text(study_texts.no_search),
            Pair(
                (
                    FigureEntry("sensitivity", study_figures.sensitivity, brief=True),
                    FigureEntry("budget", study_figures.budget),
                )
            ),
            TableEntry("sensitivity", study_tables.sensitivity),
            TableEntry("choices", study_tables.choices, brief=True),
            TableEntry("without_curve", study_tables.without_curve, brief=True),
            TableEntry("boundary", study_tables.boundary),
            TableEntry("optimism", study_tables.optimism),
        ),
    ),
    Section(
        "cost",
        "Cost",
        "Cost",
        (TableEntry("cost", study_tables.cost, otherwise="No run has finished, so no time can be compared."),),
    ),
    Section(
        "published",
        "What is published about this setting",
        "Published",
        (Listing(study_texts.published),),
    ),
    Section(
        "protocol",
        "Protocol and provenance",
        "Protocol",
        (
            TableEntry("settings", study_tables.settings, brief=True, paper=study_tables.settings),
            TableEntry("settings_by_replicate", study_tables.settings_by_replicate),
            TableEntry("sanity", study_tables.sanity, brief=True),
            Listing(study_texts.facts),
            Verbatim("To reproduce, at that commit:", study_texts.command, brief=True),
            Verbatim("The study as it was run", study_texts.study_file, folded=True),
        ),
    ),
    Section(
        "methods",
        "For a paper",
        "For a paper",
        (
            Text(methods.paragraph, brief=True),
            Listing(methods.checklist, title="What reproducibility checklists ask for", most=0),
            Verbatim("BibTeX of what was used", methods.bibtex, folded=True),
        ),
    ),
)

# What a table of runs trained elsewhere can tell.
ELSEWHERE: tuple[Section[Analysis], ...] = (
    SECTIONS[0],
    Section(
        "failures",
        "Runs that did not finish",
        "Failures",
        (Text(elsewhere.lost, brief=True), TableEntry("lost", elsewhere.lost_runs)),
    ),
    Section("training", "Training", "Training", (ANYTIME,)),
    Section(
        "protocol",
        "What the table says, and what it cannot",
        "Table",
        (
            Listing(elsewhere.facts),
            Verbatim("To judge it again:", elsewhere.command, brief=True),
        ),
    ),
    Section(
        "methods",
        "For a paper",
        "For a paper",
        (Text(elsewhere.paragraph, brief=True), Verbatim("BibTeX of what was used", elsewhere.bibtex, folded=True)),
    ),
)


def sections(analysis: Analysis) -> tuple[Section[Analysis], ...]:
    """The sections of a study's report, or of one of runs trained elsewhere."""
    return ELSEWHERE if analysis.plan.elsewhere else SECTIONS


def contents(analysis: Analysis) -> Contents[Analysis]:
    """What the report of a study shows."""
    keyed = [f"{key} is {numbers.name(label)}" for key, label in style.keys(analysis.schedules).items()]
    key = f" In the figure {'; '.join(keyed)}." if keyed else ""  # for schedules whose names a figure cannot draw
    return entries.contents(analysis, entries.walk(FIRST, sections(analysis)), key=key)


def papers(analysis: Analysis) -> dict[str, Table]:
    """The tables for a paper, by file name."""
    tables = {
        entry.name: entry.paper(analysis)
        for entry in entries.walk(FIRST, sections(analysis))
        if isinstance(entry, TableEntry) and entry.paper is not None
    }
    return {name: table for name, table in tables.items() if table is not None and table.rows}
