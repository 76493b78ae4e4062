"""docs/extend.md: every file in it, dropped into a folder, is listed, checked, and trained by a study of two steps."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

PAGE = Path(__file__).parents[1] / "docs" / "extend.md"
FILES = dict(re.findall(r"<!-- file: (\w+)\.py -->\n```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S))
EXECUTORS = {"one_at_a_time"}
STUDY = """
name = "{name}"
{more}
[data]
name = "digits"
limit = 64
[evaluate]
generated = 20
points = 1
{evaluate}
[space]
peak = 1e-3
[schedules.constant]
[schedules.falls]
kind = "half_time"
left = 0.5
{schedules}
[search]
trials = 0
[confirm]
seeds = 1
"""
ADVERSARIAL = STUDY.format(
    name="pair",
    more='[network]\nname = "dense_pair"\nwidth = 8\n[train]\nsteps = 2\nbatch = 8\nloss = "total_variation"\n'
    'penalties = ["drift"]\naugment = [{ name = "instance_noise", deviation = 0.2 }]\n',
    evaluate='features = "quadrants"\nmetrics = ["brightness"]',
    schedules='[schedules.rests]\nkind = "resting"\napplies_to = "discriminator"\nevery = 1\nbound = 10\nleft = 0.25\n',
)
AUTOENCODER = STUDY.format(
    name="auto",
    more='[model]\nname = "autoencoder"\nnoise = 0.2\n[train]\nsteps = 2\nbatch = 8\napplies_to = "decoder"\n',
    evaluate='features = "digits"',
    schedules="",
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder with the files, as a package of that name would be installed."""
    folder = tmp_path_factory.mktemp("site")
    for name, text in FILES.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    about = folder / "mine-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    groups = {"harness.parts": FILES.keys() - EXECUTORS, "harness.executors": EXECUTORS}
    lines = [f"[{group}]\n" + "".join(f"{name} = {name}\n" for name in names) for group, names in groups.items()]
    (about / "entry_points.txt").write_text("\n".join(lines))
    return folder


def run(site, folder, *words):
    searched = os.pathsep.join([str(site), str(PAGE.parents[1]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "harness.run_study", *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": searched, "COLUMNS": "200"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_every_recipe_is_there():
    assert FILES.keys() == {
        *(
            "half_time",
            "resting",
            "total_variation",
            "drift",
            "instance_noise",
            "dense_pair",
            "autoencoder",
            "brightness",
        ),
        *("quadrants", "one_at_a_time"),
    }


def test_parts_of_an_installed_package_are_listed_with_their_settings(site, tmp_path):
    out = run(site, tmp_path, "--list")
    for name in (*FILES.keys() - EXECUTORS - {"autoencoder"}, "dense_autoencoder"):
        assert re.search(rf"^  {name} ", out, re.M), name
    assert "fraction of the steps after the warm-up before the fall; at least 0 and at most 1" in out
    assert re.search(r"^  one_at_a_time +a fresh worker process per run", out, re.M)


@pytest.mark.slow
@pytest.mark.parametrize(("text", "executor"), [(ADVERSARIAL, "one_at_a_time"), (AUTOENCODER, "local")])
def test_a_study_of_such_parts_is_checked_trained_and_reported(text, executor, site, tmp_path):
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    planned = json.loads(run(site, tmp_path, "mine.toml", "--dry-run", "--json"))
    assert planned["plan"]["runs"] if "plan" in planned else planned
    run(site, tmp_path, "mine.toml", "--executor", executor, "--output", "out", "--quiet")
    runs, curves = (pd.read_csv(tmp_path / "out" / name) for name in ("runs.csv", "curves.csv"))
    assert set(runs["status"]) == {"finished"}
    falls = curves[curves["schedule"] == "falls"].iloc[0]
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    if executor == "local":
        assert falls["rate_decoder"] == pytest.approx(5e-4)
        assert falls["rate_encoder"] == pytest.approx(1e-3)  # does not follow
        assert falls["loss_reconstruction"] > 0
    else:
        assert {"fid_quadrants_20", "brightness_20", "brightness_20_ema"} <= set(runs)
        assert falls["rate_generator"] == falls["rate_discriminator"] == pytest.approx(5e-4)
        rests = curves[curves["schedule"] == "rests"].iloc[0]
        assert rests["rate_discriminator"] == pytest.approx(2.5e-4)
        assert rests["rate_generator"] == pytest.approx(1e-3)  # does not follow
        assert "brightness" in page
