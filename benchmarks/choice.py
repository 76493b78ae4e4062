"""Which way to choose a configuration from a search's runs finds the best: `python -m benchmarks.choice`.

A table of truth has scores of every search point with every seed. `--truth FOLDER`: results whose phase `select` trained every
point with the same fresh seeds. `--pool FOLDER …`: results of one study that differ in its seed alone, whose n Sobol' points lie one in
each n-th of the range of the rate; that part is the point, the study is the seed. Searches are drawn from a table, one seed a
point, each way chooses, and the score of what it chose is the mean over the seeds that it did not see there. Writes the scores drawn
from, the tables and their README to results/choice/; without either option it draws from the scores there.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from harness import spec as specs
from harness.plan.choice import choose
from harness.scores import EMA
from harness.spec import Range
from harness.stats import response

FOLDER = Path(__file__).resolve().parents[1] / "results" / "choice"
TRIALS = (3, 4, 8, 16)
LENGTHS = (0.125, 0.25, 0.5, 1.0, 2.0)  # from which the likelihood may choose
LEAST_SEEDS = 4  # a second look sees three at one point
WORTH = 0.25  # per cent that a way must gain on average, and lose in no table, to be recommended
SECOND_LOOK = {8: (6, 2, 1), 16: (10, 3, 2)}  # runs in all: search points, the top few of them, further seeds of each


@dataclass(frozen=True)
class Truth:
    """Scores of every point and seed, (points, seeds), by schedule, and where the points lie."""

    table: str
    weights: str
    scores: Mapping[str, np.ndarray]
    params: Mapping[str, list[dict[str, float]]]
    ranges: Mapping[str, Mapping[str, Range]]

    @property
    def baseline(self) -> str:
        """The schedule that the others are compared with: the first."""
        return next(iter(self.scores))


@dataclass(frozen=True)
class Search:
    """One search of one schedule: its points, the seed of each point's run, further seeds."""

    truth: Truth
    schedule: str
    points: np.ndarray
    seeds: np.ndarray
    further: np.ndarray

    @property
    def scores(self) -> np.ndarray:
        """One score a point."""
        return self.truth.scores[self.schedule][self.points, self.seeds]

    @property
    def params(self) -> list[dict[str, float]]:
        """Parameters of each point."""
        return [self.truth.params[self.schedule][point] for point in self.points]

    @property
    def ranges(self) -> Mapping[str, Range]:
        """What is searched, and where."""
        return self.truth.ranges[self.schedule]

    @property
    def log_rates(self) -> np.ndarray:
        """Logarithm of each point's peak rate."""
        return np.log([each["peak"] for each in self.params])

    def unseen(self, place: int, seen: int) -> float:
        """Mean score of a point over all seeds but one."""
        scores = self.truth.scores[self.schedule][self.points[place]]
        return float(np.delete(scores, seen).mean())


def best(search: Search) -> int:
    """The best run."""
    return int(search.scores.argmin())


def curve(search: Search) -> int:
    """The harness's own curve: lowest for sure."""
    return choose("curve", search.params, search.ranges, search.scores.tolist()).place


def lowest_mean(search: Search) -> int:
    """The same curve, where its mean is lowest, however uncertain."""
    normal = response.normal_scores(search.scores)
    return int(response.through(search.params, search.ranges, normal).at(search.params)[0].argmin())


def of_logarithms(search: Search) -> int:
    """The same way of choosing by a curve through the logarithms of the scores."""
    return int(response.through(search.params, search.ranges, np.log(search.scores)).sure(search.params).argmin())


def likely(search: Search) -> int:
    """The same way of choosing by the curve of the likeliest length."""
    normal = response.normal_scores(search.scores)
    curves = [response.through(search.params, search.ranges, normal, length=length) for length in LENGTHS]
    return int(max(curves, key=evidence).sure(search.params).argmin())


def quadratic(search: Search) -> int:
    """A quadratic in the log rate with Huber's weights (1.345, ten rounds), from four points on."""
    if len(search.points) < 4:
        return best(search)
    x, y = search.log_rates - search.log_rates.mean(), np.log(search.scores)
    weights = np.ones_like(y)
    for _ in range(10):
        fitted = np.polyval(np.polyfit(x, y, 2, w=np.sqrt(weights)), x)
        away = np.abs(y - fitted)
        weights = np.minimum(1, 1.345 * max(np.median(away) / 0.6745, 1e-9) / np.maximum(away, 1e-12))
    return int(fitted.argmin())


def neighbour(search: Search) -> int:
    """Three quarters of a run's own log score and one quarter of its nearest neighbour's on the log axis."""
    apart = np.abs(search.log_rates[:, None] - search.log_rates)
    np.fill_diagonal(apart, math.inf)
    y = np.log(search.scores)
    return int((0.75 * y + 0.25 * y[apart.argmin(axis=1)]).argmin())


def evidence(curve: response.Process) -> float:
    """Logarithm of the restricted likelihood of a curve's length, over the ratios of noise."""
    norms, freedom = (curve.precisions * curve.ones**2).sum(axis=1), len(curve.ones) - 1
    each = (np.log(curve.precisions).sum(axis=1) - np.log(norms) - freedom * np.log(curve.variances)) / 2
    return float(np.logaddexp.reduce(each))


WAYS: dict[str, Callable[[Search], int]] = {
    "best": best,
    "curve": curve,
    "curve, lowest mean": lowest_mean,
    "curve of logarithms": of_logarithms,
    "curve, likeliest length": likely,
    "robust quadratic": quadratic,
    "nearest neighbour": neighbour,
}
SECOND, KNOWN = "second look", "best known"  # other seeds at the top few; the bound: the best point, were it known
METHODS = (*WAYS, SECOND, KNOWN)


def looked_again(search: Search, top: int, seeds: int) -> tuple[int, np.ndarray]:
    """What [select] chooses: among the top few the best mean of further seeds; and the seeds seen there."""
    places = np.argsort(search.scores, kind="stable")[:top]
    again = search.further[:seeds]
    scores = search.truth.scores[search.schedule]
    place = min(places, key=lambda place: scores[search.points[place], again].mean())
    return int(place), np.union1d(again, search.seeds[place])


def chosen(search: Search, method: str) -> np.ndarray:
    """Scores of the configuration that a way chooses, (seeds,); NaN of the seeds that it saw there."""
    if method == SECOND:
        points, top, seeds = SECOND_LOOK[len(search.points)]
        part = Search(search.truth, search.schedule, search.points[:points], search.seeds[:points], search.further)
        place, seen = looked_again(part, top, seeds)
    elif method == KNOWN:
        place, seen = min(
            ((each, search.seeds[each]) for each in range(len(search.points))), key=lambda each: search.unseen(*each)
        )
    else:
        place = WAYS[method](search)
        seen = search.seeds[place]
    scores = search.truth.scores[search.schedule][search.points[place]].copy()
    scores[seen] = np.nan
    return scores


def draw(truth: Truth, trials: int, rng: np.random.Generator) -> dict[str, Search]:
    """A search of every schedule: the same points, spread over the rates as a Sobol' sequence is, and the same seeds."""
    seeds = truth.scores[truth.baseline].shape[1]
    if seeds < LEAST_SEEDS:
        raise ValueError(f"{truth.table} has {seeds} seeds, but allowed is at least {LEAST_SEEDS}")
    rates = [each["peak"] for each in truth.params[truth.baseline]]
    bins = np.array_split(np.argsort(rates), 1 << (trials - 1).bit_length())
    places = np.array([rng.choice(bins[each]) for each in rng.permutation(len(bins))[:trials]])
    of_points = rng.permutation(np.resize(rng.permutation(seeds), trials))
    further = rng.permutation(seeds)
    return {label: Search(truth, label, places, of_points, further) for label in truth.scores}


def simulate(truth: Truth, trials: int, draws: int) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """Rows of the tables `score` (by schedule) and `spread` (of the difference between schedules)."""
    rng = np.random.default_rng([trials, draws])
    methods = [name for name in METHODS if name != SECOND or trials in SECOND_LOOK]
    labels = list(truth.scores)
    found = np.array(  # (draws, methods, schedules, seeds)
        [
            [[chosen(search[label], name) for label in labels] for name in methods]
            for search in (draw(truth, trials, rng) for _ in range(draws))
        ]
    )
    world = {"table": truth.table, "weights": truth.weights, "trials": trials}
    true = np.nanmean(found, axis=-1)
    gained = 100 * np.log(true / true[:, :1])
    score, spread = [], []
    for place, name in enumerate(methods):
        for column, label in enumerate(labels):
            score.append(
                world
                | {
                    "method": name,
                    "schedule": label,
                    "score": true[:, place, column].mean(),
                    "change": gained[:, place, column].mean(),
                    "error": gained[:, place, column].std(ddof=1) / math.sqrt(draws),
                    "draws": draws,
                }
            )
        for column, label in enumerate(labels[1:], start=1):
            spread.append(
                world
                | {
                    "method": name,
                    "schedule": label,
                    "sd_chosen": (true[:, place, column] - true[:, place, 0]).std(ddof=1),
                    # Of one confirmation run each: every seed that neither choice has seen, as often as it was not seen.
                    "sd_replicate": np.nanstd(found[:, place, column] - found[:, place, 0]),
                }
            )
    return score, spread


def of_select(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores of a folder's phase `select` by point and seed, with averaged weights too; the ranges of its parameters."""
    spec, runs = read(folder, "select")
    counts = runs.groupby(["schedule", "point"])["repetition"].nunique()
    if runs.empty or counts.nunique() > 1:
        raise ValueError(f"{folder}: a table of truth has the same number of runs of phase select for every point")
    table = f"{spec.data.name}, {spec.train.steps:,} steps"
    return runs.assign(table=table), ranges_of(spec, spec.schedules).assign(table=table)


def of_pool(folders: list[Path]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The same of search runs of studies that differ in their seed: of schedules that search the peak rate alone."""
    found = []
    for place, folder in enumerate(folders):
        spec, runs = read(folder, "search")
        labels = [label for label in spec.schedules if list(spec.sampled(label)) == ["peak"]]
        rates = runs[runs["schedule"].isin(labels)].copy()
        part = response.positions([{"peak": rate} for rate in rates["params_peak"]], spec.shared_space())[:, 0]
        rates["point"] = np.minimum(part * spec.search.trials, spec.search.trials - 1).astype(int)
        found.append(rates.assign(repetition=place))
    table = f"{spec.data.name}, {spec.train.steps:,} steps, pooled searches"
    return pd.concat(found).assign(table=table), ranges_of(spec, labels).assign(table=table)


def read(folder: Path, phase: str) -> tuple[specs.StudySpec, pd.DataFrame]:
    """A folder's study, and of the runs of one phase what a table of truth holds."""
    spec = specs.load(folder / "study.toml")
    runs = pd.read_csv(next(folder.glob("runs.csv*")))
    runs = runs[runs["phase"] == phase]
    if (runs["status"] != "finished").any():
        raise ValueError(f"{folder}: a table of truth needs every run of phase {phase} finished")
    raw = next(column for column in runs if column.startswith(f"{spec.question.score}_"))
    params = [
        f"params_{name}" for name in dict.fromkeys(each for label in spec.schedules for each in spec.sampled(label))
    ]
    columns = {
        "schedule": "schedule",
        "point": "point",
        "repetition": "repetition",
        raw: "raw",
        f"{raw}{EMA}": "averaged",
    }
    return spec, runs[[*columns, *params]].rename(columns=columns)


def ranges_of(spec: specs.StudySpec, labels: Iterable[str]) -> pd.DataFrame:
    """The ranges of all that each schedule searches."""
    return pd.DataFrame(
        [
            {"schedule": label, "parameter": name, **limits.model_dump()}
            for label in labels
            for name, limits in spec.sampled(label).items()
        ]
    )


def truths(scores: pd.DataFrame, ranges: pd.DataFrame) -> list[Truth]:
    """Every table of truth, by raw and by averaged weights, from all scores and all ranges."""
    found = []
    for table, frame in scores.groupby("table", sort=False):
        limits: dict[str, dict[str, Range]] = {}
        for row in ranges[ranges["table"] == table].to_dict("records"):
            limits.setdefault(row["schedule"], {})[row["parameter"]] = Range(
                low=row["low"], high=row["high"], log=bool(row["log"])
            )
        params = {}
        for label, own in limits.items():
            middle = frame[frame["schedule"] == label].groupby("point").median(numeric_only=True)
            params[label] = [{name: float(row[f"params_{name}"]) for name in own} for row in middle.to_dict("records")]
        for weights in ("raw", "averaged"):
            of_points = {
                label: frame[frame["schedule"] == label]
                .pivot(index="point", columns="repetition", values=weights)
                .to_numpy()
                for label in limits
            }
            found.append(Truth(str(table), weights, of_points, params, limits))
    return found


def load(folder: Path) -> dict[str, pd.DataFrame]:
    """The committed tables."""
    return {name: pd.read_csv(folder / f"{name}.csv") for name in ("scores", "ranges", "score", "spread")}


def _by(frame: pd.DataFrame, value: str, how: str, *, row: str = "method") -> str:
    """A Markdown table of `value`: a row per method, a column per weights and number of trials."""
    wide = frame.pivot_table(index=row, columns=["weights", "trials"], values=value, sort=False)
    if row == "method":
        wide = wide.reindex([name for name in METHODS if name in wide.index])
    wide.columns = [f"{weights}, {trials}" for weights, trials in wide.columns]
    return str(wide.map(lambda each: "" if pd.isna(each) else format(each, how)).reset_index().to_markdown(index=False))


def _noise(scores: pd.DataFrame) -> str:
    """The standard error of a point's mean over its seeds, in per cent, mean over points and schedules."""
    groups = scores.groupby(["schedule", "point"])
    found = {
        weights: (100 * groups[weights].std() / groups[weights].mean() / np.sqrt(groups[weights].count())).mean()
        for weights in ("raw", "averaged")
    }
    said = " and ".join(f"{error:.1f} % with {weights} weights" for weights, error in found.items())
    return f"the mean of a point over its seeds has a standard error of {said}"


def _sentences(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """What the tables say of the harness's curve against the best run, by number of trials, and what is recommended."""
    score, spread = tables["score"], tables["spread"]
    ratios = spread.pivot_table(
        index=["table", "weights", "schedule", "trials"], columns="method", values=["sd_chosen", "sd_replicate"]
    )
    said, gaining = [], []
    for trials in sorted(set(score["trials"])):
        curves = score[(score["method"] == "curve") & (score["trials"] == trials)]
        means = curves.groupby(["table", "weights"])["change"].mean()
        worst = curves.loc[curves["change"].idxmax()]
        of_trials = ratios.xs(trials, level="trials")
        true, replicate = (of_trials[name, "curve"] / of_trials[name, "best"] for name in ("sd_chosen", "sd_replicate"))
        if means.mean() <= -WORTH and means.max() < WORTH and true.mean() < 1:
            gaining.append(trials)
        said.append(
            f"{trials} trials: what the curve chooses scores {means.mean():+.1f} % ({means.min():+.1f} to {means.max():+.1f} % over tables and "
            f"weights, mean over schedules) against what the best run chooses; worst for {worst['schedule']}, {worst['weights']} "
            f"weights, {worst['table']}: {worst['change']:+.1f} %. The standard deviation over replicates of the difference between two "
            f"schedules is {true.mean():.2f} times the best run's without noise of confirmation, {replicate.mean():.2f} times with one "
            "confirmation run."
        )
    few = sorted(set(score["trials"]) - set(gaining))
    if not gaining or max(few, default=0) > min(gaining):
        return [*said, '**Recommended: `choice = "best"`: the curve does not gain from any number of trials on.**']
    others = score[score["trials"].isin(few) & (score["method"] != KNOWN)]
    gain = others.groupby(["method", "trials"])["change"].mean().min() if few else 0.0
    return [
        *said,
        f'**Recommended: `choice = "curve"` from {min(gaining)} trials a replicate on, `choice = "best"` below**, where no way '
        f"gains more than {max(-gain, 0.0):.1f} % on average.",
    ]


def page(tables: Mapping[str, pd.DataFrame]) -> str:
    """The README of the folder, from the tables alone."""
    score, scores = tables["score"], tables["scores"]
    sizes = scores.groupby("table", sort=False).agg(
        schedules=("schedule", "nunique"), points=("point", "nunique"), seeds=("repetition", "nunique")
    )
    parts = [
        "# Which configuration should a search choose?",
        "",
        f"Made by `python -m benchmarks.choice --draws {int(score['draws'].iloc[0])}` from the scores beside it (`scores.csv`): "
        + "; ".join(
            f"{name} ({row['schedules']} schedules × {row['points']} points × {row['seeds']} seeds)"
            for name, row in sizes.iterrows()
        )
        + f". {int(score['draws'].iloc[0]):,} searches are drawn for each table and number of trials: points spread over the rates, one seed a "
        "point, the same for all schedules. What is chosen scores the mean over the seeds not seen there.",
        "",
        *(f"- {sentence}" for sentence in _sentences(tables)),
        "",
        '`curve` is what `choice = "curve"` does: a Gaussian process through normal scores of the ranks, where its mean plus one standard '
        "deviation is lowest. The other ways: the same where the mean alone is lowest; the same through logarithms of the scores; the same with the kernel's "
        f"length by likelihood from {', '.join(map(str, LENGTHS))} of a range; a quadratic in the log rate with Huber's weights; three quarters "
        "of a run's own score and one of its neighbour's. `second look` spends the same number of runs on fewer points and on "
        "further seeds of the top few ("
        + "; ".join(f"{n}: {points} points, top {top} × {seeds}" for n, (points, top, seeds) in SECOND_LOOK.items())
        + "). `best known` is the bound: the best of the tried points, were it known.",
    ]
    for table in sizes.index:
        of_table = score[score["table"] == table]
        spread = tables["spread"][tables["spread"]["table"] == table]
        parts += [
            "",
            f"## {table}: change of the true score against choosing the best run, per cent, mean over schedules",
            "",
            _by(of_table, "change", "+.2f"),
            "",
            f"Its largest Monte Carlo standard error, of one schedule, is {of_table[of_table['method'] != KNOWN]['error'].max():.2f}. The table's "
            f"own noise comes on top: {_noise(scores[scores['table'] == table])}.",
            "",
            f"## {table}: the same of `curve`, by schedule",
            "",
            _by(of_table[of_table["method"] == "curve"], "change", "+.2f", row="schedule"),
            "",
        ]
        for label in dict.fromkeys(spread["schedule"]):
            parts += [
                f"## {table}: standard deviation over replicates of {label} less constant, one confirmation run each",
                "",
                _by(spread[spread["schedule"] == label], "sd_replicate", ".3f"),
                "",
            ]
    return "\n".join(parts)


def main() -> None:
    """Draw, write, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--truth", type=Path, action="append", default=[], help="results with a phase select of every point"
    )
    parser.add_argument(
        "--pool", type=Path, nargs="+", action="append", default=[], help="results that differ in their seed"
    )
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--output", type=Path, default=FOLDER)
    given = parser.parse_args()
    started = time.monotonic()
    if given.truth or given.pool:
        made = [*map(of_select, given.truth), *map(of_pool, given.pool)]
        scores, ranges = (pd.concat(each, ignore_index=True) for each in zip(*made, strict=True))
    else:
        scores, ranges = (pd.read_csv(FOLDER / f"{name}.csv") for name in ("scores", "ranges"))
    score, spread = [], []
    with threadpool_limits(1):
        for truth in truths(scores, ranges):
            for trials in TRIALS:
                more = simulate(truth, trials, given.draws)
                score += more[0]
                spread += more[1]
    found = {"scores": scores, "ranges": ranges, "score": pd.DataFrame(score), "spread": pd.DataFrame(spread)}
    given.output.mkdir(parents=True, exist_ok=True)
    for name, frame in found.items():
        frame.to_csv(given.output / f"{name}.csv", index=False, float_format="%.6g")
    (given.output / "README.md").write_text(page(load(given.output)), encoding="utf-8")
    print(f"{time.monotonic() - started:.0f} s; {given.output / 'README.md'}")


if __name__ == "__main__":
    main()
