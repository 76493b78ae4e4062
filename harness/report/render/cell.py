"""The page's first screen as an element of a notebook."""

from __future__ import annotations

import markupsafe

from harness.report import catalogue
from harness.report.analysis import Analysis
from harness.report.entries import Contents
from harness.report.figures import style, tooltips
from harness.report.render import html


def render(contents: Contents[Analysis], *, svg: str, prefix: str) -> str:
    """One HTML element without scripts; `svg` is the forest plot (empty: there is none), whose ids get `prefix`."""
    analysis = contents.subject
    drawing = contents.figures.get(catalogue.FOREST.name)
    picture = tooltips.inline(svg, prefix, drawing.alt) if drawing is not None else ""
    return (
        html.environment()
        .get_template("cell.html.jinja")
        .render(
            study=analysis.results.study,
            analysis=analysis,
            verdicts=html.judged(analysis),
            colours=style.colours(analysis.schedules),
            shown=contents.tables.get(catalogue.VERDICTS.name),
            picture=markupsafe.Markup(picture),
            caption=drawing.caption if drawing is not None else "",
        )
    )
