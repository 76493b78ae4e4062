"""The page: one self-contained HTML file from tables, figures and samples."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
import markupsafe

from harness.report import catalogue, numbers
from harness.report.analysis import WEIGHTS, Analysis
from harness.report.entries import Code, Contents, Line, Link
from harness.report.figures import style, tooltips
from harness.report.samples import grids
from harness.report.tables import Table

INLINE_MOST = 700_000  # characters of a figure put into the page as elements; browsers grow slow on many more


def render(contents: Contents[Analysis], *, folder: Path) -> str:
    """The HTML page, with all pictures inside."""

    analysis = contents.subject
    pictures = grids(analysis, folder)
    return (
        environment()
        .get_template("page.html.jinja")
        .render(
            study=analysis.results.study,
            analysis=analysis,
            weights=WEIGHTS[analysis.primary.weights],
            verdicts=judged(analysis),
            colours=style.colours(analysis.schedules),
            grids=[{"title": grid.title, "alt": grid.alt, "source": _inline(grid.path)} for grid in pictures],
            contents=contents,
            first=catalogue.FIRST,
            sections=contents.shown(catalogue.sections(analysis)),
            picture=pictures_of(contents, folder),
        )
    )


def environment() -> jinja2.Environment:
    """The templates, everything escaped, every unknown name a fault."""
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("harness.report.render"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["number"] = numbers.number
    templates.filters["count"] = numbers.count
    templates.filters["inline"] = inline
    templates.globals["table"] = html_table
    return templates


def inline(line: Line) -> markupsafe.Markup:
    """A line with its code and links, everything escaped."""
    forms = {
        Code: markupsafe.Markup("<code>{0.text}</code>"),
        Link: markupsafe.Markup('<a href="#{0.section}">{0.text}</a>'),
    }
    parts = [markupsafe.escape(part) if isinstance(part, str) else forms[type(part)].format(part) for part in line]
    return markupsafe.Markup("").join(parts)


def pictures_of(contents: Contents[Any], folder: Path) -> Callable[[str], markupsafe.Markup]:
    """What puts a figure into the page by its name: as elements, so that its titles show on hover.

    A very large one is put in as a picture without titles.
    """

    def picture(name: str) -> markupsafe.Markup:
        svg = (folder / f"{contents.pictures}{name}.svg").read_text(encoding="utf-8")
        alt = contents.figures[name].alt
        if len(svg) <= INLINE_MOST:
            return markupsafe.Markup(f'<div class="drawing">{tooltips.inline(svg, name, alt)}</div>')
        source = f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"
        return markupsafe.Markup('<img src="{}" alt="{}">').format(source, alt)

    return picture


def judged(analysis: Analysis) -> list[tuple[str, str]]:
    """Each schedule that was judged with its sentence."""
    labels = [] if analysis.nothing else [str(label) for label in analysis.contrasts["schedule"]]
    return list(zip(labels, analysis.sentences, strict=True))


FOLDED = 20  # rows from which on a table is opened by a click: few readers want it, and the page stays short
FEW, MANY = (
    7,
    8,
)  # columns of a table that fits: up to the first, intervals stay whole; beyond the second, letters are small
_TABLE = """{% macro body() %}
<div class="scroll" role="region" tabindex="0" aria-label="{{ shown.caption }}">
<table role="table" class="sortable{{ ' fit ' ~ size if fit }}">
<caption><span class="said">{{ shown.caption }} <span class="source">{{ shown.source }}</span></span></caption>
{% set left = shown.left %}
<thead role="rowgroup"><tr role="row">{% for name in shown.heads %}
<th scope="col" role="columnheader" class="{{ 'left' if left[loop.index0] }}{{ long(name) }}">{{ name }}</th>{% endfor %}</tr></thead>
<tbody role="rowgroup">{% for row in shown.rows %}<tr role="row">{% for cell in row %}
{% if loop.first %}<th scope="row" role="rowheader" data-value="{{ cell.value }}"><span class="text{{ long(cell.text) }}">{{ cell.text }}</span></th>
{% else %}<td role="cell" data-value="{{ cell.value }}"{% if fit %} data-head="{{ shown.heads[loop.index0] }}"{% endif %} class="{{ 'left' if left[loop.index0] }}{{ ' none' if cell.text == '–' }}">
{%- if fit and parts(cell.text) | length > 1 %}<span class="whole">{% for part in parts(cell.text) %}<span class="part">{{ part }}</span> {% endfor %}</span>
{%- elif cell.value is string %}<span class="text{{ long(cell.text) }}">{{ cell.text }}</span>
{%- else %}{{ cell.text }}{% endif %}</td>{% endif %}
{% endfor %}</tr>
{% endfor %}</tbody></table></div>
{%- endmacro %}
{% if folded %}<details><summary>{{ shown.caption }} ({{ rows }})</summary>{{ body() }}</details>{% else %}{{ body() }}{% endif %}"""


def html_table(shown: Table, *, fit: bool = False) -> markupsafe.Markup:
    """A sortable table, every cell escaped; cells carry their full value for sorting. A long one is folded.

    One that is to `fit` breaks the lines of its cells rather than be wider than the page, and has a block per row on a
    phone; others are scrolled sideways.
    """
    cells = jinja2.Environment(autoescape=True, trim_blocks=True).from_string(_TABLE)
    folded = shown.folded or len(shown.rows) > FOLDED
    rows = numbers.count(len(shown.rows), "row")
    size = "few" if len(shown.heads) <= FEW else "many" if len(shown.heads) > MANY else ""
    return markupsafe.Markup(
        cells.render(shown=shown, fit=fit, folded=folded, rows=rows, size=size, parts=_parts, long=_long)
    )


def _long(text: str) -> str:
    """The class of a text with a word so long that it must be broken somewhere; other words stay whole."""
    return " long" if any(len(word) > 16 for word in text.split()) else ""


def _parts(text: str) -> tuple[str, ...]:
    """A number and the interval in brackets after it: a line may end between them."""
    number, _, rest = text.partition(" (")
    return (number, f"({rest}".replace(" to ", "\N{NO-BREAK SPACE}to ")) if rest else (text,)


def _inline(path: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"
