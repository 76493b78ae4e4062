"""The page: sections, captions and tables, rendered to one self-contained HTML file and a Markdown one."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import markupsafe
import pandas as pd
from matplotlib.figure import Figure

from harness.report import figures, hover, style
from harness.report.analysis import Analysis

INLINE_MOST = 700_000  # characters of a figure put into the page as elements; browsers grow slow on many more


@dataclass(frozen=True)
class Shown:
    """A figure on the page: its file's stem, alternative text with the finding, caption."""

    name: str
    alt: str
    caption: str


def number(value: object) -> str:
    """A number with sensible digits: three significant ones for floats, nothing for a missing one."""
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, bool | str):
        return str(value)
    number = float(str(value))
    if math.isinf(number):
        return "∞" if number > 0 else "-∞"
    if number == int(number) and abs(number) < 1e6 and not isinstance(value, float):
        return str(int(number))
    if number == 0:
        return "0"
    digits = 3 if abs(number) < 1000 else 4
    return f"{number:.{digits}g}" if 1e-4 <= abs(number) < 1e6 else f"{number:.2e}"


def make_figures(analysis: Analysis) -> dict[str, tuple[Figure, Shown]]:
    """All figures that the results have data for, with what is said of them."""
    runs, tables, names = analysis.confirmed, analysis.tables, analysis.schedules
    label = f"{analysis.title} {analysis.arrow}"
    full = f"{label} ({analysis.score})"
    seeds = int(runs.groupby("schedule").size().max()) if len(runs) else 0
    made: dict[str, tuple[Figure, Shown]] = {}
    keyed = [f"{key} is {label}" for key, label in style.keys(names).items()]
    key = f" In the figure {'; '.join(keyed)}." if keyed else ""

    def add(name: str, build: Callable[[], Figure], alt: str, caption: str) -> None:
        made[name] = (build(), Shown(name, alt, f"{caption}{key}"))

    if len(analysis.contrasts) and "difference" in analysis.contrasts:
        rope = float(analysis.results.study["question"]["rope"])
        add(
            "forest",
            lambda: figures.forest(
                analysis.contrasts, schedules=names, rope=rope, label=analysis.title, level=analysis.level
            ),
            analysis.sentence,
            f"Mean paired difference in {analysis.score} to {analysis.baseline}, over pairs of runs from the same seed, "
            f"with {analysis.level} t intervals. Left of zero is better.",
        )
    if len(runs):
        add(
            "finals",
            lambda: figures.finals(runs, analysis.summary, schedules=names, score=analysis.score, label=label),
            _ranking(analysis),
            f"Final {full} of {len(runs)} confirmation runs. Every dot is a run; grey lines join runs from one seed; beside "
            f"them the mean with its {analysis.level} t interval.",
        )
    if len(analysis.curves):
        add(
            "anytime",
            lambda: figures.anytime(analysis.curves, schedules=names, score=analysis.score, label=label),
            f"{analysis.title} against training step for each schedule, with the learning rate beneath.",
            f"{full} against step: mean over up to {seeds} seeds with 95 % t band, at most {figures.CURVES_DRAWN} single runs "
            "a schedule faint; below, the generator's learning rate. A decayed run before its end is not a shorter run.",
        )
        add(
            "rates",
            lambda: figures.rates(runs, schedules=names),
            "The learning-rate schedules that were confirmed.",
            "Learning rate of the confirmed configurations, as training used it.",
        )
    searched = analysis.search[analysis.search["phase"] == "search"]
    if len(searched) and searched["params_peak"].nunique() > 1:
        add(
            "sensitivity",
            lambda: figures.sensitivity(searched, schedules=names, score=analysis.score, label=label),
            "Score of the search trials against peak learning rate, by schedule.",
            f"{full} of {len(searched)} search runs against peak rate. Every dot is a run; a cross on the upper edge did not finish.",
        )
    if "budget" in tables and tables["budget"]["budget"].nunique() > 1:
        add(
            "budget",
            lambda: figures.budget(tables["budget"], schedules=names, label=label),
            "Expected best score against the number of search trials, by schedule.",
            "Expected best of the search if only so many trials had been made (unbiased form, Tang et al. 2020). Lines go to "
            "half the trials; 95 % bootstrap bands only to an eighth, beyond which they would cover too little.",
        )
    if f"{analysis.raw}_ema" in runs and len(runs):
        add(
            "averaging",
            lambda: figures.averaging(runs, schedules=names, score=analysis.raw, label=label),
            ema_sentence(analysis),
            f"{analysis.title} of the raw and of the averaged generator, mean with 95 % t interval over seeds.",
        )
    return made


def _ranking(analysis: Analysis) -> str:
    ordered = analysis.summary.dropna(subset=["mean"]).sort_values("mean", ascending=analysis.direction == "lower")
    parts = [f"{row['schedule']} {number(row['mean'])}" for row in ordered.to_dict("records")]
    return f"Mean {analysis.title}, best first: {', '.join(parts)}." if parts else "No run finished."


def ema_sentence(analysis: Analysis) -> str:
    """Whether averaging replaces decay, in words, from the interaction's interval."""
    table = analysis.tables.get("ema")
    if table is None or table.empty:
        return "Too few runs to say whether averaging replaces decay."
    gain = table.iloc[0]
    parts = [
        f"Averaging the weights changed {analysis.baseline}'s {analysis.title} by {number(gain['gain'])} "
        f"({number(gain['gain_low'])} to {number(gain['gain_high'])})."
    ]
    for row in table.to_dict("records"):
        if not math.isfinite(row["low"]):
            say = "too few runs to compare the two"
        elif row["low"] > 0:
            say = "decay helps averaged weights less than raw ones"
        elif row["high"] < 0:
            say = "decay helps averaged weights more than raw ones"
        else:
            say = "whether averaging replaces decay is undecided"
        parts.append(
            f"{row['schedule']}: effect {number(row['raw'])} on raw and {number(row['ema'])} on averaged weights, "
            f"interaction {number(row['interaction'])} ({number(row['low'])} to {number(row['high'])}): {say}."
        )
    return " ".join(parts)


CLAIMS = (
    ("Better images", ("fid", "kid"), "Fréchet and kernel distance to real images; lower is better."),
    ("Less noise", ("noise_ratio",), "Estimated pixel noise relative to real images; 1 is like real ones."),
    (
        "More detail",
        ("high_frequency_ratio", "recall", "coverage", "precision", "density"),
        "Share of high frequencies relative to real images, and variety beside fidelity.",
    ),
    (
        "Overfitting",
        ("overfit", "memorised"),
        "Distance to held-out minus to training images, and near copies of training images.",
    ),
)


def claims(analysis: Analysis) -> list[dict[str, Any]]:
    """The article's claims with the scores that measure them: a table each, or the note that there are no data."""
    table = analysis.tables.get("scores")
    found = []
    for title, metrics, note in CLAIMS:
        rows = table[table["score"].str.startswith(tuple(f"{m}_" for m in metrics))] if table is not None else None
        found.append({"title": title, "note": note, "table": rows if rows is not None and len(rows) else None})
    return found


def render(analysis: Analysis, shown: dict[str, Shown], *, folder: Path) -> str:
    """The HTML page, with all pictures inside."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("harness.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    environment.filters["number"] = number
    environment.globals["table"] = html_table
    study = analysis.results.study

    def picture(name: str) -> markupsafe.Markup:
        """The figure inside the page, so that its titles show on hover; a very large one as a picture without them."""
        content = (folder / "figures" / f"{name}.svg").read_text(encoding="utf-8")
        if len(content) <= INLINE_MOST:
            return markupsafe.Markup(hover.inline(content, name, shown[name].alt))
        source = f"data:image/svg+xml;base64,{base64.b64encode(content.encode()).decode()}"
        return markupsafe.Markup('<img src="{}" alt="{}">').format(source, shown[name].alt)

    return environment.get_template("page.html.jinja").render(
        study=study,
        analysis=analysis,
        shown=shown,
        picture=picture,
        grids=grids(analysis, folder),
        tables=analysis.tables,
        claims=claims(analysis),
        ema=ema_sentence(analysis),
        lost=lost_runs(analysis),
        colours=style.colours(analysis.schedules),
        spec=json.dumps(study["spec"], indent=1, ensure_ascii=False),
    )


def html_table(frame: pd.DataFrame, caption: str = "") -> str:
    """A sortable table, every cell escaped; numbers carry their full value for sorting."""
    cells = jinja2.Environment(autoescape=True).from_string(
        """<div class="scroll" role="region" tabindex="0" aria-label="{{ caption or 'table' }}"><table class="sortable">
{% if caption %}<caption>{{ caption }}</caption>{% endif %}
<thead><tr>{% for name in names %}<th scope="col">{{ name }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in rows %}<tr>{% for cell in row %}{% if loop.first %}<th scope="row">{{ cell.text }}</th>{% else %}<td data-value="{{ cell.value }}">{{ cell.text }}</td>{% endif %}{% endfor %}</tr>
{% endfor %}</tbody></table></div>"""
    )
    rows = [[{"text": number(value), "value": str(value)} for value in row] for row in frame.itertuples(index=False)]
    return markupsafe.Markup(
        cells.render(names=[name.replace("_", " ") for name in frame.columns], rows=rows, caption=caption)
    )


def grids(analysis: Analysis, folder: Path) -> list[dict[str, str]]:
    """Sample grids of one repetition, side by side, raw weights or averaged as the question asks."""
    suffix = "-ema" if analysis.results.study["question"]["weights"] == "ema" else ""
    done = analysis.confirmed[analysis.confirmed["status"] == "finished"]
    if done.empty:
        return []
    common = done.groupby("repetition")["schedule"].nunique()
    repetition = int(common[common == common.max()].index.min())
    shown = []
    real = folder / "samples" / "real.png"
    if real.is_file():
        shown.append({"title": "real images", "source": _inline(real)})
    for row in done[done["repetition"] == repetition].to_dict("records"):
        path = folder / "samples" / f"{row['run']}{suffix}.png"
        if path.is_file():
            title = f"{row['schedule']}: {analysis.title} {number(row[analysis.score])}"
            shown.append({"title": title, "source": _inline(path)})
    return shown


def _inline(path: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"


def lost_runs(analysis: Analysis) -> pd.DataFrame:
    """Runs that did not finish, of all phases."""
    runs = analysis.results.runs
    return runs.loc[runs["status"] != "finished", ["run", "status", "last_step", "reason"]].head(200)


def markdown(analysis: Analysis, shown: dict[str, Shown]) -> str:
    """The report for a repository: the same statements and tables, figures by link."""
    study = analysis.results.study
    lines = [
        f"# {_plain(study['title'])}",
        "",
        f"**{_plain(study['question']['text'])}**",
        "",
        _plain(analysis.sentence),
        "",
    ]
    for name, caption in (("forest", True), ("finals", True)):
        if name in shown and caption:
            lines += [f"![{_plain(shown[name].alt)}](figures/{name}.png)", "", f"*{_plain(shown[name].caption)}*", ""]
    for title, name in (("Verdicts", "contrasts"), ("Level and spread", "summary")):
        if name in analysis.tables and len(analysis.tables[name]):
            frame = analysis.tables[name].map(number)
            frame = frame.map(_plain)
            lines += [f"## {title}", "", frame.to_markdown(index=False, disable_numparse=True), ""]
    lines += ["## Does averaging replace decay?", "", _plain(ema_sentence(analysis)), ""]
    lines += [
        "## Protocol",
        "",
        f"- primary score: `{study['primary']}`: {_plain(study['scores'][analysis.raw]['protocol'])}",
    ]
    lines += [f"- study: SHA-256 `{study['sha256'][:16]}…`, commit `{study['environment']['commit']}`"]
    lines += [
        f"- machine: {_plain(study['environment']['cpu'])}, {_plain(study['environment']['device'])}",
        f"- command: {_code(study['command'])}",
        "",
    ]
    return "\n".join(lines)


def _plain(text: str) -> str:
    """Text with Markdown's and HTML's marks taken out of their roles."""
    return "".join(f"\\{mark}" if mark in "\\`*_[]<>#|&~" else mark for mark in " ".join(str(text).split()))


def _code(text: str) -> str:
    """Text as Markdown code, fenced by more backticks than it holds itself."""
    text = " ".join(str(text).split())
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    space = " " if "`" in text else ""
    return f"{fence}{space}{text}{space}{fence}"
