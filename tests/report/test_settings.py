"""A user's Matplotlib settings neither break figures nor change them: files, environment, rcParams and styles."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import pytest
from matplotlib import style as styles

from harness import report
from harness.report import cross_study
from tests.report.example import results

ROOT = Path(__file__).parents[2]
SETTINGS = """
text.usetex: True
text.latex.preamble: nonsense
font.family: serif
font.style: italic
font.weight: bold
font.size: 30
axes.xmargin: 0.3
axes.labelpad: 40
axes.spines.left: False
axes.prop_cycle: cycler("color", ["red"])
axes.formatter.use_locale: True
axes.formatter.limits: 0, 0
xtick.direction: in
ytick.right: True
lines.linewidth: 9
lines.marker: o
figure.dpi: 33
figure.facecolor: yellow
figure.constrained_layout.h_pad: 1
savefig.dpi: 44
savefig.bbox: tight
savefig.transparent: True
svg.fonttype: none
svg.hashsalt: mine
path.sketch: 1, 100, 2
legend.loc: center
errorbar.capsize: 9
image.cmap: gray
date.epoch: 2000-01-01
interactive: True
backend: TkAgg
toolbar: toolmanager
"""
TWO = {"labels": ("constant", "linear"), "seeds": 3, "trials": 3}


def made(folder):
    """Every figure file by name."""
    return {
        path.name: path.read_bytes() for path in sorted(folder.rglob("*")) if path.suffix in (".png", ".svg", ".pdf")
    }


def draw(folder):
    """Figures of a study, and across two, in this process."""
    for name in ("one", "two"):
        report.build(folder / name, pdf=True)
    cross_study.build([folder / "one", folder / "two"], output=folder / "cross")
    return made(folder)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """Two studies and their figures as they are without any settings."""
    folder = tmp_path_factory.mktemp("plain")
    for name in ("one", "two"):
        results(folder / name, **TWO)
    with mpl.rc_context(mpl.rcParamsDefault):
        return folder, draw(folder)


def test_settings_of_the_process_change_no_byte_of_any_figure_and_stay_as_they_are(plain):
    folder, before = plain
    assert len(before) > 20
    with mpl.rc_context():
        styles.use(["classic", "dark_background", "ggplot", "fast"])
        mpl.rcParams.update({"text.usetex": True, "figure.dpi": 33, "axes.xmargin": 0.3, "savefig.bbox": "tight"})
        mpl.rcParams.update({"font.style": "italic", "path.sketch": (1, 100, 2), "svg.hashsalt": "mine"})
        mine = dict(mpl.rcParams)
        after = draw(folder)
        assert dict(mpl.rcParams) == mine
    assert [name for name in before if before[name] != after[name]] == []


UNREADABLE = b"font.family: \xff\xfe"


@pytest.mark.parametrize(
    ("content", "backend"),
    [(SETTINGS.encode(), "module://nowhere"), (UNREADABLE, "TkAgg"), (b"text.usetex True\nno.such: 1\n", "nonsense")],
    ids=["every kind of setting", "not readable as text", "no settings, and no such backend"],
)
def test_a_matplotlibrc_in_the_folder_and_a_backend_in_the_environment_change_no_byte(
    plain, content, backend, tmp_path
):
    folder, before = plain
    shutil.copytree(folder / "one", tmp_path / "one")
    (tmp_path / "matplotlibrc").write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-m", "harness.report", "one"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "MPLBACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, f"{Path('one') / 'report.html'}\n"), done.stderr
    assert "Traceback" not in done.stderr
    after = made(tmp_path / "one" / "figures")
    assert [name for name in after if name.endswith((".png", ".svg")) and after[name] != before[name]] == []


def test_settings_that_cannot_be_read_leave_environment_and_folder_alone(tmp_path):
    (tmp_path / "matplotlibrc").write_bytes(UNREADABLE)
    code = "import os, harness.report; print(os.getcwd(), os.environ['MPLBACKEND'], os.environ.get('MATPLOTLIBRC'))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "nonsense"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [str(tmp_path), "nonsense", str(os.environ.get("MATPLOTLIBRC"))]
