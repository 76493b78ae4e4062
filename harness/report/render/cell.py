"""The page's first screen as an element of a notebook."""

from __future__ import annotations

import hashlib

import markupsafe

from harness.report import catalogue
from harness.report.analysis import Analysis
from harness.report.entries import Contents, Drawing
from harness.report.figures import style, tooltips
from harness.report.render import html


def render(contents: Contents[Analysis]) -> str:
    """One HTML element without scripts: verdicts, their table and, where there is one, the forest plot."""
    analysis = contents.subject
    drawing = contents.figures.get(catalogue.FOREST.name)
    picture = _inline(drawing) if drawing is not None else ""
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


def _inline(drawing: Drawing) -> str:
    """The picture as an element; its ids are those of no other picture in a notebook, and the same when a cell is run again."""
    svg = style.rendered(drawing.draw(), "svg").decode()
    return tooltips.inline(svg, f"harness-{hashlib.sha256(svg.encode()).hexdigest()[:10]}", drawing.alt)
