"""The page: one self-contained HTML file from tables, figures and samples."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path

import jinja2
import markupsafe

from harness.report import claims, numbers
from harness.report.analysis import WEIGHTS, Analysis
from harness.report.captions import Shown, ema_sentences
from harness.report.figures import style, tooltips
from harness.report.samples import grids
from harness.report.sections import LOST, tables
from harness.report.tables import Table
from harness.results import numerics

INLINE_MOST = 700_000  # characters of a figure put into the page as elements; browsers grow slow on many more


def render(analysis: Analysis, shown: dict[str, Shown], *, folder: Path) -> str:
    """The HTML page, with all pictures inside."""

    def picture(name: str) -> markupsafe.Markup:
        """The figure inside the page, so that its titles show on hover; a very large one as a picture without them."""
        return drawing((folder / "figures" / f"{name}.svg").read_text(encoding="utf-8"), name, shown[name].alt)

    study = analysis.results.study
    return (
        environment()
        .get_template("page.html.jinja")
        .render(
            study=study,
            analysis=analysis,
            weights=WEIGHTS[analysis.primary.weights],
            shown=shown,
            picture=picture,
            grids=[
                {"title": each.title, "alt": each.alt, "source": _inline(each.path)} for each in grids(analysis, folder)
            ],
            tables=tables(analysis),
            claims=claims.in_full(analysis),
            ema=ema_sentences(analysis),
            lost=int((analysis.results.runs["status"] != "finished").sum()),
            most_lost=LOST,
            verdicts=list(zip(_verdicts(analysis), analysis.sentences, strict=True)),
            colours=style.colours(analysis.schedules),
            spec=json.dumps(study.source["spec"], indent=1, ensure_ascii=False),
        )
    )


def environment() -> jinja2.Environment:
    """The templates, everything escaped, every unknown name a fault."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("harness.report.render"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["number"] = numbers.number
    made.filters["count"] = numbers.count
    made.globals["table"] = html_table
    made.globals["numerics"] = numerics.described
    return made


def drawing(svg: str, name: str, alt: str) -> markupsafe.Markup:
    """A figure as elements of the page, or, if it is very large, as a picture."""
    if len(svg) <= INLINE_MOST:
        return markupsafe.Markup(f'<div class="drawing">{tooltips.inline(svg, name, alt)}</div>')
    source = f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"
    return markupsafe.Markup('<img src="{}" alt="{}">').format(source, alt)


def _verdicts(analysis: Analysis) -> Sequence[dict[str, str]]:
    """Schedule and verdict of each sentence."""
    if analysis.nothing:
        return []
    rows = analysis.contrasts[["schedule", "verdict"]].to_dict("records")
    return [{"schedule": str(row["schedule"]), "verdict": str(row["verdict"])} for row in rows]


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
