"""Every committed study: its pages follow from its tables, its study file from studies/, and README's table from all."""

import runpy
from pathlib import Path

import pytest

from harness import report, spec
from harness.report import cross_study
from harness.results import load

ROOT = Path(__file__).parents[2]
FOLDERS = sorted(path.parent for path in (ROOT / "results").glob("*/study.json"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_pages_and_tables_follow_from_the_runs(folder):
    assert report.stale(folder) == []


def test_pages_across_studies_follow_from_the_studies():
    for record in sorted((ROOT / "results").glob(f"*/{cross_study.RECORD}")):
        assert cross_study.stale(record.parent) == [], record.parent.name


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_what_ran_is_what_the_study_file_says(folder):
    study = load(folder).study
    assert spec.digest(spec.load(folder / "study.toml")) == study.sha256
    source = ROOT / "studies" / f"{study.name}.toml"
    asked = spec.load(source) if source.is_file() else spec.builtin()
    assert spec.differences(asked, spec.load(folder / "study.toml")) == {}
    assert not study.environment.commit.endswith("+"), "made by code that no commit holds"


def test_the_table_of_results_in_the_readme_follows_from_them():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert runpy.run_path(str(ROOT / "scripts" / "readme_table"))["with_table"](text) == text
