"""Load a results folder and draw a figure of it: python examples/compare.py results/quick compare.png"""

from __future__ import annotations

import sys
from pathlib import Path

import harness
from harness import stats
from harness.report import figures


def main(folder: str, output: str) -> None:
    """Print each schedule's mean final score and save the dots of every confirmation run as `output`."""
    results = harness.load_results(folder)
    study, runs = results.study, results.runs  # the facts of study.json, and a DataFrame with one row per run
    schedules, score = study.schedules, study.primary

    confirmed = runs[(runs["phase"] == "confirm") & runs["chosen"]]  # fresh seeds: what verdicts rest on
    finished = confirmed[confirmed["status"] == "finished"]
    print(finished.groupby("schedule")[score].agg(["count", "mean", "std"]).reindex(schedules))

    # results.curves has one row per run and evaluation; keep the same runs
    curves = results.curves[results.curves["run"].isin(finished["run"])]
    bands = stats.curve_bands(curves, score=score)  # means over seeds with 95 % t intervals
    drawn = figures.anytime(curves, bands, schedules=schedules, score=score, label=score)
    drawn.savefig(Path(output), dpi=160)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(f"usage: {sys.argv[0]} RESULTS_FOLDER PICTURE")
    main(sys.argv[1], sys.argv[2])
