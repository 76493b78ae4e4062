"""Several studies as the subject of one page: which of them can be taken together, and the tables across them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from harness import stats
from harness.report import claims
from harness.report.analysis import WEIGHTS, Analysis


@dataclass(frozen=True)
class Studies:
    """Several studies by name; tables across them are made when first asked for.

    `question`: what the page asks. `command`: what makes it.
    """

    analyses: Mapping[str, Analysis]
    question: str = ""
    command: str = ""

    @cached_property
    def contrasts(self) -> dict[str, pd.DataFrame]:
        """The verdicts of each study that has any."""
        known = {name: analysis.contrasts for name, analysis in self.analyses.items()}
        return {name: table for name, table in known.items() if "difference" in table and len(table)}

    @cached_property
    def families(self) -> dict[str, str]:
        """The family of each study: those of the same images, kind of model and networks are one."""
        keys = {name: _family(analysis) for name, analysis in self.analyses.items()}
        called = {key: _called(self.analyses[name]) for name, key in keys.items()}
        twice = {name for name, count in Counter(called.values()).items() if count > 1}
        names = {key: f"{name} ({key[0][:8]})" if name in twice else name for key, name in called.items()}
        return {name: names[key] for name, key in keys.items()}

    @cached_property
    def left_out(self) -> dict[str, str]:
        """Why each study that is in no aggregate is not."""
        out = {name: "has no comparison yet" for name in self.analyses if name not in self.contrasts}
        for name in (each for each in self.contrasts if not _positive(self.analyses[each])):
            out[name] = f"its {self.analyses[name].title} is not always above zero, so that it has no ratios"
        asked = {name: _asked(self.analyses[name]) for name in self.contrasts if name not in out}
        if asked:
            most = Counter(asked.values()).most_common(1)[0][0]
            for name, (metric, baseline) in asked.items():
                if metric != most[0]:
                    out[name] = f"its score is {self.analyses[name].title}"
                elif baseline != most[1]:
                    out[name] = f"its baseline is {baseline}"
        return {name: out[name] for name in self.analyses if name in out}

    @cached_property
    def together(self) -> dict[str, Analysis]:
        """The studies that aggregates are over: of one score and one baseline, those of most studies."""
        return {name: analysis for name, analysis in self.analyses.items() if name not in self.left_out}

    @property
    def baseline(self) -> str:
        """The baseline that the studies of the aggregates have in common."""
        return next(iter(self.together.values())).baseline

    @property
    def title(self) -> str:
        """What the studies of the aggregates call their score."""
        return next(iter(self.together.values())).title

    @property
    def alpha(self) -> float:
        """One minus the level of the aggregates' intervals: that of the studies, 0.05 where they differ."""
        levels = {analysis.alpha for analysis in self.together.values()}
        return levels.pop() if len(levels) == 1 else 0.05

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """`stats.log_ratios` of the primary score, by `study` and `weights`: raw ones, and each study's primary average."""
        parts = []
        for name, analysis in self.together.items():
            for weights in WEIGHTS:
                score = str(analysis.primary.of(weights))
                if score not in analysis.balanced or not analysis.balanced[score].notna().any():
                    continue
                found = stats.log_ratios(
                    analysis.balanced, score=score, baseline=analysis.baseline, direction=analysis.direction
                )
                parts.append(found.assign(study=name, weights=WEIGHTS[weights]))
        columns = ["study", "weights", "schedule", "repetition", "value", "lost"]
        return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)

    @cached_property
    def having(self) -> dict[str, list[str]]:
        """The studies of the aggregates that have pairs of each schedule with the baseline, by schedule, most studies first."""
        known = self.pairs.drop_duplicates(["study", "schedule"])
        found = {str(label): list(rows["study"]) for label, rows in known.groupby("schedule", sort=False)}
        return dict(sorted(found.items(), key=lambda item: -len(item[1])))

    @property
    def common(self) -> list[str]:
        """The schedules that all studies of the aggregates compare with the baseline."""
        return [label for label, studies in self.having.items() if len(studies) == len(self.together)]

    @cached_property
    def frames(self) -> dict[str, pd.DataFrame]:
        """The tables across studies by file name."""
        relative = [name for name, analysis in self.analyses.items() if analysis.relative]
        return {
            "aggregates": self._aggregates(),
            "verdicts": stats.verdict_matrix(self.contrasts),
            "effects": stats.effect_sizes(self.contrasts, relative=relative),
            "sweeps": sweeps(self.analyses),
            "averages": self._averages(),
            "claims": self._claims(),
            "ranks": self._ranks(),
        }

    def _aggregates(self) -> pd.DataFrame:
        """`stats.aggregate` of the pairs; `everywhere`: whether all studies have the schedule."""
        table = stats.aggregate(self.pairs, families=self.families, alpha=self.alpha)
        order = {label: place for place, label in enumerate(self.having)}
        table = table.sort_values("schedule", key=lambda names: names.map(order), kind="stable").reset_index(drop=True)
        return table.assign(everywhere=table["schedule"].isin(self.common))

    def _ranks(self) -> pd.DataFrame:
        """Mean ranks among the schedules that all studies have, the baseline too; empty where they decide nothing."""
        if len(self.together) < 2 or len(self.common) < 2:
            return pd.DataFrame(columns=["schedule", "rank", "best", "worst"])
        share = stats.shares({name: self.families[name] for name in self.together})
        higher = [name for name, analysis in self.together.items() if analysis.direction == "higher"]
        summaries = {name: analysis.summary for name, analysis in self.together.items()}
        return stats.average_ranks(summaries, schedules=[self.baseline, *self.common], share=share, higher=higher)

    def _averages(self) -> pd.DataFrame:
        """`stats.replacement` of each study that scores averaged weights, with each average's half-life."""
        parts = []
        for name, analysis in self.analyses.items():
            runs, train = analysis.balanced, analysis.results.study.spec.train
            scores = {weights: column for weights, column in analysis.by_weights.items() if column in runs}
            if name not in self.contrasts or not _positive(analysis) or len(scores) < 2:
                continue
            found = stats.replacement(
                runs, scores=scores, baseline=analysis.baseline, direction=analysis.direction, alpha=analysis.alpha
            )
            called = found["weights"].map(lambda weights, of=analysis: of.weights_in_words(weights))
            lives = found["weights"].map({"raw": 0.0, **train.half_lives})
            decays = found["schedule"].isin(analysis.decays)
            parts.append(found.assign(study=name, average=called, half_life=lives, decay=decays))
        first = ["study", "what", "schedule", "weights", "average", "half_life", "decay"]
        columns = [*first, "n", "difference", "low", "high"]
        return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)

    def _claims(self) -> pd.DataFrame:
        """`claims.evidence` of each study."""
        parts = [
            claims.evidence(self.analyses[name]).assign(study=name)
            for name in self.contrasts
            if not self.analyses[name].plan.elsewhere
        ]
        known = [part for part in parts if len(part)]
        columns = ["study", *claims.EVIDENCE]
        return pd.concat(known, ignore_index=True)[columns] if known else pd.DataFrame(columns=columns)


def _asked(analysis: Analysis) -> tuple[str, str]:
    """What the verdicts of a study are about: which metric, against which baseline."""
    return analysis.primary.metric, analysis.baseline


def _family(analysis: Analysis) -> tuple[str, str, str]:
    study = analysis.results.study
    return study.data.fingerprint, study.spec.model.name, study.spec.network.name


def _called(analysis: Analysis) -> str:
    """A family in words: 'digits, dcgan', 'digits, flow with unet'."""
    study = analysis.results.study
    model = "" if study.spec.model.name == "gan" else f"{study.spec.model.name} with "
    return f"{study.data.name}, {model}{study.spec.network.name}"


def _positive(analysis: Analysis) -> bool:
    """Whether all scores that aggregates are of are above zero, so that they have logarithms."""
    scores = [str(analysis.primary.of(weights)) for weights in WEIGHTS]
    known = analysis.balanced[[score for score in scores if score in analysis.balanced]]
    return bool((known.isna() | (known > 0)).all(axis=None))


def sweeps(analyses: Mapping[str, Analysis]) -> pd.DataFrame:
    """Difference to the baseline by number of steps, for studies that are alike in all but their number of steps.

    Alike are studies with the same data, network, training settings and evaluation; search ranges and budgets may differ, and
    so may averages where the question is about raw weights. Of a group that has a schedule at one length only, it is left out.
    """
    groups: dict[str, list[tuple[str, int, Analysis]]] = {}
    for name, analysis in analyses.items():
        if "difference" in analysis.contrasts:
            groups.setdefault(_alike(analysis), []).append((name, analysis.results.study.spec.train.steps, analysis))
    parts = []
    for members in groups.values():
        title = min((name for name, _, _ in members), key=len)
        for name, steps, analysis in sorted(members, key=lambda member: member[1]):
            kept = analysis.contrasts[["schedule", "n", "difference", "low", "high", "verdict"]]
            parts.append(kept.assign(group=title, study=name, steps=steps, score=analysis.score))
    columns = ["group", "study", "steps", "score", "schedule", "n", "difference", "low", "high", "verdict"]
    if not parts:
        return pd.DataFrame(columns=columns)
    table = pd.concat(parts, ignore_index=True)[columns]
    lengths = table.groupby(["group", "schedule"])["steps"].transform("nunique")
    return table[lengths > 1].reset_index(drop=True)


_MEASURED = ("points", "metrics", "weights")  # how often and what else is scored: no final primary score depends on it
_AVERAGED = ("ema", "ema_ramp", "ema_half_lives")  # what raw weights know nothing of


def _alike(analysis: Analysis) -> str:
    """What studies of one sweep have in common."""
    study = analysis.results.study
    left = {"steps", *(_AVERAGED if analysis.primary.weights == "raw" else ())}
    kept = {
        "model": study.spec.model.model_dump(),
        "network": study.spec.network.model_dump(),
        "evaluate": study.spec.evaluate.model_dump(exclude=set(_MEASURED)),
        "train": study.spec.train.model_dump(exclude=left),
        "data": study.data.model_dump(exclude={"notes"}),
        "features": study.features.sha256,
    }
    return json.dumps([kept, analysis.score, analysis.baseline, study.question.scale], sort_keys=True)
