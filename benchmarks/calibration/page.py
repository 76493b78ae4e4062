"""The README of results/calibration, from the tables alone."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from benchmarks.calibration.judged import ALPHA, PRACTICE_SEEDS, SEARCH_TRIALS
from harness.stats.power import deciding

WORLD = ["noise", "divergence", "correlation"]
NAMES = {
    "schedules": "schedules",
    "looks": "looks",
    "noise": "noise",
    "divergence": "diverging",
    "correlation": "correlation",
    "effect": "effect",
}
LEAST, MOST = 0.93, 0.97  # what coverage of 95 % intervals is asked to be


def per_cent(share: float) -> str:
    """A share as it stands in a table; a dash where there is none.

    >>> per_cent(0.0512), per_cent(float("nan"))
    ('5.1 %', '–')
    """
    return "–" if math.isnan(share) else f"{100 * share:.1f} %"


def looks(text: str) -> str:
    """When a design is judged.

    >>> looks("10"), looks("8 12 16 20")
    ('10', '8, 12, 16, 20')
    """
    return text.replace(" ", ", ")


def is_fixed(frame: pd.DataFrame) -> pd.Series:
    """Which rows are of designs that are judged once."""
    return ~frame["looks"].str.contains(" ")


def markdown(frame: pd.DataFrame, columns: Mapping[str, str], *, shares: tuple[str, ...] = ()) -> str:
    """Columns of a table as Markdown, shares as per cent."""
    text = frame[list(columns)].copy()
    for name in text.columns:
        if name in shares:
            text[name] = text[name].map(per_cent)
        elif text[name].dtype.kind == "f":
            text[name] = text[name].map(lambda number: "–" if math.isnan(number) else f"{number:.3g}")
    return text.rename(columns=columns).to_markdown(index=False, disable_numparse=True)


def across(frame: pd.DataFrame, rows: list[str], value: str, *, extra: str = "") -> str:
    """A table whose columns are the designs; `extra`: a number in brackets beside each share."""
    found: dict[tuple[object, ...], dict[str, str]] = {}
    for _, row in frame.iterrows():
        key = tuple(per_cent(row[name]) if name == "divergence" else row[name] for name in rows)
        beside = f" ({row[extra]:.1f})" if extra and " " in row["looks"] else ""
        found.setdefault(key, {})[looks(row["looks"])] = per_cent(row[value]) + beside
    designs = sorted(set(frame["looks"]), key=lambda text: (text.count(" "), [int(n) for n in text.split()]))
    table = pd.DataFrame(
        [
            dict(zip((NAMES[name] for name in rows), key, strict=True))
            | {looks(each): cells.get(looks(each), "–") for each in designs}
            for key, cells in found.items()
        ]
    )
    return table.to_markdown(index=False, disable_numparse=True)


def said(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """What the tables say, sentence by sentence."""
    return [
        *_false_claims(tables["null"]),
        _power(tables["power"]),
        *_coverage(pd.concat([tables["null"], tables["power"]])),
        _growth(tables["growth"]),
        _whole(tables["whole"]),
        *_truth(tables["truth"]),
    ]


def _world(row: pd.Series) -> str:
    return f"{row['schedules']} schedules, looks {looks(row['looks'])}, {row['noise']} noise, {row['divergence']:.0%} diverging"


def _false_claims(null: pd.DataFrame) -> list[str]:
    error = math.sqrt(0.05 * 0.95 / int(null["studies"].min()))
    found = []
    for name, part in (("judged once", null[is_fixed(null)]), ("judged at several looks", null[~is_fixed(null)])):
        worst = part.loc[part["false_claim"].idxmax()]
        above = part[part["false_claim"] > 0.05 + 2 * error]
        where = "" if above.empty else f"; above 5 % by more than two of these: {_where(above)}"
        found.append(
            f"**Where nothing differs**, a study {name} makes any false claim in {per_cent(part['false_claim'].mean())} on "
            f"average and in at most {per_cent(worst['false_claim'])} ({_world(worst)}) of {len(part)} worlds; Monte Carlo "
            f"standard error {100 * error:.1f} points{where}."
        )
    return found


def _where(rows: pd.DataFrame) -> str:
    groups = rows.groupby(["noise", "looks"], sort=False)["false_claim"].max()
    return "; ".join(f"{noise} noise, looks {looks(at)}: {per_cent(share)}" for (noise, at), share in groups.items())


def _power(power: pd.DataFrame) -> str:
    rows = power.assign(most=power["looks"].str.split().str[-1])
    key = ["schedules", "noise", "effect", "most"]
    both = rows[~is_fixed(rows)].merge(rows[is_fixed(rows)], on=key, suffixes=("", "_fixed"))
    lost = both["better_fixed"] - both["better"]
    worst = both.loc[lost.idxmax()]
    error = math.sqrt(2 * 0.25 / int(power["studies"].min()))
    saved = both[both["effect"] >= 1]
    ratio = saved["replicates"] / saved["most"].astype(float)
    return (
        f"**Power**: looks lose {per_cent(lost.mean())} on average and at most {per_cent(lost.max())} "
        f"({worst['schedules']} schedules, looks {looks(worst['looks'])}, {worst['noise']} noise, effect "
        f"{worst['effect']:g}) against one look after as many replicates (Monte Carlo standard error of a difference at most "
        f"{100 * error:.1f} points), and spend {ratio.min():.0%} to {ratio.max():.0%} of the replicates where the effect is "
        "1 or 2 standard deviations of a score."
    )


def _coverage(rows: pd.DataFrame) -> list[str]:
    found = []
    for name, part in (("of one look", rows[is_fixed(rows)]), ("at the stop", rows[~is_fixed(rows)])):
        outside = part[~part["coverage"].between(LEAST, MOST)]
        where = sorted(set(outside["noise"]))
        rest = (
            ""
            if outside.empty
            else f"; outside {LEAST:.0%} … {MOST:.0%} in {len(outside)} of {len(part)} worlds ({', '.join(where)} noise)"
        )
        found.append(
            f"**95 % intervals** {name} hold the truth in {per_cent(part['coverage'].min())} to "
            f"{per_cent(part['coverage'].max())}{rest}."
        )
    return found


def _first_looks(null: pd.DataFrame) -> list[str]:
    """Which looks have too few sign patterns to call anything different."""
    found = []
    for schedules in sorted(set(null["schedules"])):
        for each in sorted(set(null["looks"][~is_fixed(null)])):
            at = tuple(map(int, each.split()))
            late = set(at) - set(deciding(at, schedules - 1, ALPHA))
            if late:
                found.append(
                    f"{schedules} schedules, looks {looks(each)}: the looks at {', '.join(map(str, sorted(late)))}"
                )
    return (
        [f"Looks with too few sign patterns to call a first schedule different: {'; '.join(found)}."] if found else []
    )


def _growth(growth: pd.DataFrame) -> str:
    lopsided = growth["noise"].str.contains(", skewed")
    return (
        f"**Growth**: on every path that a study may take, the verdicts of its plan are what they were, with false claims in at "
        f"most {per_cent(growth['plan'][~lopsided].max())} ({per_cent(growth['plan'][lopsided].max())} in the world that no test "
        f"is exact in, as without growth); who believes any significant result on the way makes them in up to "
        f"{per_cent(growth['uncorrected'][~lopsided].max())} ({per_cent(growth['uncorrected'][lopsided].max())})."
    )


def _whole(whole: pd.DataFrame) -> str:
    alike = whole[whole["effect"] == 0]
    once, repeated = alike[alike["replicates"].isna()], alike[alike["replicates"].notna()]
    return (
        f"**Whole studies with tuning**, schedules alike: one tuning claims a difference of *schedules* in "
        f"{per_cent(once['false_claim'].min())} to {per_cent(once['false_claim'].max())}, and its intervals hold the "
        f"schedules' effect in {per_cent(once['coverage'].min())} to {per_cent(once['coverage'].max())}; its verdicts about the "
        f"tuned *configurations* are wrong in at most {per_cent(once['claim_about_tuned_configurations_wrong'].max())}. "
        f"Replicated tuning claims a difference in {per_cent(repeated['false_claim'].min())} to "
        f"{per_cent(repeated['false_claim'].max())}, and its intervals hold the effect in "
        f"{per_cent(whole[whole['replicates'].notna()]['coverage'].min())} to "
        f"{per_cent(whole[whole['replicates'].notna()]['coverage'].max())}."
    )


def _truth(truth: pd.DataFrame) -> list[str]:
    repeated = truth[truth["replicates"].notna()]
    once = truth[truth["replicates"].isna()]
    found = [
        f"**Studies drawn from real scores** (digits): intervals of one tuning hold the schedule's effect in "
        f"{per_cent(once['coverage'].min())} to {per_cent(once['coverage'].max())}, those of replicated tunings in "
        f"{per_cent(repeated['coverage'].min())} to {per_cent(repeated['coverage'].max())}."
    ]
    scales = dict(list(repeated.groupby("scale")))
    parts = [
        f"{scale}: skewness of a replicate's difference {part['skewness'].abs().mean():.2f} on average, coverage "
        f"{per_cent(part['coverage'].min())} to {per_cent(part['coverage'].max())} (mean {per_cent(part['coverage'].mean())}), "
        f"false claims at most {per_cent(part['false_claim'].max())}, decided with the right sign or as equivalent "
        f"{per_cent(right(part).mean())}"
        for scale, part in scales.items()
    ]
    miss = {scale: float((part["coverage"] - 0.95).abs().mean()) for scale, part in scales.items()}
    found.append(
        f"**Which scale**: {'; '.join(parts)}. Coverage is nearer to 95 % on the {min(miss, key=lambda key: miss[key])} scale."
    )
    return found


def right(truth: pd.DataFrame) -> pd.Series:
    """Shares of studies whose verdict is the true sign of the effect, or equivalent where it lies within the region."""
    signed = truth["better"].where(truth["effect"] < 0, truth["worse"])
    return signed + truth["equivalent"].where(truth["effect"].abs() <= truth["rope"], 0.0)


def page(tables: Mapping[str, pd.DataFrame], command: str) -> str:
    """The whole page."""
    null, power, edge, whole, truth = (tables[name] for name in ("null", "power", "equivalence", "whole", "truth"))
    studies, drawn = int(null["studies"].iloc[0]), int(truth["studies"].iloc[0])
    parts = [
        "# How often a verdict is wrong, measured",
        "",
        f"Made by `{command}`. Every number is a share of {studies:,} simulated studies (whole studies with tuning: "
        f"{int(whole['studies'].iloc[0]):,}; studies drawn from real scores: {drawn:,}), each judged by "
        "`harness.stats.sequential.judge`, the function behind every report. A column `8, 12, 16, 20` is a study that is "
        "judged after 8, 12, 16 and 20 replicates and stops when it is decided; a column `10` is judged once.",
        "",
        *(f"- {sentence}" for sentence in said(tables)),
        "",
        "**What cannot be had.** Where noise is skewed and its spread differs between schedules, the mean difference may be 0 and "
        "the differences still lean to one side. The sign-flip test is exact for symmetric differences of any distribution, and "
        "without knowing the noise no test of a mean is for all others (Bahadur & Savage 1956). Statistics that correct for "
        "skewness were tried: with 8 or 10 pairs they change nothing, since what is rejected then is nearly only pairs that all "
        "agree; with 20 they mend a part and cost power where scores are skewed alike (`harness.stats.paired.sign_flip_p`). "
        "Scores of which a logarithm is less skewed may be judged on the relative scale.",
        "",
        *_first_looks(null),
    ]
    for schedules in sorted(set(null["schedules"])):
        rows = null[null["schedules"] == schedules]
        for value, title in (("false_claim", "any false claim"), ("coverage", "coverage of 95 % intervals")):
            parts += ["", f"## {schedules} schedules, none differs: {title}", "", across(rows, WORLD, value)]
    for schedules in sorted(set(power["schedules"])):
        rows = power[power["schedules"] == schedules]
        parts += [
            "",
            f"## {schedules} schedules, one is better by `effect`: found as better (replicates until the stop)",
            "",
            "The effect is in standard deviations of a score; of a replicate's difference it is 0.91 of that.",
            "",
            across(rows, ["noise", "effect"], "better", extra="replicates"),
            "",
            f"Called worse: at most {per_cent(rows['worse'].max())}. Coverage of its and the others' intervals:",
            "",
            across(rows, ["noise", "effect"], "coverage"),
        ]
    parts += [
        "",
        "## Equivalence within ±1 standard deviation: claimed at a true difference of 1 (wrong) and of 0 (right)",
        "",
        across(edge, ["noise", "effect"], "equivalent", extra="replicates"),
        "",
        "## Growth, where nothing differs: studies with a false claim",
        "",
        "*Plan*: verdicts of the plan, which nothing that is added later changes. *Exploratory*: of what was added, a family of "
        "its own, labelled so on the page. *Uncorrected*: by who tests all there is after each addition.",
        "",
        markdown(
            tables["growth"],
            {
                "path": "path",
                "what": "what",
                "noise": "noise",
                "plan": "plan",
                "exploratory": "exploratory",
                "uncorrected": "uncorrected",
            },
            shares=("plan", "exploratory", "uncorrected"),
        ),
        "",
        "## What is usually done, in worlds without a difference: studies with a false claim",
        "",
        f"`best of search`: the schedule with the best of {SEARCH_TRIALS} search runs is called best. `t test`: unpaired, "
        f"{PRACTICE_SEEDS} seeds, p < 0.05, each schedule against the baseline. `bars`: mean ± sd over {PRACTICE_SEEDS} seeds do "
        "not overlap. Diverged runs are left out.",
        "",
        markdown(
            tables["practice"],
            {
                "schedules": "schedules",
                "noise": "noise",
                "divergence": "diverging",
                "best_of_search": "best of search",
                "t_test_3_seeds": "t test",
                "bars_3_seeds": "bars",
            },
            shares=("divergence", "best_of_search", "t_test_3_seeds", "bars_3_seeds"),
        ),
        "",
        "## Whole studies with tuning, simulated: the plan itself, run by run",
        "",
        "Three schedules with the same response to the peak rate (`curvature`: what being a decade off costs, in standard "
        "deviations); the last may be better by `effect`. `16 + 10`: one tuning of 16 search points, 10 confirmation seeds; "
        "`top 3 × 3`: the best 3 again on 3 fresh seeds; `8 … 20 × (3 + 1)`: the whole tuning of 3 points and a fresh run 8 to "
        "20 times, looked at after every 4. `runs`: per schedule, at most.",
        "",
        markdown(
            whole,
            {
                "curvature": "curvature",
                "effect": "effect",
                "design": "design",
                "runs": "runs",
                "replicates": "replicates",
                "false_claim": "any false claim about schedules",
                "better": "the last found better",
                "coverage": "coverage",
                "sd": "sd over studies",
                "standard_error": "standard error it reports",
                "claim_about_tuned_configurations_wrong": "wrong about configurations",
                "best_of_search_wrong": "best of search wrong",
            },
            shares=(
                "false_claim",
                "better",
                "coverage",
                "claim_about_tuned_configurations_wrong",
                "best_of_search_wrong",
            ),
        ),
    ]
    for table in dict.fromkeys(truth["table"]):
        parts += ["", *_drawn(truth[truth["table"] == table], table)]
    return "\n".join([*parts, ""])


def _drawn(rows: pd.DataFrame, table: str) -> list[str]:
    return [
        f"## Studies drawn from real scores: digits, {table}",
        "",
        "Every search point of three schedules was trained with the same seeds; a study draws points and seeds as its design "
        "says. `effect`: the schedule's true mean difference to constant, tuned so (relative: of logarithms). `any false "
        "claim`: once the true effects are taken off. `agree`: the chance that two studies give the same verdict.",
        "",
        markdown(
            rows,
            {
                "weights": "weights",
                "scale": "scale",
                "design": "design",
                "runs": "runs",
                "schedule": "schedule",
                "effect": "effect",
                "sd": "sd over studies",
                "standard_error": "standard error it reports",
                "skewness": "skewness",
                "coverage": "coverage",
                "better": "better",
                "worse": "worse",
                "equivalent": "equivalent",
                "agreement": "agree",
                "replicates": "replicates",
                "false_claim": "any false claim",
            },
            shares=("coverage", "better", "worse", "equivalent", "agreement", "false_claim"),
        ),
    ]
