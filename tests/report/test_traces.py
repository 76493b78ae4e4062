"""The figure of training losses: where it is drawn, and what it is a mean of."""

import numpy as np
import pandas as pd

from harness import report
from harness.report.analysis import Analysis
from harness.results import load
from tests.report.example import figures_of, results


def test_losses_are_drawn_where_traces_are_stored_and_nowhere_else(tmp_path):
    traced = results(
        tmp_path / "new", traced=True, diverged=lambda label, phase, place: phase == "confirm" and place < 2
    )
    report.build(traced)
    shown = figures_of(Analysis(load(traced)))["losses"][1]
    assert (
        "mean over 6 finished runs per schedule, at most 40 single runs faint (those that diverged end early)"
        in shown.caption
    )
    assert "the mean over the 20 steps since the point before it" in shown.caption
    assert "constant 1.07 and 2" in shown.alt  # 1 + 20/300 and 1 + 20/280, 2
    for kind in ("png", "svg"):
        assert (traced / "figures" / f"losses.{kind}").is_file()
    assert "](figures/losses.png)" in (traced / "report.md").read_text(encoding="utf-8")
    assert 'id="figure-losses"' in (traced / "report.html").read_text(encoding="utf-8")
    assert report.stale(traced) == []
    old = results(tmp_path / "old")
    report.build(old)
    assert not (old / "figures" / "losses.svg").exists()
    assert "losses.png" not in (old / "report.md").read_text(encoding="utf-8")
    assert "figure-losses" not in (old / "report.html").read_text(encoding="utf-8")


def test_the_mean_loss_is_of_finished_runs_and_axes_show_nearly_all_points(tmp_path):
    folder = results(tmp_path, traced=True, diverged=lambda label, phase, place: phase == "confirm" and place == 0)
    frame = pd.read_csv(folder / "traces.csv")
    frame.loc[frame["run"] == "confirm-linear-p000-r000", "loss_generator"] = 1e30  # on its way to diverging
    frame.to_csv(folder / "traces.csv", index=False)
    made = figures_of(Analysis(load(folder)))["losses"][0]
    panel = made.axes[0]
    mean = next(line for line in panel.lines if line.get_label() == "linear")
    np.testing.assert_allclose(mean.get_ydata(), 1 + 20 / np.arange(20, 301, 20), rtol=1e-5)
    assert panel.get_ylim()[1] < 2.2
