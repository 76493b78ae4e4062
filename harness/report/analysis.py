"""Everything a report states about one study, computed once from its tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from harness import stats
from harness.results import Results


@dataclass(frozen=True)
class Analysis:
    """Tables of one study; each is made when first asked for."""

    results: Results
    score: str = field(init=False)
    raw: str = field(init=False)

    def __post_init__(self) -> None:
        """Name the primary score, and its raw-weights form."""
        primary = str(self.results.study["primary"])
        object.__setattr__(self, "score", primary)
        object.__setattr__(self, "raw", primary.removesuffix("_ema"))

    @property
    def other(self) -> str:
        """The primary score of the weights that the question is not about: averaged where it asks for raw."""
        return self.raw if self.score.endswith("_ema") else f"{self.raw}_ema"

    @property
    def baseline(self) -> str:
        """The schedule that others are compared with."""
        return str(self.results.study["question"]["baseline"])

    @property
    def schedules(self) -> list[str]:
        """All schedules in display order."""
        return [str(label) for label in self.results.study["schedules"]]

    @property
    def title(self) -> str:
        """Short name of the primary score."""
        return str(self.results.study["scores"][self.raw]["title"])

    @property
    def direction(self) -> str:
        """'lower' or 'higher': which way the primary score is better."""
        return str(self.results.study["scores"][self.raw]["direction"])

    def direction_of(self, score: str) -> str:
        """'lower', 'higher' or 'one': where better values of a score (raw or averaged) lie."""
        return str(self.results.study["scores"][score.removesuffix("_ema")]["direction"])

    @property
    def level(self) -> str:
        """The level of the intervals, for captions: '95 %'."""
        return f"{100 * (1 - float(self.results.study['question']['alpha'])):g} %"

    @property
    def arrow(self) -> str:
        """↓ where lower is better, ↑ where higher is."""
        return "↓" if self.direction == "lower" else "↑"

    @cached_property
    def confirmed(self) -> pd.DataFrame:
        """The confirmation runs of the configurations finally chosen, schedules in display order."""
        runs = self.results.runs
        kept = runs[(runs["phase"] == "confirm") & runs["chosen"].astype(bool)].copy()
        places = {label: place for place, label in enumerate(self.schedules)}
        return kept.sort_values("schedule", key=lambda column: column.map(places), kind="stable").reset_index(drop=True)

    @cached_property
    def curves(self) -> pd.DataFrame:
        """The curves of the confirmation runs."""
        curves = self.results.curves
        return curves[curves["run"].isin(self.confirmed["run"])]

    @cached_property
    def search(self) -> pd.DataFrame:
        """All runs, for the search analyses, schedules in display order."""
        return self.results.runs.assign(chosen=self.results.runs["chosen"].astype(bool))

    def contrasts_of(self, score: str) -> pd.DataFrame:
        """Verdicts for any score of the confirmation runs; empty without runs of the baseline.

        A score that should be near one (direction 'one') gets differences and intervals, but neither p nor verdict:
        a larger or a smaller value is not better in itself.
        """
        question = self.results.study["question"]
        if self.baseline not in set(self.confirmed["schedule"]):
            return pd.DataFrame(columns=["schedule", "baseline", "n", "verdict"])
        rope = float(question["rope"]) if score.removesuffix("_ema") == self.raw else 0.0
        direction = self.direction_of(score)
        found = stats.contrasts(
            self.confirmed,
            score=score,
            baseline=self.baseline,
            rope=rope,
            alpha=float(question["alpha"]),
            direction="higher" if direction == "higher" else "lower",
        )
        if direction == "one":
            found[["p", "p_holm", "p_better"]] = np.nan
            found["verdict"] = stats.DESCRIPTIVE
            found["more_seeds"] = pd.array([pd.NA] * len(found), dtype="Int64")
        return found

    @cached_property
    def contrasts(self) -> pd.DataFrame:
        """Verdicts for the primary score."""
        return self.contrasts_of(self.score)

    @cached_property
    def summary(self) -> pd.DataFrame:
        """Level and spread by schedule."""
        alpha = float(self.results.study["question"]["alpha"])
        return stats.summary(self.confirmed, score=self.score, direction=self.direction, alpha=alpha)

    @cached_property
    def tables(self) -> dict[str, pd.DataFrame]:
        """All tables by file name."""
        question = self.results.study["question"]
        rng = np.random.default_rng(20_261_124)
        tables = {"summary": self.summary, "contrasts": self.contrasts}
        if self.other in self.confirmed and len(self.contrasts) and "difference" in self.contrasts:
            tables["contrasts_other_weights"] = self.contrasts_of(self.other)
        if len(self.confirmed):
            tables["all_pairs"] = stats.all_pairs(
                self.confirmed, score=self.score, rope=float(question["rope"]), alpha=float(question["alpha"])
            )
            tables["final_against_best"] = stats.final_against_best(self.curves, score=self.score)
            tables["cost"] = stats.cost(self.confirmed, baseline=self.baseline)
            target = self.target
            if target is not None:
                reached = stats.time_to_target(self.curves, self.confirmed, score=self.score, target=target)
                tables["time_to_target"] = reached.assign(target=target)
            if f"{self.raw}_ema" in self.confirmed and self.baseline in set(self.confirmed["schedule"]):
                tables["ema"] = stats.ema_interaction(
                    self.confirmed, score=self.raw, baseline=self.baseline, alpha=float(question["alpha"])
                )
            tables["scores"] = self.all_scores()
        searched = self.search[self.search["phase"] == "search"]
        if len(searched):
            study = self.results.study
            tables["sensitivity"] = stats.sensitivity(self.search, score=self.score)
            tables["optimism"] = stats.optimism(self.search, score=self.score)
            tables["budget"] = stats.budget_curves(searched, score=self.score, rng=rng)
            tables["probability_best"] = stats.probability_best(searched, score=self.score, rng=rng)
            spaces = {
                **study["space"],
                **{n: r for own in study["own_space"].values() for n, r in own.items()},
            }
            tables["boundary"] = stats.boundary_flags(searched, spaces, score=self.score)
        return tables

    @cached_property
    def target(self) -> float | None:
        """The baseline's mean final score: when do runs get there? None without one."""
        if self.summary.empty:
            return None
        values = self.summary.loc[self.summary["schedule"] == self.baseline, "mean"]
        return float(values.iloc[0]) if len(values) and np.isfinite(values.iloc[0]) else None

    def all_scores(self) -> pd.DataFrame:
        """Mean of every score by schedule, with the difference to the baseline and its interval."""
        rows = []
        for name in self.results.study["scores"]:
            for column in (name, f"{name}_ema"):
                if column not in self.confirmed or not self.confirmed[column].notna().any():
                    continue
                direction = "higher" if self.direction_of(column) == "higher" else "lower"
                means = stats.summary(self.confirmed, score=column, direction=direction).set_index("schedule")
                against = self.contrasts_of(column)
                found = against.set_index("schedule") if "difference" in against else None
                for schedule in means.index:
                    row = {"score": column, "schedule": schedule, "n": int(means.loc[schedule, "finished"])}
                    row |= {"mean": means.loc[schedule, "mean"], "sd": means.loc[schedule, "sd"]}
                    if found is not None and schedule in found.index:
                        row |= {key: found.loc[schedule, key] for key in ("difference", "low", "high", "p")}
                    rows.append(row)
        return pd.DataFrame(rows, columns=["score", "schedule", "n", "mean", "sd", "difference", "low", "high", "p"])

    @property
    def nothing(self) -> str | None:
        """Why nothing can be claimed; None where something can."""
        if self.confirmed.empty:
            return "No confirmation run is stored yet, so nothing can be claimed."
        if "difference" not in self.contrasts:
            return f"The baseline '{self.baseline}' has no confirmation run yet, so nothing can be claimed."
        return None

    @property
    def headline(self) -> str:
        """All verdicts in one line."""
        return self.nothing or stats.headline(self.contrasts)

    @property
    def sentences(self) -> list[str]:
        """The verdicts in plain words, one a schedule."""
        rope = float(self.results.study["question"]["rope"])
        return [] if self.nothing else stats.sentences(self.contrasts, score_title=self.title, rope=rope)

    @property
    def basis(self) -> str:
        """What the verdicts rest on; empty without any."""
        alpha = float(self.results.study["question"]["alpha"])
        return "" if self.nothing or self.contrasts.empty else stats.basis(self.contrasts, alpha=alpha)

    @property
    def sentence(self) -> str:
        """The verdicts and what they rest on, as a paragraph."""
        return " ".join([*self.sentences, self.basis]) if self.sentences else self.headline
