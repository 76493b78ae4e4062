"""How often our verdicts, and the usual ways to compare, are wrong: `python -m benchmarks.calibration`.

Simulates whole comparisons whose truth is known and judges each with `harness.stats.contrasts` itself. Writes tables to
results/calibration/ and the README there, which follows from them.
"""

from __future__ import annotations

import argparse
import math
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats as distributions

from harness import spec as specs
from harness import stats
from harness.driver.queue import Queue
from harness.plan.outcomes import TrialSummary

FOLDER = Path(__file__).resolve().parents[1] / "results" / "calibration"
PRACTICE_SEEDS = 3
SEARCH_TRIALS = 16


@dataclass(frozen=True)
class Setting:
    """A world to draw studies from. Scores have standard deviation 1 (except where noise is heteroscedastic).

    `effect`: how much lower (better) the mean of the last schedule is. `correlation`: of two schedules at one seed.
    `divergence`: chance of a run to diverge, whatever its schedule.
    """

    schedules: int = 3
    seeds: int = 10
    noise: str = "gaussian"
    divergence: float = 0.0
    correlation: float = 0.4
    effect: float = 0.0
    rope: float = 0.0


NOISE = {
    "gaussian": lambda rng, shape: rng.normal(size=shape),
    "skewed": lambda rng, shape: rng.exponential(size=shape) - 1,  # skewness 2
    "heavy-tailed": lambda rng, shape: rng.standard_t(3, size=shape) / math.sqrt(3),
    "heteroscedastic": lambda rng, shape: rng.normal(size=shape) * np.linspace(1, 3, shape[-1]),
    "heteroscedastic, skewed": lambda rng, shape: (rng.exponential(size=shape) - 1) * np.linspace(1, 3, shape[-1]),
}


def scores(setting: Setting, rng: np.random.Generator, studies: int, seeds: int) -> np.ndarray:
    """Scores of `studies` comparisons, (studies, seeds, schedules); +inf where a run diverged."""
    shape = (studies, seeds, setting.schedules)
    shared = NOISE[setting.noise.removeprefix("heteroscedastic, ").replace("heteroscedastic", "gaussian")](
        rng, (studies, seeds, 1)
    )
    own = NOISE[setting.noise](rng, shape)
    values = math.sqrt(setting.correlation) * shared + math.sqrt(1 - setting.correlation) * own
    values[..., -1] -= setting.effect
    values[rng.random(shape) < setting.divergence] = np.inf
    return 10.0 + values


def table(values: np.ndarray) -> pd.DataFrame:
    """One comparison as `harness.stats.contrasts` takes it."""
    seeds, schedules = values.shape
    return pd.DataFrame(
        {
            "schedule": [f"s{place}" for place in range(schedules)] * seeds,
            "repetition": np.repeat(np.arange(seeds), schedules),
            "status": np.where(np.isfinite(values), "finished", "diverged").ravel(),
            "fid": np.where(np.isfinite(values), values, np.nan).ravel(),
        }
    )


def verdicts(setting: Setting, studies: int, seed: int) -> dict[str, object]:
    """Shares of claims, right and wrong, and coverage of the intervals."""
    drawn = scores(setting, np.random.default_rng(seed), studies, setting.seeds)
    last = f"s{setting.schedules - 1}"
    claimed = found = opposite = equivalent = covered = intervals = 0
    for values in drawn:
        rows = stats.contrasts(table(values), score="fid", baseline="s0", rope=setting.rope)
        truth = np.where(rows["schedule"] == last, -setting.effect, 0.0)
        known = rows["low"].notna()
        covered += int(((rows["low"] <= truth) & (truth <= rows["high"]) & known).sum())
        intervals += int(known.sum())
        decided = rows["verdict"].isin(["better", "worse"])
        claimed += bool((decided & (truth == 0)).any())
        mine = rows["verdict"][rows["schedule"] == last].iloc[0]
        found += mine == "better"
        opposite += mine == "worse"
        equivalent += mine == "equivalent"
    return asdict(setting) | {
        "studies": studies,
        "false_claim": claimed / studies,
        "better": found / studies,
        "worse": opposite / studies,
        "equivalent": equivalent / studies,
        "coverage": covered / intervals if intervals else math.nan,
    }


def practice(setting: Setting, studies: int, seed: int) -> dict[str, object]:
    """How often usual ways say 'the schedule matters' in the same worlds without any difference.

    Diverged runs are left out, as is usual; a side with fewer than two runs left claims nothing.
    """
    rng = np.random.default_rng(seed)
    few = scores(setting, rng, studies, PRACTICE_SEEDS)
    searched = scores(setting, rng, studies, SEARCH_TRIALS).min(axis=1)
    t_test = bars = 0
    for values in few:
        kept = [column[np.isfinite(column)] for column in values.T]
        pairs = [(kept[0], other) for other in kept[1:] if min(len(kept[0]), len(other)) > 1]
        t_test += any(distributions.ttest_ind(a, b).pvalue < 0.05 for a, b in pairs)
        bars += any(abs(a.mean() - b.mean()) > a.std(ddof=1) + b.std(ddof=1) for a, b in pairs)
    return asdict(setting) | {
        "studies": studies,
        "best_of_search": float((searched[:, 1:].min(axis=1) < searched[:, 0]).mean()),
        "t_test_3_seeds": t_test / studies,
        "bars_3_seeds": bars / studies,
    }


STUDY = """
name = "simulated"
seed = {seed}
[data]
name = "digits"
[train]
steps = 100
[evaluate]
features = "digits"
[space]
peak = {{ low = 1e-4, high = 1e-2, log = true }}
[schedules.constant]
[schedules.linear]
[schedules.cosine]
[search]
trials = 16
[select]
top = {top}
seeds = 3
[confirm]
seeds = {confirm}
"""


def whole(curvature: float, top: int, confirm: int, studies: int, seed: int) -> dict[str, object]:
    """Whole studies of three schedules that share one response to the peak rate: plan, search, select, confirm.

    The score's mean is `curvature` times the squared decades from the best peak; noise has standard deviation 1, half
    of its variance shared at a seed. Truth about families: no difference. Truth about the tuned configurations: the
    difference of their means, which the luck of the search may make other than 0.
    """
    rng = np.random.default_rng(seed)
    family = configuration = searching = 0
    for place in range(studies):
        spec = specs.parse(STUDY.format(seed=place, top=top, confirm=confirm), source="simulated")
        queue = Queue(spec, {})
        shared: dict[tuple[str, int], float] = {}
        rows, means, best = [], {}, {}
        while queue.ready:
            design = queue.take()
            level = rng.normal()
            common = shared.setdefault((design.phase, design.repetition), float(rng.normal()))
            mean = 10 + curvature * (math.log10(design.values["peak"]) + 3) ** 2
            score = mean + math.sqrt(0.5) * (common + level)
            queue.ended(design.run, TrialSummary("finished", score, 1))
            if design.phase == "confirm":
                rows.append((design.schedule, design.repetition, "finished", score))
                means[design.schedule] = mean
            elif design.phase == "search":
                best[design.schedule] = min(score, best.get(design.schedule, math.inf))
        runs = pd.DataFrame(rows, columns=["schedule", "repetition", "status", "fid"])
        found = stats.contrasts(runs, score="fid", baseline="constant")
        decided = found[found["verdict"].isin(["better", "worse"])]
        family += len(decided) > 0
        signs = decided["verdict"].map({"better": -1.0, "worse": 1.0})
        truth = decided["schedule"].map(means) - means["constant"]
        configuration += bool((signs * truth <= 0).any())
        searching += min(best, key=lambda label: best[label]) != "constant"
    return {
        "curvature": curvature,
        "select_top": top,
        "confirm_seeds": confirm,
        "studies": studies,
        "claim_about_tuned_configurations_wrong": configuration / studies,
        "claim_about_families_wrong": family / studies,
        "best_of_search_wrong": searching / studies,
    }


def plans() -> dict[str, list[tuple[object, tuple[object, ...]]]]:
    """What is simulated: table name to (function, arguments before `studies` and `seed`)."""
    null = [
        Setting(schedules, seeds, noise, divergence, correlation)
        for schedules in (3, 6)
        for seeds in (8, 10, 20)
        for noise, divergence, correlation in (
            *((noise, 0.0, 0.4) for noise in NOISE),
            ("gaussian", 0.0, 0.0),
            ("gaussian", 0.0, 0.8),
            ("gaussian", 0.1, 0.4),
            ("gaussian", 0.3, 0.4),
            ("skewed", 0.1, 0.4),
            ("skewed", 0.3, 0.8),
        )
    ]
    power = [
        Setting(schedules, seeds, noise, divergence, 0.4, effect)
        for schedules in (3, 6)
        for seeds in (8, 10, 20)
        for noise, divergence in (("gaussian", 0.0), ("skewed", 0.0))
        for effect in (0.5, 1.0, 2.0)
    ]
    edge = [Setting(3, seeds, noise, effect=1.0, rope=1.0) for seeds in (8, 10, 20) for noise in ("gaussian", "skewed")]
    few = [
        Setting(schedules, 3, noise, divergence)
        for schedules in (3, 6)
        for noise, divergence in (("gaussian", 0.0), ("skewed", 0.0), ("heavy-tailed", 0.0), ("gaussian", 0.3))
    ]
    return {
        "null": [(verdicts, (setting,)) for setting in null],
        "power": [(verdicts, (setting,)) for setting in power],
        "equivalence": [
            *((verdicts, (setting,)) for setting in edge),
            *((verdicts, (replace(setting, effect=0.0),)) for setting in edge),
        ],
        "practice": [(practice, (setting,)) for setting in few],
        "whole": [
            (whole, (curvature, top, confirm)) for curvature in (2.0, 8.0) for top in (0, 3) for confirm in (10, 20)
        ],
    }


def simulate(studies: int, whole_studies: int, workers: int) -> dict[str, pd.DataFrame]:
    """All tables; the same for any number of workers."""
    found: dict[str, pd.DataFrame] = {}
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for name, jobs in plans().items():
            number = whole_studies if name == "whole" else studies
            futures = [
                pool.submit(function, *arguments, number, 1000 * place + len(name))
                for place, (function, arguments) in enumerate(jobs)
            ]
            found[name] = pd.DataFrame([future.result() for future in futures])
            print(f"{name}: {len(futures)} settings done", flush=True)
    return found


def shown(frame: pd.DataFrame, columns: dict[str, str]) -> str:
    """Columns of a table as Markdown, shares as per cent."""
    shares = set(frame.select_dtypes("float").columns) - {"effect", "correlation", "curvature", "rope"}
    text = frame[list(columns)].copy()
    for name in text.columns:
        if name in shares:
            text[name] = text[name].map(lambda share: f"{100 * share:.1f} %")
    return text.rename(columns=columns).to_markdown(index=False)


def page(tables: dict[str, pd.DataFrame], command: str) -> str:
    """The README of the folder, from the tables alone."""
    null, power, edge, whole_ = tables["null"], tables["power"], tables["equivalence"], tables["whole"]
    studies = int(null["studies"].iloc[0])
    error = 100 * math.sqrt(0.05 * 0.95 / studies)
    worst = null.loc[null["false_claim"].idxmax()]
    promised = null[null["noise"].isin(["gaussian", "skewed"])]
    outside = null[~null["coverage"].between(0.93, 0.97)]
    world = {
        "schedules": "schedules",
        "seeds": "seeds",
        "noise": "noise",
        "divergence": "diverging",
        "correlation": "correlation",
    }
    said = [
        f"The highest rate of false claims in any world without a difference is {worst['false_claim']:.1%} "
        f"({worst['schedules']} schedules, {worst['seeds']} seeds, {worst['noise']} noise, {worst['divergence']:.0%} diverging); "
        f"the aim is at most 5 %, with a Monte Carlo standard error of {error:.1f} points.",
        f"Coverage of the 95 % intervals is {promised['coverage'].min():.1%} to {promised['coverage'].max():.1%} with Gaussian or "
        "skewed noise of equal spread.",
    ]
    if len(outside):
        names = ", ".join(sorted(set(outside["noise"])))
        said.append(
            f"It lies outside 93 … 97 % in {len(outside)} of {len(null)} worlds ({names}): "
            f"{outside['coverage'].min():.1%} to {outside['coverage'].max():.1%}."
        )
    said.append(
        "Of verdicts about tuned configurations in whole studies at most "
        f"{whole_['claim_about_tuned_configurations_wrong'].max():.1%} are wrong. **Read as statements about families of "
        f"schedules, {whole_['claim_about_families_wrong'].min():.0%} to {whole_['claim_about_families_wrong'].max():.0%} are**: "
        "tuning has luck of its own, and selecting among the top few on fresh seeds halves it."
    )
    parts = [
        "# How often a verdict is wrong, measured",
        "",
        f"Made by `{command}`. Every number is a share of {studies:,} simulated comparisons (whole studies, last table: "
        f"{int(whole_['studies'].iloc[0]):,}), each judged by `harness.stats.contrasts`, the function behind every report.",
        "",
        *(f"- {sentence}" for sentence in said),
        "",
        "## No schedule differs: claims of 'better' or 'worse' (family-wise), coverage of 95 % intervals",
        "",
        shown(null, world | {"false_claim": "any false claim", "coverage": "coverage"}),
        "",
        "## One schedule is better by `effect` standard deviations: found as better (power), called worse",
        "",
        shown(
            power,
            {key: world[key] for key in ("schedules", "seeds", "noise")}
            | {"effect": "effect", "better": "found", "worse": "called worse", "coverage": "coverage"},
        ),
        "",
        "## Equivalence within ±1 standard deviation: claimed at a true difference of 1 (wrong) and of 0 (right)",
        "",
        shown(
            edge, {"seeds": "seeds", "noise": "noise", "effect": "true difference", "equivalent": "called equivalent"}
        ),
        "",
        "## What is usually done, in worlds without a difference: share of studies with a false claim",
        "",
        f"`best of search`: the schedule with the best of {SEARCH_TRIALS} search runs is called best. `t test`: unpaired, "
        f"{PRACTICE_SEEDS} seeds, p < 0.05, each schedule against the baseline. `bars`: mean ± sd over {PRACTICE_SEEDS} seeds do "
        "not overlap. Diverged runs are left out.",
        "",
        shown(
            tables["practice"],
            {key: world[key] for key in ("schedules", "noise", "divergence")}
            | {"best_of_search": "best of search", "t_test_3_seeds": "t test", "bars_3_seeds": "bars"},
        ),
        "",
        "## Whole studies: plan, search, selection, confirmation",
        "",
        "Three schedules with the same response to the peak rate (`curvature`: what being a decade off costs, in standard "
        "deviations). A verdict is about the *tuned configurations*; read as a statement about the families of schedules, it "
        "also carries the luck of tuning, which no number of confirmation seeds removes.",
        "",
        shown(
            whole_,
            {
                "curvature": "curvature",
                "select_top": "select top",
                "confirm_seeds": "seeds",
                "claim_about_tuned_configurations_wrong": "wrong about configurations",
                "claim_about_families_wrong": "wrong about families",
                "best_of_search_wrong": "best of search wrong",
            },
        ),
        "",
    ]
    return "\n".join(parts)


def load(folder: Path) -> dict[str, pd.DataFrame]:
    """The committed tables."""
    return {name: pd.read_csv(folder / f"{name}.csv") for name in plans()}


def main() -> None:
    """Simulate, write, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--whole-studies", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--output", type=Path, default=FOLDER)
    given = parser.parse_args()
    started = time.monotonic()
    args = [f"--{name} {value}" for name, value in (("studies", given.studies), ("whole-studies", given.whole_studies))]
    found = simulate(given.studies, given.whole_studies, given.workers)
    given.output.mkdir(parents=True, exist_ok=True)
    for name, frame in found.items():
        frame.to_csv(given.output / f"{name}.csv", index=False, float_format="%.6g")
    command = " ".join(["python -m benchmarks.calibration", *args])
    (given.output / "README.md").write_text(page(load(given.output), command), encoding="utf-8")
    print(f"{time.monotonic() - started:.0f} s; {given.output / 'README.md'}")


if __name__ == "__main__":
    main()
