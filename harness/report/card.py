"""What a repository shows first: a results folder's README.md, and one table over several studies."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from harness.report import markdown
from harness.report.analysis import Analysis
from harness.report.sections import tables
from harness.stats import digits

ABOUT = "Made by `python -m harness.report`, which also checks it (`--check`); do not edit."


def readme(analysis: Analysis) -> str:
    """README.md of a results folder: question, answer, verdicts, how and on what it was made, how to check it."""
    study, runs = analysis.results.study, analysis.results.runs
    spec, environment = study["spec"], study["environment"]
    hours = runs["seconds"].sum() / 3600
    lost = [f"{count} {status}" for status, count in runs["status"].value_counts().items() if status != "finished"]
    lines = [f"# {markdown.plain(study['title'])}", "", f"**{markdown.plain(study['question']['text'])}**", ""]
    lines += [markdown.plain(analysis.headline), "", *(f"- {markdown.plain(each)}" for each in analysis.sentences), ""]
    lines += markdown.table(tables(analysis).get("verdicts"))
    lines += ["![Difference to the baseline, with interval, by schedule](figures/forest.png)", ""]
    lines += ["The whole report: [report.md](report.md), or `report.html` in a browser.", "", "## How it was made", ""]
    lines += [f"- command: {markdown.code(study['command'])}, study file [study.toml](study.toml)"]
    lines += [
        f"- network `{spec['network']['name']}`, {spec['train']['steps']:,} steps of {spec['train']['batch']} images"
    ]
    lines += [
        f"- {len(runs)} runs ({', '.join(lost) or 'all finished'}), {hours:.1f} worker-hours, {study['created'][:10]}"
    ]
    lines += [f"- commit `{environment['commit']}`, {markdown.plain(environment['cpu'])}, {_versions(environment)}"]
    lines += [f"- primary score `{study['primary']}`: {markdown.plain(study['scores'][analysis.raw]['protocol'])}", ""]
    lines += ["## How to check it", "", "```bash"]
    lines += [f"python -m harness.report results/{study['name']} --check       # the pages follow from the tables"]
    lines += [
        f"python -m harness.reproduce results/{study['name']} --runs 3    # the tables follow from the study file"
    ]
    return "\n".join([*lines, "```", "", ABOUT, ""])


def _versions(environment: Mapping[str, Mapping[str, str]]) -> str:
    return ", ".join(f"{name} {environment['versions'][name]}" for name in ("tensorflow", "numpy", "optuna"))


def overview(analyses: Mapping[str, Analysis]) -> str:
    """A Markdown table: schedules down, studies across; each cell the verdict with the difference and its interval."""
    found: dict[str, dict[str, str]] = {}
    for name, each in analyses.items():
        study = each.results.study
        head = f"[{name}](results/{name})<br>{study['spec']['train']['steps']:,} steps"
        rows = each.contrasts.to_dict("records") if "difference" in each.contrasts else []
        for row in rows:
            size = digits.estimate(row["difference"], row["low"], row["high"], sign=True)
            verdict = f"**{row['verdict']}**" if row["verdict"] in ("better", "worse") else str(row["verdict"])
            found.setdefault(str(row["schedule"]), {})[head] = f"{verdict} {size}"
    frame = pd.DataFrame.from_dict(found, orient="index").fillna("–").rename_axis("against constant").reset_index()
    return frame.to_markdown(index=False, disable_numparse=True)
