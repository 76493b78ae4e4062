"""Everything a report states about one study, computed once from its tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import pandas as pd

from harness import schedules, stats
from harness.report import cautions, numbers, sentences, spreads, units
from harness.results import Results
from harness.results.document import Limits, Score
from harness.scores import ScoreName
from harness.stats import replicates

# Scores that cannot be negative; the unbiased kernel distance can, and so can differences.
_NOT_NEGATIVE = (
    "fid",
    "precision",
    "recall",
    "density",
    "coverage",
    "memorised",
    "noise_ratio",
    "high_frequency_ratio",
)
WEIGHTS = {"raw": "raw", "ema": "averaged"}  # what sentences and tables call the weights of a score
_CHANGES_SAID = 3  # schedules that the headline names as changed by the other weights
_EDGES_FROM = 3  # search trials of a schedule; the best of fewer lies at an edge by chance too often


def _explored(table: pd.DataFrame) -> pd.DataFrame:
    """Differences and intervals alone: no p, no verdict."""
    table = table.copy()
    table[["p", "p_holm", "p_better"]] = np.nan
    table["verdict"] = stats.DESCRIPTIVE
    table["more_seeds"] = pd.array([pd.NA] * len(table), dtype="Int64")
    return table


@dataclass(frozen=True)
class Analysis:
    """Tables of one study; each is made when first asked for."""

    results: Results

    @cached_property
    def primary(self) -> ScoreName:
        """The score that the question is about, of the weights that it is about."""
        return self.results.study.primary_score

    @cached_property
    def score(self) -> str:
        """Column of the primary score."""
        return str(self.primary)

    @cached_property
    def raw(self) -> str:
        """Column of the primary score of the weights as trained."""
        return str(self.primary.raw)

    @cached_property
    def averaged(self) -> str:
        """Column of the primary score of the averaged weights."""
        return str(self.primary.averaged)

    @cached_property
    def other(self) -> str:
        """Column of the primary score of the weights that the question is not about: averaged where it asks for raw."""
        return str(self.primary.other)

    def named(self, score: str) -> ScoreName:
        """The parts of a score's name, which is its column."""
        return self.results.study.score(score)

    @property
    def steps(self) -> str:
        """What an axis of steps is called: those of a GAN are its generator's, whose discriminator may make more."""
        if self.plan.elsewhere:
            return self.plan.elsewhere.step
        return "generator steps" if "rate_generator" in self.results.curves else "steps"

    @property
    def baseline(self) -> str:
        """The schedule that others are compared with."""
        return self.results.study.question.baseline

    @property
    def schedules(self) -> list[str]:
        """All schedules in display order."""
        return self.results.study.schedules

    @property
    def title(self) -> str:
        """Short name of the primary score."""
        return self.results.study.scores[self.raw].title

    @property
    def direction(self) -> str:
        """'lower' or 'higher': which way the primary score is better."""
        return self.results.study.scores[self.raw].direction

    def direction_of(self, score: str) -> str:
        """'lower', 'higher' or 'one': where better values of a score (raw or averaged) lie."""
        return self.about(score).direction

    def about(self, score: str) -> Score:
        """What study.json says of a score (raw or averaged): title, direction, protocol."""
        return self.results.study.scores[str(self.named(score).raw)]

    @property
    def alpha(self) -> float:
        """One minus the level of all intervals."""
        return self.results.study.question.alpha

    @property
    def rope(self) -> float:
        """Half the width of the region of practical equivalence, in per cent of a relative question; 0 for none."""
        return self.results.study.question.rope

    @property
    def relative(self) -> bool:
        """Whether differences of the primary score are ratios, as fractions: -0.18 is 18 % lower."""
        return self._scale == "relative"

    @property
    def _scale(self) -> str:
        return self.results.study.question.scale

    @property
    def margin(self) -> str:
        """The region of practical equivalence in words: '±0.3' or '±10 %'."""
        return f"±{self.rope:g}{' %' if self.relative else ''}"

    @property
    def margins(self) -> tuple[float, float]:
        """The ends of the region of practical equivalence, as figures draw differences (see `drawn`)."""
        rope, unit = replicates.rope_on_scale(self.rope, self._scale), 100 if self.relative else 1
        return unit * replicates.as_difference(-rope, self._scale), unit * replicates.as_difference(rope, self._scale)

    @cached_property
    def plan(self) -> units.Plan:
        """What the verdicts rest on, and what came after it."""
        return units.Plan(self.results.study)

    @property
    def level(self) -> str:
        """The level of the intervals, for captions: '95 %'."""
        return f"{100 * (1 - self.alpha):g} %"

    def least_of(self, score: str) -> float:
        """The value that a score (raw or averaged) cannot be below: 0 for distances, -inf where there is none."""
        return 0.0 if self.named(score).metric in _NOT_NEGATIVE else -math.inf

    @cached_property
    def _spreads(self) -> dict[tuple[str, str], float]:
        return {}

    def spread_of(self, score: str) -> float:
        """What says how many digits of a score are shown, in every table, figure and sentence alike; NaN if unknown.

        The lower median, over schedules, of the half-widths of the means' intervals: one wild schedule among others does
        not take digits from them. Raw and averaged weights share the larger of theirs.
        """
        return self._spread(score, "mean", self.summary_of)

    def form_of(self, score: str) -> numbers.Form:
        """How differences of a score are written, in every table, figure and sentence alike."""
        if not self.relative or str(self.named(score).raw) != self.raw:
            return numbers.Form(self.spread_of(score))
        return numbers.Form(100 * self._spread(score, "difference", self.contrasts_of), relative=True)

    def _spread(self, score: str, middle: str, table_of: Callable[[str], pd.DataFrame]) -> float:
        named = self.named(score)
        raw = str(named.raw)
        if (raw, middle) not in self._spreads:
            widths = []
            for name in (raw, str(named.averaged)):
                table = table_of(name) if name in self.units else pd.DataFrame()
                if middle not in table:
                    continue
                halves = ((table["high"] - table["low"]) / 2).dropna()
                known = sorted(halves[halves > 1e-9 * table[middle].abs().max()])
                widths += [float(known[(len(known) - 1) // 2])] if known else []
            self._spreads[raw, middle] = max(widths, default=math.nan)
        return self._spreads[raw, middle]

    @property
    def arrow(self) -> str:
        """↓ where lower is better, ↑ where higher is."""
        return "↓" if self.direction == "lower" else "↑"

    @cached_property
    def confirmed(self) -> pd.DataFrame:
        """The planned confirmation runs of the configurations finally chosen, schedules in display order."""
        return self._ordered(self._chosen[self.plan.within(self._chosen)])

    @cached_property
    def _chosen(self) -> pd.DataFrame:
        """As `confirmed`, with what came after the plan."""
        runs = self.results.runs
        return runs[(runs["phase"] == "confirm") & runs["chosen"].astype(bool)]

    def _ordered(self, frame: pd.DataFrame) -> pd.DataFrame:
        order = {label: index for index, label in enumerate(self.schedules)}
        return frame.sort_values("schedule", key=lambda column: column.map(order), kind="stable").reset_index(drop=True)

    @cached_property
    def units(self) -> pd.DataFrame:
        """What is compared: a confirmation run of each seed, or a replicate, numbered by `repetition`.

        A replicate's row holds the means over its confirmation runs.
        """
        return self._units(self.confirmed)

    def _units(self, runs: pd.DataFrame) -> pd.DataFrame:
        if not self.plan.replicated:
            return runs
        names = [*self.results.study.scores]
        scores = [name for raw in names for name in self._by_weights(raw).values() if name in runs]
        seeds = self.results.study.phases.confirm.seeds
        relative = list(self.by_weights.values()) if self.relative else ()
        return self._ordered(units.of_replicates(runs, seeds=seeds, scores=scores, relative=relative))

    def _by_weights(self, raw: str) -> dict[str, str]:
        """The column of a score by weights: raw ones, then each average."""
        named = self.named(raw)
        averages = () if self.plan.elsewhere else self.results.study.spec.train.averages
        return {weights: str(named.of(weights)) for weights in ("raw", *averages)}

    @cached_property
    def surface(self) -> pd.DataFrame:
        """The primary score by schedule and average, averages from short to long; empty of a study with one average.

        Of `balanced`.
        """
        averages = self.results.study.spec.train.averages
        if len(averages) < 2:
            return self.balanced.iloc[:0]
        scores = {name: column for name, column in self.by_weights.items() if column in self.balanced}
        return stats.surface(self.balanced, scores=scores, baseline=self.baseline, alpha=self.alpha, scale=self._scale)

    @cached_property
    def balanced(self) -> pd.DataFrame:
        """The units of the planned schedules, in a replicated study those of the replicates of the first look.

        Every schedule has these: when its later ones end depends on what they say.
        """
        planned = self.units[self.units["schedule"].isin(self.plan.schedules)]
        return planned[planned["repetition"] < self.plan.looks[0]] if self.plan.looks else planned

    @property
    def by_weights(self) -> dict[str, str]:
        """The column of the primary score by weights: raw ones, then each average from the shortest to the longest."""
        return self._by_weights(self.raw)

    def weights_in_words(self, weights: str) -> str:
        """'raw weights', or which average: 'EMA 0.999'."""
        return self.results.study.spec.train.averages.get(weights, f"{weights} weights")

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
        """Verdicts for any score of the planned schedules; empty without runs of the baseline.

        The primary score, of either weights, is judged at the looks of a replicated study. A score that should be near
        one (direction 'one') gets differences and intervals, but neither p nor verdict: a larger or a smaller value is
        not better in itself.
        """
        planned = self.units[self.units["schedule"].isin(self.plan.schedules)]
        return self._contrasts(planned, score, looks=self.plan.looks)

    def _contrasts(self, compared: pd.DataFrame, score: str, *, looks: tuple[int, ...]) -> pd.DataFrame:
        if self.baseline not in set(compared["schedule"]):
            return pd.DataFrame(columns=["schedule", "baseline", "n", "verdict"])
        primary = str(self.named(score).raw) == self.raw
        direction = self.direction_of(score)
        table = stats.contrasts(
            compared,
            score=score,
            baseline=self.baseline,
            rope=self.rope if primary else 0.0,
            alpha=self.alpha,
            direction="higher" if direction == "higher" else "lower",
            looks=looks if primary and looks else None,
            scale=self._scale if primary else "absolute",
            words=self._words,
        )
        return _explored(table) if direction == "one" else table

    @property
    def _words(self) -> stats.Words:
        return stats.Words(units=numbers.plural(self.plan.unit), lost=self.plan.lost)

    def _against_baseline(self, schedules: list[str]) -> pd.DataFrame:
        return self.units[self.units["schedule"].isin([self.baseline, *schedules])]

    @cached_property
    def contrasts(self) -> pd.DataFrame:
        """Verdicts for the primary score."""
        return self.contrasts_of(self.score)

    @cached_property
    def contrasts_other_weights(self) -> pd.DataFrame | None:
        """Verdicts for the primary score of the other weights; None without them, or without a comparison."""
        known = self.other in self.units and len(self.contrasts) > 0 and "difference" in self.contrasts
        return self.contrasts_of(self.other) if known else None

    @property
    def drawn(self) -> pd.DataFrame:
        """`contrasts` as figures draw them: differences and intervals in units of the score, or in per cent."""
        return numbers.in_per_cent(self.contrasts) if self.relative else self.contrasts

    @cached_property
    def exploratory(self) -> pd.DataFrame:
        """What came after the plan, and changes no verdict: `what`, then the columns of `contrasts`.

        Added schedules are judged as a family of their own. Differences with seeds, or replicates, after the plan have no
        p and no verdict: that there are more was decided by who had seen the earlier ones.
        """
        parts = []
        if self.plan.added:
            added = self._contrasts(self._against_baseline(self.plan.added), self.score, looks=self.plan.looks)
            parts.append(added.assign(what=sentences.ADDED))
        counts = self._chosen[~self.plan.within(self._chosen)]["schedule"].value_counts()
        if len(counts):
            everything = self._contrasts(self._units(self._ordered(self._chosen)), self.score, looks=())
            grown = everything[everything["schedule"].isin(counts.index)] if "difference" in everything else everything
            what = sentences.BEYOND if self.plan.replicated else sentences.MORE_SEEDS
            parts.append(_explored(grown).assign(what=what))
        known = [part for part in parts if "difference" in part and len(part)]
        if not known:
            return pd.DataFrame(columns=["what", "schedule", "baseline", "n", "verdict"])
        table = pd.concat(known, ignore_index=True)
        return table[["what", *(name for name in table if name != "what")]]

    @cached_property
    def summary(self) -> pd.DataFrame:
        """Level and spread of the primary score by schedule."""
        return self.summary_of(self.score)

    def summary_of(self, score: str) -> pd.DataFrame:
        """Level and spread of any score by schedule, over the confirmation runs or replicates."""
        direction = "higher" if self.direction_of(score) == "higher" else "lower"
        least = self.least_of(score)
        return stats.summary(self.units, score=score, direction=direction, alpha=self.alpha, least=least)

    @cached_property
    def bands(self) -> pd.DataFrame:
        """Mean and interval of the primary score by schedule and step, over confirmation runs or replicates."""
        curves = self.curves
        if self.plan.replicated:  # the runs of one replicate share its configuration
            keys = ["schedule", "replicate", "step"]
            curves = curves.groupby(keys, sort=False)[self.score].mean().reset_index()
        return stats.curve_bands(curves, score=self.score, alpha=self.alpha, least=self.least_of(self.score))

    @cached_property
    def tables(self) -> dict[str, pd.DataFrame]:
        """All tables by file name."""
        rng = np.random.default_rng(20_261_124)
        tables = {"summary": self.summary, "contrasts": self.contrasts}
        if self.contrasts_other_weights is not None:
            tables["contrasts_other_weights"] = self.contrasts_other_weights
        if len(self.exploratory):
            tables["exploratory"] = self.exploratory
        if len(self.units):
            tables["all_pairs"] = stats.all_pairs(
                self.units,
                score=self.score,
                rope=self.rope,
                alpha=self.alpha,
                direction=self.direction,
                scale=self._scale,
                words=self._words,
            )
        if self.plan.elsewhere:
            return tables  # how they were tuned, averaged and paid for no table says
        if len(self.confirmed):
            tables["final_against_best"] = stats.final_against_best(self.curves, score=self.score)
            tables["cost"] = stats.cost(self.confirmed, baseline=self.baseline)
            target = self.target
            if target is not None:
                reached = stats.time_to_target(self.curves, self.confirmed, score=self.score, target=target)
                tables["time_to_target"] = reached.assign(target=target)
        if len(self.units):
            if self.averaged in self.units and self.baseline in set(self.units["schedule"]):
                tables["ema"] = stats.ema_interaction(
                    self.units,
                    raw=self.raw,
                    averaged=self.averaged,
                    baseline=self.baseline,
                    alpha=self.alpha,
                    scale=self._scale,
                )
            tables["scores"] = self.all_scores()
            if len(self.surface):
                tables["averages"] = self.surface
        if len(self.confirmed):
            tables |= self._spreads_of_scores()
        searched = self.search[self.search["phase"] == "search"]
        if len(searched):
            tables["sensitivity"] = stats.sensitivity(self.search, score=self.score)
            tables["optimism"] = stats.optimism(self.search, score=self.score, alpha=self.alpha)
            tables["budget"] = stats.budget_curves(searched, score=self.score, rng=rng, alpha=self.alpha)
            if self._by_curve:
                tables["without_curve"] = stats.without_curve(searched, self._ranges, score=self.score)
            if self.response is not None:
                tables["response"] = self.response
            if self.plan.replicated:
                tables["choices"] = self._by_range(self.confirmed, stats.choices)
            else:
                flags = partial(stats.boundary_flags, score=self.score)
                tables["boundary"] = self._by_range(searched, flags, ends=("low", "high"))
        return tables

    def _spreads_of_scores(self) -> dict[str, pd.DataFrame]:
        """How sure scores of raw and averaged weights are, and where the spread of the primary one comes from."""
        named = [self.named(name) for name in self.results.study.scores]
        scores = [score.of(weights) for score in named for weights in WEIGHTS]
        primary = [self.primary.raw, self.primary.averaged]
        return spreads.tables(self.results, self.confirmed, scores, primary=primary, alpha=self.alpha)

    @property
    def _by_curve(self) -> bool:
        """Whether configurations were chosen by a smooth curve through all search runs."""
        return self.results.study.spec.search.choice == "curve"

    @property
    def _ranges(self) -> dict[str, dict[str, Limits]]:
        """What was searched, by schedule and parameter."""
        return {label: self.results.study.ranges(label) for label in self.schedules}

    @cached_property
    def response(self) -> pd.DataFrame | None:
        """The smooth curve through each schedule's search runs of all replicates; None of a study that tunes once.

        There the dots may be too few for it; where it was what chose, it is shown.
        """
        searched = self.search[self.search["phase"] == "search"]
        if searched.empty or not (self.plan.replicated or self._by_curve):
            return None
        return stats.curve_table(searched, self._ranges, score=self.score)

    def _by_range(
        self, runs: pd.DataFrame, table_of: Callable[..., pd.DataFrame], *, ends: Sequence[str] = ()
    ) -> pd.DataFrame:
        """A table of searched parameters; schedules may have ranges of their own for one. `ends`: those it shall name."""
        parts = []
        for label in dict.fromkeys(runs["schedule"]):
            ranges = self._ranges[label]
            space = {name: limits.model_dump() for name, limits in ranges.items()}
            part = table_of(runs[runs["schedule"] == label], space)
            parts.append(
                part.assign(**{end: [getattr(ranges[name], end) for name in part["parameter"]] for end in ends})
            )
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()

    @cached_property
    def target(self) -> float | None:
        """The baseline's mean final score: when do runs get there? None without one."""
        if self.summary.empty:
            return None
        values = self.summary.loc[self.summary["schedule"] == self.baseline, "mean"]
        return float(values.iloc[0]) if len(values) and np.isfinite(values.iloc[0]) else None

    def compared(self, score: str) -> pd.DataFrame:
        """As `contrasts_of`, with the schedules that were added later, a family of their own."""
        table = self.contrasts_of(score)
        if not self.plan.added or "difference" not in table:
            return table
        added = self._contrasts(self._against_baseline(self.plan.added), score, looks=self.plan.looks)
        return pd.concat([table, added], ignore_index=True)

    def all_scores(self) -> pd.DataFrame:
        """As `scored`, of every score of raw weights and of the primary average."""
        names = self.results.study.scores
        return self.scored([column for name in names for column in (name, str(self.named(name).averaged))])

    def scored(self, columns: Sequence[str]) -> pd.DataFrame:
        """Mean of scores by schedule, with the difference to the baseline and its interval, of those that were measured."""
        rows = []
        for column in columns:
            if column not in self.units or not self.units[column].notna().any():
                continue
            means = self.summary_of(column).set_index("schedule")
            against = self.compared(column)
            differences = against.set_index("schedule") if "difference" in against else None
            for schedule in means.index:
                row = {"score": column, "schedule": schedule, "n": int(means.loc[schedule, "finished"])}
                row |= {"mean": means.loc[schedule, "mean"], "sd": means.loc[schedule, "sd"]}
                if differences is not None and schedule in differences.index:
                    row |= {key: differences.loc[schedule, key] for key in ("difference", "low", "high", "p")}
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
    def decided(self) -> bool:
        """Whether every planned schedule is better, worse or equivalent."""
        return (
            self.nothing is None
            and len(self.contrasts) > 0
            and bool(self.contrasts["verdict"].isin(stats.DECIDED).all())
        )

    @property
    def way(self) -> sentences.Way:
        """How the verdicts come about, as far as sentences say it."""
        trials = self.results.study.phases.search.trials
        return sentences.Way(
            unit=self.plan.unit,
            factor=self.plan.factor,
            trials=trials,
            looks=self.plan.looks,
            lost=self.plan.lost,
            elsewhere=self.plan.elsewhere is not None,
        )

    @property
    def headline(self) -> str:
        """All verdicts in one line, whether they are exploratory, and whether they hold for the other weights too."""
        if self.nothing:
            return self.nothing
        said = sentences.headline(self.contrasts, self.way)
        if self.plan.changed:
            said = f"Exploratory: {said}"
        added = self.exploratory[self.exploratory["what"] == sentences.ADDED]
        if len(added):
            said += f" Added later, exploratory: {sentences.headline(added, self.way)}"
        if self.changed:
            few = len(self.changed) <= _CHANGES_SAID
            which = sentences.listed(self.changed) if few else f"{len(self.changed)} of {len(self.contrasts)} schedules"
            said += f" The answer depends on the weights: {self.other_weights} ones change the verdict on {which}."
        return said

    @property
    def scope(self) -> str:
        """What the verdicts are about: how often the tuning was repeated and what stopped it, or that it was not."""
        if self.nothing or self.contrasts.empty:
            return ""
        ended = int(self.units["repetition"].nunique())
        if self.plan.elsewhere:
            return sentences.as_told(ended, way=self.way)
        if self.plan.replicated:
            return sentences.course(self.contrasts, replicates=ended, way=self.way)
        said = sentences.not_repeated(self.way)
        if self.plan.changed:
            said += (
                f" They are exploratory: {self.plan.changed} after confirmation runs were stored, so that other "
                "configurations may be confirmed than were seen then."
            )
        return said

    @property
    def sentences(self) -> list[str]:
        """The verdicts in plain words, one per schedule."""
        if self.nothing:
            return []
        return sentences.sentences(
            self.contrasts, score_title=self.title, margin=self.margin, form=self.form_of(self.score), way=self.way
        )

    @property
    def later(self) -> list[str]:
        """What came after the plan in plain words, one sentence per row of `exploratory`."""
        return sentences.later(
            self.exploratory, score_title=self.title, margin=self.margin, form=self.form_of(self.score), way=self.way
        )

    @property
    def basis(self) -> str:
        """What the verdicts rest on; empty without any."""
        if self.nothing or self.contrasts.empty or not self.contrasts["n"].any():
            return ""
        return sentences.basis(self.contrasts, alpha=self.alpha, way=self.way)

    @property
    def sentence(self) -> str:
        """The verdicts, what they are about, what the other weights say, and what they rest on, as a paragraph."""
        parts = [*self.sentences, self.scope, *self.later, self.weights, self.basis]
        return " ".join(part for part in parts if part) if self.sentences else self.headline

    @property
    def other_weights(self) -> str:
        """'averaged' where the question is about raw weights, 'raw' where it is about averaged ones."""
        return WEIGHTS[self.primary.other.weights]

    @property
    def changed(self) -> list[str]:
        """Schedules that the other weights give another verdict."""
        other = self.contrasts_other_weights
        if other is None or self.nothing:
            return []
        verdicts = other.set_index("schedule")["verdict"]
        mine = self.contrasts.set_index("schedule")["verdict"]
        return [str(label) for label in mine.index if verdicts.get(label, mine[label]) != mine[label]]

    @property
    def weights(self) -> str:
        """What the other weights say, and whether averaging does the work of the decay; empty without them."""
        other = self.contrasts_other_weights
        if other is None or other.empty or self.nothing:
            return ""
        said = f"With {self.other_weights} weights: {sentences.headline(other, self.way, ended=self.ended)}"
        interactions = self.tables.get("ema", pd.DataFrame({"schedule": [], "low": [], "high": []}))
        return " ".join([said, *sentences.interactions(interactions, self.decays)])

    @property
    def ended(self) -> bool:
        """Whether a replicated study trains no more: it stops when its primary score is decided, whatever other weights leave open."""
        return bool(self.plan.looks) and bool(self.contrasts["done"].all())

    @property
    def averaging(self) -> list[str]:
        """What averaging did to the baseline, then by schedule whether it replaces decay."""
        return sentences.averaging(
            self.tables.get("ema", pd.DataFrame()),
            baseline=self.baseline,
            score_title=self.title,
            forms=(self.form_of(self.raw), self.form_of(self.averaged)),
            decays=self.decays,
        )

    @property
    def best_pair(self) -> str:
        """Which schedule with which average may be the best; empty of a study with one average."""
        if self.surface.empty:
            return ""
        return sentences.best_pair(
            self.surface.assign(weights=self.surface["weights"].map(self.weights_in_words)),
            score_title=self.title,
            spread=self.spread_of(self.score),
            level=self.level,
            unit=self.plan.unit,
            tuned=WEIGHTS[self.primary.weights] if self.results.study.phases.search.trials else "",
        )

    @property
    def decays(self) -> frozenset[str]:
        """The schedules that differ from a constant baseline in that a rate is lowered, and in nothing else."""
        study = self.results.study

        def lowered(label: str) -> bool:
            return any(map(schedules.is_decay, study.arm(label).kinds))

        def trained(label: str) -> object:
            said = study.spec.schedules.get(label)
            return said and (said.optimizer, said.weight_decay, said.precision)

        base = self.baseline
        same = [label for label in study.schedules if trained(label) == trained(base) and lowered(label)]
        return frozenset() if any(kind != "constant" for kind in study.arm(base).kinds) else frozenset(same)

    @property
    def pairing(self) -> str:
        """How alike paired scores are, and what pairing by seed gained or lost; empty without three pairs."""
        if self.nothing or self.contrasts["correlation"].isna().all():
            return ""
        return sentences.pairing(self.contrasts)

    @cached_property
    def warnings(self) -> list[str]:
        """What to read the answer with: of the study itself, of its score, and of the search."""
        return [*cautions.warnings(self.results.study), *self._edge_warning()]

    def _edge_warning(self) -> list[str]:
        choices = self.tables.get("choices", pd.DataFrame({"edge": []}))
        often = choices[choices["edge"].astype(bool)].to_dict("records")
        if often:
            return [sentences.edges_chosen(often)]
        table = self.tables.get("boundary")
        if table is None or table.empty:
            return []
        searched = self.search[self.search["phase"] == "search"].groupby("schedule")["run"].count()
        rows = [row for row in table.to_dict("records") if searched[row["schedule"]] >= _EDGES_FROM]
        return [sentences.edges(rows)] if rows else []
