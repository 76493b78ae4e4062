"""Looks of a replicated study as they come: lines, standings, runs to come; schedules added later move no verdict."""

import io
import itertools
import math

import pytest
from rich.console import Console

from harness.driver import progress
from harness.driver.looks import Looks
from harness.driver.queue import Queue, summary
from harness.plan import stages
from harness.spec import Planned
from harness.stats import power
from tests.study.conftest import trained
from tests.study.test_engine import PRIMARY, Instant
from tests.study.test_replicates import scored, study

EACH = 3 + 2  # runs of a schedule in a replicate
FAR = {"linear": -5.0, "exponential": 0.0}


def following(spec, score, *, outcomes=None, planned=None):
    """Train the plan; what a look would show after each run: (design, lines, runs to the next look, and to the end)."""
    queue = Queue(spec, dict(outcomes or {}), planned)
    looks, seen = Looks(queue.confirmed), []
    stored = {run.run: run for run in trained(spec, score)[0]} if outcomes else {}
    looks.count(stored[run] for run in outcomes or {})
    while queue.ready:
        before = looks.to_next, looks.to_end
        design = queue.take()
        queue.ended(design.run, score(design))
        looks.count([design])
        seen.append((design, looks.taken(), *before))
    return seen, looks


def test_a_line_is_said_when_a_look_is_taken_and_runs_to_come_are_counted_exactly():
    spec = study(most=20)
    score = scored(FAR, noise=0.0001)
    seen, looks = following(spec, score)
    lines = [line for _, said, *_ in seen for line in said]
    assert [line.split(":")[0] for line in lines] == [
        f"look {number} of 4 ({n} replicates)" for number, n in enumerate((8, 12, 16, 20), start=1)
    ]
    first = power.deciding(spec.replicates.looks, 2, spec.question.alpha)[0]
    (deciding,) = [line for line in lines if "linear better (\N{MINUS SIGN}5, p " in line]
    assert f"({first} replicates)" in deciding
    assert "exponential undecided (" in lines[-1]
    assert not lines[-1].endswith("goes on")
    # What was said to be missing for a look is what was trained until then.
    to_next = [missing for *_, missing, _ in seen]
    at = [place for place, (_, said, *_) in enumerate(seen) if said]
    for begin, end in zip([0, *(place + 1 for place in at)], at, strict=False):
        assert to_next[begin : end + 1] == list(range(end + 1 - begin, 0, -1))
    assert seen[0][3] == sum(sum(group.values()) for group in stages.size(spec).values())
    assert (looks.to_next, looks.to_end) == (0, 0)
    to_end = [missing for *_, missing in seen]
    assert all(after <= before - 1 for before, after in itertools.pairwise(to_end))


def test_what_is_over_is_not_said_again_when_a_study_is_resumed():
    spec, score = study(most=20), scored(FAR, noise=0.3)
    whole, _ = following(spec, score)
    lines = [(place, said) for place, (_, said, *_) in enumerate(whole) if said]
    cut = lines[1][0] + 3
    outcomes = {design.run: score(design) for design, *_ in whole[:cut]}
    rest, _ = following(spec, score, outcomes=outcomes)
    assert [said for _, said, *_ in rest if said] == [said for _, said in lines[2:]]
    assert [missing for *_, missing in rest] == [missing for *_, missing in whole[cut:]]


def test_replicates_beyond_the_plan_are_counted_for_what_is_undecided():
    spec, score = study(most=8, beyond=6), scored({}, noise=1.0)
    seen, looks = following(spec, score)
    assert looks.judged()["linear"].verdict == "undecided"
    assert seen[0][3] == 14 * 3 * EACH
    (place,) = [place for place, (_, said, *_) in enumerate(seen) if said]
    assert seen[place + 1][2:] == (6 * 3 * EACH, 6 * 3 * EACH)
    assert "6 replicates beyond the plan" in looks.heading


@pytest.mark.parametrize("effect", [-5.0, 0.0, 5.0])
def test_a_schedule_added_later_is_judged_by_itself_and_moves_no_verdict(effect):
    score = scored({"linear": -5.0, "exponential": -0.0002, "cosine": effect}, noise=0.0003)
    before, queue = trained(study(most=16), score)
    outcomes = {each.run: score(each) for each in before}
    grown = study(most=16, more="[schedules.cosine]\n")
    planned = Planned.of(study(most=16))
    later = Queue(grown, dict(outcomes), planned)
    while later.ready:
        design = later.take()
        assert design.schedule in ("cosine", "constant")
        later.ended(design.run, score(design))
    judged = later.confirmed.judged()
    assert {label: judged[label] for label in queue.confirmed.judged()} == queue.confirmed.judged()
    assert judged["cosine"].done
    alone = trained(study(most=16, more="[schedules.cosine]\n"), score)[1].confirmed.judged()
    assert judged["cosine"].p_holm <= alone["cosine"].p_holm
    chosen = trained(study(most=16), score)[1].chosen
    assert {place: later.chosen[place] for place in chosen} == chosen
    queue = Queue(grown, dict(outcomes), planned)
    looks, lines = Looks(queue.confirmed), []
    while queue.ready:
        design = queue.take()
        queue.ended(design.run, score(design))
        lines += looks.taken()
    assert lines
    assert not any("linear" in line or "exponential" in line for line in lines)


@pytest.fixture
def conducted():
    """A tally of a replicated study that was conducted, and what a plain display said of it."""
    spec = study(most=8)
    queue = Queue(spec, {})
    looks = Looks(queue.confirmed)
    tally = progress.Tally(spec, PRIMARY, 2, {}, looks=looks)
    console = Console(file=io.StringIO(), width=140)
    display = progress.PlainDisplay(tally, console)
    executor = Instant(
        fate=lambda design, attempt: "diverged" if design.run == "confirm-linear-t003-p000-r000" else "finished"
    )
    while queue.ready:
        record = executor.submit(queue.take()).result().record
        queue.ended(record.run, summary(record, PRIMARY))
        display.ended(record)
    return tally, console.file.getvalue()


def test_the_plain_display_says_runs_at_most_time_to_the_next_look_and_what_it_says(conducted):
    tally, text = conducted
    lines = text.splitlines()
    total = 8 * 3 * EACH
    assert lines[0].startswith(f"[1/at most {total}] search-")
    assert lines[-1].startswith("look 1 of 1 (8 replicates): linear ")
    assert len(lines) == total + 1
    assert tally.remaining == "about 0 s remaining"


def test_the_leaderboard_shows_replicates_means_differences_and_the_looks(conducted, tmp_path):
    tally, _ = conducted
    console = Console(file=io.StringIO(), width=140)
    console.print(progress.LiveDisplay(tally, console, tmp_path)._leaderboard())
    heading, _, *rows = console.file.getvalue().splitlines()
    assert heading.startswith("look 1 of 1 after 8 replicates; the last")
    cells = {row.split()[0]: row.split() for row in rows}
    values = tally.looks.confirmed.values("constant")
    assert cells["constant"][1:] == ["8", f"{values.mean():.3f}", "baseline"]
    finite = [value for value in tally.looks.confirmed.values("exponential") if math.isfinite(value)]
    assert cells["exponential"][2] == f"{sum(finite) / len(finite):.3f}"
    difference = f"{(tally.looks.confirmed.values('exponential') - values).mean():+.3g}".replace("-", "\N{MINUS SIGN}")
    assert cells["exponential"][3:] == [difference, *cells["exponential"][4:5], "after", "8"]
    lost = int(sum(math.isinf(value) for value in tally.looks.confirmed.values("linear")))
    assert (cells["linear"][-1] == "1") == bool(lost)


def test_under_the_relative_scale_differences_are_per_cent_and_means_geometric():
    spec = study(most=8, more='[question]\nscale = "relative"\n')
    seen, looks = following(spec, scored({"linear": -1.5}, noise=0.0))
    (line,) = [line for _, said, *_ in seen for line in said]
    assert "linear better (\N{MINUS SIGN}50 %, p " in line  # 1.5 / 3 is half
    assert looks.score("constant") == pytest.approx(3.0)
