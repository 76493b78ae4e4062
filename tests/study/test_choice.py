"""Choosing by a curve: closed forms, what must not matter, what falls back; the committed measurements."""

import math
import statistics
import time

import numpy as np
import pandas as pd
import pytest

from benchmarks import choice as benchmark
from harness import stats
from harness.plan.choice import choose
from harness.plan.outcomes import TrialSummary
from harness.spec import Range
from harness.stats import response
from tests.study.conftest import make, trained

PEAK = {"peak": Range(low=1e-4, high=1e-2, log=True)}


def at(*fractions, limits=PEAK["peak"]):
    """Peak rates at fractions of the range."""
    return [{"peak": limits.at(fraction)} for fraction in fractions]


def bowl(fractions, *, best=0.6):
    """Scores that are a quadratic of the log rate, in their logarithms."""
    return [math.exp(1 + (fraction - best) ** 2) for fraction in fractions]


@pytest.mark.parametrize("best", [0.0, 0.2, 0.5, 0.83, 1.0])
def test_without_noise_the_true_best_is_chosen(best):
    fractions = np.linspace(0, 1, 13)
    found = choose("curve", at(*fractions), PEAK, bowl(fractions, best=best))
    assert found.method == "curve"
    # At an end of the range, where the curve is least sure, its neighbour may be: a score worse by 0.7 %.
    assert bowl(fractions, best=best)[found.place] <= 1.007 * math.e
    assert found.fitted == pytest.approx(bowl(fractions, best=best), rel=0.1)


def test_one_lucky_run_among_worse_neighbours_is_not_chosen():
    fractions = np.linspace(0, 1, 16)
    scores = bowl(fractions)
    scores[1] = 0.95 * min(scores)
    assert choose("best", at(*fractions), PEAK, scores).place == 1
    assert abs(fractions[choose("curve", at(*fractions), PEAK, scores).place] - 0.6) < 0.1


def generalised_least_squares(x, y, x_new, noise):
    """Mean and variance by the textbook's inverse of the covariance (Rasmussen & Williams 2006, 2.41 and 2.42)."""
    kernel = lambda a, b: np.exp(-((a[:, None] - b) ** 2) / (2 * response.LENGTH**2))  # noqa: E731
    inverse = np.linalg.inv(kernel(x, x) + noise * np.eye(len(x)))
    ones = np.ones(len(x))
    level = ones @ inverse @ y / (ones @ inverse @ ones)
    scale = (y - level) @ inverse @ (y - level) / (len(x) - 1)
    across = kernel(x_new, x)
    mean = level + across @ inverse @ (y - level)
    unknown = 1 - across @ inverse @ ones
    variance = 1 - np.einsum("ij,jk,ik->i", across, inverse, across) + unknown**2 / (ones @ inverse @ ones)
    return mean, scale * variance


def test_the_curve_is_the_gaussian_process_of_the_textbook(monkeypatch):
    monkeypatch.setattr(response, "NOISES", (0.3,))
    x, new = np.array([0.1, 0.35, 0.4, 0.8, 0.95]), np.array([-0.2, 0.1, 0.5, 1.0])
    y = np.array([1.2, 0.7, 0.9, 0.6, 1.5])
    curve = response.through(at(*x), PEAK, y)
    low, high = math.log(1e-4), math.log(1e-2)
    mean, deviation = curve.at([{"peak": math.exp(low + (high - low) * each)} for each in new])
    expected, variance = generalised_least_squares(x, y, new, 0.3)
    assert mean == pytest.approx(expected, rel=1e-9)
    assert deviation**2 == pytest.approx(variance, rel=1e-9)


def test_two_levels_of_noise_are_weighted_by_the_restricted_likelihood(monkeypatch):
    x, y = np.array([0.1, 0.4, 0.5, 0.9]), np.array([1.2, 0.7, 0.9, 1.5])
    ones, likelihoods, means = np.ones(4), [], []
    for noise in (0.1, 1.0):
        covariance = np.exp(-((x[:, None] - x) ** 2) / (2 * response.LENGTH**2)) + noise * np.eye(4)
        inverse = np.linalg.inv(covariance)
        mean, _ = generalised_least_squares(x, y, x, noise)
        level = ones @ inverse @ y / (ones @ inverse @ ones)
        square = (y - level) @ inverse @ (y - level)
        determinants = np.linalg.det(covariance) * (ones @ inverse @ ones)
        likelihoods.append(determinants**-0.5 * square**-1.5)
        means.append(mean)
    monkeypatch.setattr(response, "NOISES", (0.1, 1.0))
    curve = response.through(at(*x), PEAK, y)
    weights = np.array(likelihoods) / sum(likelihoods)
    assert curve.weights == pytest.approx(weights, rel=1e-9)
    assert curve.at(at(*x))[0] == pytest.approx(weights @ means, rel=1e-9)


def drawn(seed, count, *, params=1):
    rng = np.random.default_rng(seed)
    return rng.random((count, params)), np.exp(1 + 0.2 * rng.normal(size=count)).tolist()


@pytest.mark.parametrize("count", [3, 4, 8, 16])
def test_order_of_runs_and_units_of_scores_and_rates_do_not_matter(count):
    for seed in range(10):
        fractions, scores = drawn(seed, count)
        params = at(*fractions[:, 0])
        found = choose("curve", params, PEAK, scores)
        order = np.random.default_rng(seed).permutation(count)
        shuffled = choose("curve", [params[each] for each in order], PEAK, [scores[each] for each in order])
        assert order[shuffled.place] == found.place
        tenfold = choose("curve", params, PEAK, [10 * each for each in scores])
        assert tenfold.order == found.order
        assert tenfold.fitted == pytest.approx([10 * each for each in found.fitted], rel=1e-9)
        scaled = {"peak": Range(low=1.0, high=100.0, log=True)}
        assert choose("curve", at(*fractions[:, 0], limits=scaled["peak"]), scaled, scores).order == found.order


def test_only_ranks_matter_to_the_choice_so_that_a_score_may_be_negative_or_far_off():
    fractions, scores = drawn(3, 8)
    params = at(*fractions[:, 0])
    found = choose("curve", params, PEAK, scores)
    for change in (np.log, lambda values: np.subtract(values, 100.0), lambda values: np.exp(np.multiply(values, 9))):
        assert choose("curve", params, PEAK, list(change(scores))).order == found.order


def test_normal_scores_by_hand():
    """Blom: (3 - 3/8) / (5 + 1/4) = 1/2 is the middle of five; equal values share a rank."""
    found = response.normal_scores(np.array([3.0, 1.0, math.inf, 2.0, math.inf]))
    assert found[0] == pytest.approx(0)
    assert found[2] == found[4] == pytest.approx(statistics.NormalDist().inv_cdf((4.5 - 0.375) / 5.25))
    assert found[1] == pytest.approx(statistics.NormalDist().inv_cdf(0.625 / 5.25))


def test_equal_runs_give_an_equal_choice_and_fast():
    for count in (16, 200):
        fractions, scores = drawn(1, count, params=2)
        ranges = PEAK | {"final": Range(low=0.0, high=1.0)}
        params = [{"peak": PEAK["peak"].at(a), "final": b, "warmup": 0.0} for a, b in fractions]
        first = choose("curve", params, ranges, scores)
        started = time.process_time()
        assert choose("curve", params, ranges, scores) == first
        assert time.process_time() - started < (0.05 if count == 16 else 2.0)
        assert sorted(first.order) == list(range(count))


def test_runs_that_did_not_finish_are_worst_and_turn_the_curve_up():
    fractions = np.linspace(0, 1, 9)
    scores = [math.exp(1 - 0.3 * each) for each in fractions]
    assert choose("curve", at(*fractions), PEAK, scores).place == 8
    broken = [*scores[:6], None, scores[7], None]
    assert choose("best", at(*fractions), PEAK, broken).order == (7, 5, 4, 3, 2, 1, 0, 6, 8)
    found = choose("curve", at(*fractions), PEAK, broken)
    assert found.place < 6
    assert set(found.order[-2:]) == {6, 8}


@pytest.mark.parametrize(
    ("fractions", "scores", "place", "reason"),
    [
        ((0.2, 0.8), [2.0, 1.0], 1, "2 of 2 search runs finished, and a curve needs 3"),
        ((0.1, 0.2, 0.3, 0.4), [None, 2.0, 1.0, None], 2, "2 of 4 search runs finished, and a curve needs 3"),
        ((0.1, 0.2, 0.3), [None, None, None], 0, "0 of 3 search runs finished, and a curve needs 3"),
        ((0.1, 0.2, 0.3), [1.5, 1.5, 1.5], 0, "all search runs have the same score"),
        ((0.5, 0.5, 0.5), [2.0, 1.0, 3.0], 1, "all search runs have the same parameters"),
    ],
)
def test_without_a_curve_the_best_run_is_chosen_and_says_why(fractions, scores, place, reason):
    found = choose("curve", at(*fractions), PEAK, scores)
    assert (found.place, found.method, found.fitted) == (place, "best", ())
    assert found.note == f"chosen by the best run: {reason}"
    plain = choose("best", at(*fractions), PEAK, scores)
    assert (plain.order, plain.note) == (found.order, "")


def test_a_search_without_a_range_has_no_curve():
    found = choose("curve", [{"peak": 1e-3}] * 3, {}, [2.0, 1.0, 3.0])
    assert (found.place, found.note) == (1, "chosen by the best run: all search runs have the same parameters")


def lucky(design):
    """Scores of a bowl in the peak rate with the best run far from its bottom."""
    rate = math.log10(design.values["peak"])
    score = 3.0 + (rate + 2.6) ** 2
    return TrialSummary("finished", 2.9 if design.point == 3 and design.phase == "search" else score, 40)


def test_the_plan_confirms_what_the_curve_chooses():
    best, curve = make(trials=16), make(trials=16)
    curve = curve.model_copy(update={"search": curve.search.model_copy(update={"choice": "curve"})})
    points = {}
    for name, spec in (("best", best), ("curve", curve)):
        confirmed = [each for each in trained(spec, lucky)[0] if each.phase == "confirm"]
        points[name] = {each.schedule: each.values["peak"] for each in confirmed}
        assert name == "curve" or {each.point for each in confirmed} == {3}
    for label in ("constant", "linear"):
        assert abs(math.log10(points["curve"][label]) + 2.6) < abs(math.log10(points["best"][label]) + 2.6)


def test_the_second_look_is_at_the_top_few_of_the_curve():
    spec = make(trials=16, top=3)
    spec = spec.model_copy(update={"search": spec.search.model_copy(update={"choice": "curve"})})
    looked = {each.values["peak"] for each in trained(spec, lucky)[0] if each.phase == "select"}
    assert len(looked) <= 3 * 3
    assert max(abs(math.log10(rate) + 2.6) for rate in looked) < 1


def table(scores, fractions):
    return pd.DataFrame(
        {
            "schedule": "linear",
            "phase": "search",
            "status": ["finished" if each is not None else "diverged" for each in scores],
            "params_peak": [each["peak"] for each in at(*fractions)],
            "fid": scores,
        }
    )


def test_the_table_of_the_curve_goes_through_what_was_chosen_by():
    fractions = np.linspace(0, 1, 9)
    scores = [*bowl(fractions)[:8], None]
    found = stats.curve_table(table(scores, fractions), {"linear": PEAK}, score="fid", points=9)
    chosen = choose("curve", at(*fractions), PEAK, scores)
    assert found["fitted"].to_list() == pytest.approx(chosen.fitted)
    assert (found["low"] <= found["fitted"]).all()
    assert (found["fitted"] <= found["high"]).all()
    assert found["high"].iloc[:8].idxmin() == chosen.place


def test_a_schedule_without_a_curve_has_a_row_that_says_why():
    runs = table([2.0, 1.0], [0.2, 0.8])
    found = stats.curve_table(runs, {"linear": PEAK, "cosine": {}}, score="fid")
    assert found["note"].to_list() == ["2 of 2 search runs finished, and a curve needs 3", "peak is not searched"]
    assert found["fitted"].isna().all()
    assert list(stats.curve_table(runs, {}, score="fid")) == list(found)


def true_scores(noise):
    """A table of truth of two schedules with a bowl each, 16 points and 6 seeds."""
    fractions, rng = (np.arange(16) + 0.5) / 16, np.random.default_rng(0)
    level = np.array([bowl(fractions, best=best) for best in (0.4, 0.7)])
    noisy = level[..., None] * np.exp(noise * rng.normal(size=(2, 16, 6)))
    labels = ("constant", "linear")
    return benchmark.Truth(
        table="bowls",
        weights="raw",
        scores=dict(zip(labels, noisy, strict=True)),
        params=dict.fromkeys(labels, at(*fractions)),
        ranges=dict.fromkeys(labels, PEAK),
    )


def test_without_noise_the_best_run_is_the_best_known_and_nothing_varies_but_the_points():
    score, spread = benchmark.simulate(true_scores(0.0), 16, 20)
    for row in score:
        assert row["change"] >= -1e-9
        if row["method"] in ("best", "curve", benchmark.KNOWN):
            assert row["score"] == pytest.approx(math.e, rel=0.002)
    found = {(row["method"], row["schedule"]): row for row in spread}
    assert found["best", "linear"]["sd_replicate"] == pytest.approx(0, abs=1e-9)


def test_what_a_second_look_saw_is_not_in_its_true_score():
    search = benchmark.draw(true_scores(0.2), 8, np.random.default_rng(1))["linear"]
    scores = benchmark.chosen(search, benchmark.SECOND)
    assert set(search.further[:1]) <= set(np.flatnonzero(np.isnan(scores)))
    assert np.isnan(benchmark.chosen(search, "best")).sum() == 1


def test_the_committed_page_follows_from_its_tables():
    tables = benchmark.load(benchmark.FOLDER)
    text = (benchmark.FOLDER / "README.md").read_text(encoding="utf-8")
    assert benchmark.page(tables) == text
