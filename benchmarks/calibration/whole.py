"""Whole studies with tuning, simulated: the plan itself, run by run, from the first search point to the last look."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from benchmarks.calibration.judged import ALPHA, claims, judged
from benchmarks.calibration.worlds import Array
from harness import spec as specs
from harness.driver.queue import Queue
from harness.plan.outcomes import TrialSummary

STUDY = """
name = "simulated"
seed = {seed}
[question]
alpha = {alpha}
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
trials = {trials}
[select]
top = {top}
seeds = 3
[confirm]
seeds = {confirm}
[replicates]
min = {first}
max = {last}
every = 4
"""


@dataclass(frozen=True)
class Design:
    """How a study spends its runs; `first` and `last` are replicates.min and replicates.max."""

    trials: int
    top: int
    confirm: int
    first: int = 1
    last: int = 1

    @property
    def name(self) -> str:
        """What tables call it."""
        if self.last > 1:
            often = str(self.last) if self.first == self.last else f"{self.first} … {self.last}"
            return f"{often} × ({self.trials} + {self.confirm})"
        return f"{self.trials}{f', top {self.top} × 3' if self.top else ''} + {self.confirm}"

    @property
    def looks(self) -> tuple[int, ...]:
        """When a study of one tuning, or a replicated one, is judged."""
        return (self.confirm,) if self.last == 1 else (*range(self.first, self.last, 4), self.last)


DESIGNS = (
    Design(16, 0, 10),
    Design(16, 0, 40),
    Design(16, 3, 10),
    Design(3, 0, 1, 8, 8),
    Design(3, 0, 1, 8, 20),
)


LABELS = ("constant", "linear", "cosine")


def conduct(design: Design, curvature: float, effect: float, seed: int) -> tuple[Array, Array, Array]:
    """One study's confirmation scores and their true means, (replicates or seeds, schedules), and the best of search.

    All schedules share one response to the peak rate: the score's mean is `curvature` times the squared decades from the
    best peak, less `effect` for the last schedule; noise has standard deviation 1, half of its variance shared at a seed.
    """
    rng = np.random.default_rng([seed, design.trials, design.top, design.confirm, design.last])
    text = STUDY.format(seed=seed, alpha=ALPHA, **vars(design))
    queue = Queue(specs.parse(text, source="simulated"), {})
    shared: dict[tuple[int | None, str, int], float] = {}
    shape = (design.looks[-1], len(LABELS))
    scores, means, best = np.full(shape, np.nan), np.full(shape, np.nan), np.full(len(LABELS), np.inf)
    while queue.ready:
        run = queue.take()
        column = LABELS.index(run.schedule)
        common = shared.setdefault((run.replicate, run.phase, run.repetition), float(rng.normal()))
        mean = 10 + curvature * (math.log10(run.values["peak"]) + 3) ** 2 - effect * (column == len(LABELS) - 1)
        score = mean + math.sqrt(0.5) * (common + float(rng.normal()))
        queue.ended(run.run, TrialSummary("finished", score, 1))
        if run.phase == "confirm":
            row = run.repetition if run.replicate is None else run.replicate
            scores[row, column], means[row, column] = score, mean
        elif run.phase == "search":
            best[column] = min(score, best[column])
    return scores, means, best


def whole(curvature: float, effect: float, design: Design, studies: int, seed: int) -> dict[str, object]:
    """Whole studies of three schedules: what they claim, and whether their intervals hold the schedules' effects.

    Truth about schedules: the last is better by `effect`, the others are alike. Truth about the tuned configurations of a
    study that tunes once: the difference of their means, which the luck of the search may make anything.
    """
    false = found = configuration = searching = covered = replicates = 0
    middles, errors = [], []
    for place in range(studies):
        scores, means, best = conduct(design, curvature, effect, 10_000 * seed + place)
        verdicts = judged(scores, design.looks, labels=LABELS)
        last = LABELS[-1]
        found += verdicts[last].verdict == "better"
        false += claims({label: one for label, one in verdicts.items() if not effect or label != last})
        covered += sum(one.low <= -effect * (label == last) <= one.high for label, one in verdicts.items())
        replicates += verdicts[last].n
        differences = (scores[:, -1] - scores[:, 0])[: verdicts[last].n]
        middles.append(differences.mean())
        errors.append(differences.std(ddof=1) / math.sqrt(len(differences)))
        truth = {label: means[0, column] - means[0, 0] for column, label in enumerate(LABELS)}
        signs = {"better": -1.0, "worse": 1.0}
        configuration += any(signs.get(one.verdict, math.nan) * truth[label] <= 0 for label, one in verdicts.items())
        searching += best.argmin() != 0
    once = design.last == 1
    return {
        "design": design.name,
        "runs": design.looks[-1] * (1 + design.trials) if not once else design.trials + 3 * design.top + design.confirm,
        "curvature": curvature,
        "effect": effect,
        "studies": studies,
        "false_claim": false / studies,
        "better": found / studies,
        "coverage": covered / studies / (len(LABELS) - 1),
        "sd": float(np.std(middles, ddof=1)),
        "standard_error": float(np.mean(errors)),
        "replicates": math.nan if once else replicates / studies,
        "claim_about_tuned_configurations_wrong": configuration / studies if once else math.nan,
        "best_of_search_wrong": searching / studies if once and not effect else math.nan,
    }


def plan() -> list[tuple[float, float, Design]]:
    """(curvature, effect, design) of everything that is simulated."""
    alike = [(curvature, 0.0, design) for curvature in (2.0, 8.0) for design in DESIGNS]
    return alike + [(8.0, 1.0, design) for design in DESIGNS if design.last > 1]
