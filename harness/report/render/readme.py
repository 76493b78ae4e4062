"""What a repository shows first: a results folder's README.md, and one table over several studies."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import pandas as pd

from harness.report import numbers, sentences
from harness.report.analysis import Analysis
from harness.report.catalogue import ANYTIME, EXPLORATORY, FOREST, VERDICTS
from harness.report.entries import Contents
from harness.report.render import markdown
from harness.stats import words

ABOUT = "Made by `python -m harness.report`, which also checks it (`--check`); do not edit."


def render(contents: Contents[Analysis]) -> str:
    """README.md of a results folder: question, answer, verdicts, how and on what it was made, how to check it."""
    analysis = contents.subject
    study, runs = analysis.results.study, analysis.results.runs
    spec, environment = study.spec, study.environment
    hours = (runs["seconds"] - runs["shared_seconds"]).sum() / 3600
    lost = [f"{count} {status}" for status, count in runs["status"].value_counts().items() if status != "finished"]
    lines = [f"# {markdown.plain(study.title)}", "", f"**{markdown.plain(study.question.text)}**", ""]
    lines += markdown.answer(analysis)
    for entry in (VERDICTS, EXPLORATORY):
        lines += markdown.table(contents.tables.get(entry.name))
    if FOREST.name in contents.figures:
        lines += [f"![Difference to the baseline, with interval, by schedule](figures/{FOREST.name}.png)", ""]
    else:
        lines += markdown.figure(contents, ANYTIME.name)
    lines += ["The whole report: [report.md](report.md), or `report.html` in a browser.", "", "## How it was made", ""]
    lines += [f"- command: {markdown.code(study.command)}, study file [study.toml](study.toml)"]
    lines += [
        f"- {'' if spec.model.name == 'gan' else f'model `{spec.model.name}`, '}network `{spec.network.name}`, {numbers.count(spec.train.steps, 'step')} of "
        f"{numbers.count(spec.train.batch, 'image')}"
    ]
    lines += [
        f"- {numbers.count(len(runs), 'run')} ({', '.join(lost) or 'all finished'}), {hours:.1f} worker-hours, "
        f"{study.created[:10]}"
    ]
    shared = sentences.shared(runs)
    lines += [f"- {shared}"] if shared else []
    energy = sentences.energy(runs)
    lines += (
        [f"- energy, as the machine's counters tell, in equal shares for runs side by side: {energy}"] if energy else []
    )
    lines += [f"- commit `{environment.commit}`, {markdown.plain(environment.cpu)}, {_versions(environment.versions)}"]
    lines += [f"- primary score `{study.primary}`: {markdown.plain(study.scores[analysis.raw].protocol)}", ""]
    lines += ["## How to check it", "", "In this folder:", "", "```bash"]
    lines += ["python -m harness.report . --check       # the pages follow from the tables"]
    lines += ["python -m harness.reproduce . --runs 3   # the tables follow from the study file"]
    return "\n".join([*lines, "```", "", ABOUT, ""])


def _versions(known: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {known[name]}" for name in ("harness", "tensorflow", "numpy", "optuna") if name in known)


def address(folder: Path, root: Path) -> str:
    """The link to a study's README.md from a file in `root`."""
    return quote(Path(os.path.relpath(folder / "README.md", root)).as_posix())


def overview(analyses: Mapping[str, Analysis], *, root: Path) -> str:
    """A Markdown table: schedules down, studies across; each cell the verdict with the difference and its interval.

    Its links are relative to `root`, the folder of the file it is for. The baseline is named once, or with each study
    where they differ.
    """
    cells: dict[str, dict[str, str]] = {}
    baselines = {analysis.baseline for analysis in analyses.values()}
    for name, analysis in analyses.items():
        study = analysis.results.study
        head = f"[{name}]({address(analysis.results.path, root)})<br>{numbers.count(study.spec.train.steps, 'step')}"
        head += f"<br>against {markdown.plain(analysis.baseline)}" if len(baselines) > 1 else ""
        rows = analysis.contrasts.to_dict("records") if "difference" in analysis.contrasts else []
        for row in rows:
            size = analysis.form_of(analysis.score).estimate(row["difference"], row["low"], row["high"])
            verdict = f"**{row['verdict']}**" if row["verdict"] in words.CLAIMS else str(row["verdict"])
            cells.setdefault(str(row["schedule"]), {})[head] = f"{verdict} {size}"
    corner = f"against {markdown.plain(min(baselines))}" if len(baselines) == 1 else "schedule"
    frame = pd.DataFrame.from_dict(cells, orient="index").fillna("–").rename_axis(corner).reset_index()
    return frame.to_markdown(index=False, disable_numparse=True)
