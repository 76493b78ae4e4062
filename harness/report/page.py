"""The page: one self-contained HTML file from tables, figures and samples."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path

import jinja2
import markupsafe

from harness.report import claims, hover, style
from harness.report.analysis import Analysis
from harness.report.captions import Shown, ema_sentence
from harness.report.present import Table
from harness.report.samples import grids
from harness.report.sections import LOST, tables
from harness.results import numerics
from harness.stats import digits

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
            shown=shown,
            picture=picture,
            grids=[
                {"title": each.title, "alt": each.alt, "source": _inline(each.path)} for each in grids(analysis, folder)
            ],
            tables=tables(analysis),
            claims=claims.in_full(analysis),
            ema=ema_sentence(analysis),
            lost=int((analysis.results.runs["status"] != "finished").sum()),
            most_lost=LOST,
            verdicts=list(zip(_verdicts(analysis), analysis.sentences, strict=True)),
            colours=style.colours(analysis.schedules),
            spec=json.dumps(study["spec"], indent=1, ensure_ascii=False),
        )
    )


def environment() -> jinja2.Environment:
    """The templates, everything escaped, every unknown name a fault."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("harness.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["number"] = digits.number
    made.globals["table"] = html_table
    made.globals["numerics"] = numerics.described
    return made


def drawing(svg: str, name: str, alt: str) -> markupsafe.Markup:
    """A figure as elements of the page, or, if it is very large, as a picture."""
    if len(svg) <= INLINE_MOST:
        return markupsafe.Markup(f'<div class="drawing">{hover.inline(svg, name, alt)}</div>')
    source = f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"
    return markupsafe.Markup('<img src="{}" alt="{}">').format(source, alt)


def _verdicts(analysis: Analysis) -> Sequence[dict[str, str]]:
    """Schedule and verdict of each sentence."""
    if analysis.nothing:
        return []
    rows = analysis.contrasts[["schedule", "verdict"]].to_dict("records")
    return [{"schedule": str(row["schedule"]), "verdict": str(row["verdict"])} for row in rows]


FOLDED = 20  # rows from which on a table is opened by a click: few readers want it, and the page stays short


def html_table(shown: Table) -> markupsafe.Markup:
    """A sortable table, every cell escaped; cells carry their full value for sorting. A long one is folded."""
    cells = jinja2.Environment(autoescape=True, trim_blocks=True).from_string(
        """{% if folded %}<details><summary>{{ shown.caption }}: {{ shown.rows | length }} rows</summary>{% endif %}
<div class="scroll" role="region" tabindex="0" aria-label="{{ shown.caption }}"><table class="sortable">
<caption><span class="said">{{ shown.caption }} <span class="source">{{ shown.source }}</span></span></caption>
{% set left = shown.left %}
<thead><tr>{% for name in shown.heads %}<th scope="col"{% if left[loop.index0] %} class="left"{% endif %}>{{ name }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in shown.rows %}<tr>{% for cell in row %}
{% if loop.first %}<th scope="row" data-value="{{ cell.value }}"><span class="text">{{ cell.text }}</span></th>
{% else %}<td data-value="{{ cell.value }}"{% if left[loop.index0] %} class="left"{% endif %}>{% if cell.value is string %}<span class="text">{{ cell.text }}</span>{% else %}{{ cell.text }}{% endif %}</td>{% endif %}
{% endfor %}</tr>
{% endfor %}</tbody></table></div>{% if folded %}</details>{% endif %}"""
    )
    return markupsafe.Markup(cells.render(shown=shown, folded=len(shown.rows) > FOLDED))


def _inline(path: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"
