"""What a person sees while a study runs: the leaderboard's order and numbers, and reasons that look like markup."""

import dataclasses
import io
import json

import pytest
from rich.console import Console

from harness.driver import progress
from harness.results import load
from harness.results.record import RunRecord
from tests.report.example import results
from tests.study.conftest import make


@pytest.fixture
def stored(tmp_path):
    """Records of a study under way: exponential is still searched, the others are being confirmed."""
    runs = load(results(tmp_path / "study", seeds=2, trials=3)).runs
    runs = runs[(runs["schedule"] != "exponential") | (runs["phase"] == "search")]
    fields = {each.name for each in dataclasses.fields(RunRecord)}
    found = {}
    for row in runs.to_dict("records"):
        kept = {name: value for name, value in row.items() if name in fields}
        kept |= {
            "params": {},
            "losses": {},
            "scores": {"fid_digits_5k": row["fid_digits_5k"]},
            "versions": json.loads(row["versions"]),
        }
        found[row["run"]] = RunRecord(**kept)
    return found


def drawn(show):
    console = Console(file=io.StringIO(), width=120, force_terminal=False)
    show(console)
    return console.file.getvalue()


def test_the_leaderboard_is_led_by_the_best_confirmed_schedule(stored, tmp_path):
    tally = progress.Tally(make(), "fid_digits_5k", 2, stored)
    board = progress.LiveDisplay(tally, Console(file=io.StringIO()), tmp_path)._leaderboard()
    rows = [line.split() for line in drawn(lambda console: console.print(board)).splitlines()[1:]]
    assert [row[0] for row in rows] == ["linear", "constant", "exponential"]
    means = [stored[f"confirm-linear-p000-r00{seed}"].scores["fid_digits_5k"] for seed in (0, 1)]
    assert rows[0][1:] == ["5", f"{sum(means) / 2:.3f}", "mean", "of", "2", "confirm"]
    best = min(record.scores["fid_digits_5k"] for record in stored.values() if record.schedule == "exponential")
    assert rows[2][1:] == ["3", f"{best:.3f}", "best", "of", "3", "search"]


def test_a_reason_is_printed_as_it_is(stored):
    lost = dataclasses.replace(next(iter(stored.values())), status="failed", reason="[/red] cannot read [bold]/data[/]")
    tally = progress.Tally(make(), "fid_digits_5k", 2, {})
    said = drawn(lambda console: progress.PlainDisplay(tally, console).ended(lost))
    assert "failed: [/red] cannot read [bold]/data[/]" in " ".join(said.split())


def test_the_time_remaining_follows_from_the_mean_time_of_stored_runs(stored):
    tally = progress.Tally(make(), "fid_digits_5k", 2, {})
    assert tally.remaining == "time remaining not known yet"
    for record in stored.values():
        tally.add(dataclasses.replace(record, seconds=60.0))
    tally.total = len(stored) + 8  # 8 runs of a minute, two at a time
    assert (tally.seconds_remaining, tally.remaining) == (240.0, "about 4 min remaining")
    said = drawn(lambda console: progress.PlainDisplay(tally, console).ended(next(iter(stored.values()))))
    assert said.endswith("about 4 min remaining\n")


def test_a_schedule_without_a_finished_run_stands_last_whatever_the_scores(stored):
    lost = {name: dataclasses.replace(record, status="diverged") for name, record in stored.items()}
    lost |= {name: record for name, record in stored.items() if record.schedule == "exponential"}
    lost = {name: record for name, record in lost.items() if record.schedule != "constant"}
    standings = progress.Tally(make(), "fid_digits_5k", 2, lost).standings()
    assert [(each.schedule, each.caption, each.lost) for each in standings] == [
        ("exponential", "best of 3 search", 0),
        ("constant", "", 0),
        ("linear", "", 5),
    ]
