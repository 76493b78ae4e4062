"""scripts/keep_results: what of a study's folder git holds."""

import json
import re
import runpy
from pathlib import Path

import pandas as pd
from harness import report
from tests.report import example

ROOT = Path(__file__).parents[2]


def test_a_kept_study_is_current_and_has_no_losses_of_search_runs_and_no_grid_that_its_page_does_not_show(tmp_path):
    source = example.results(
        tmp_path / "elsewhere", traced=True, command="python -m harness.run_study studies/a.toml --output /b --workers 2"
    )
    (source / "study.db").write_bytes(b"a database")
    (source / "evaluations.csv").write_text("run,set,score,value\n", encoding="utf-8")
    folder = runpy.run_path(str(ROOT / "scripts" / "keep_results"))["keep"](source, tmp_path / "results")
    study = json.loads((folder / "study.json").read_text(encoding="utf-8"))
    assert folder == tmp_path / "results" / study["name"]
    assert study["command"] == "python -m harness.run_study studies/a.toml --workers 2"
    assert report.stale(folder) == []
    kept, made = ({grid.name for grid in (each / "samples").iterdir()} for each in (folder, source))
    assert kept < made
    assert kept == set(re.findall(r"\(samples/([^)]+)\)", (folder / "report.md").read_text(encoding="utf-8")))
    before, after = (pd.read_csv(each / "traces.csv", dtype=str) for each in (source, folder))
    assert after.equals(before[before["run"].str.startswith("confirm-")].reset_index(drop=True))
    assert not (folder / "study.db").exists()
    assert (folder / "evaluations.csv").is_file()
    assert 0 < len(after) < len(before)
    assert (folder / "runs.csv").read_bytes() == (source / "runs.csv").read_bytes()
