"""What a plan can find and what it will cost, before the first run: the power of its looks, and the replicates expected."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from harness.driver.noise import Noise
from harness.plan import stages
from harness.spec import StudySpec
from harness.stats import power, replicates

POWER = 0.8  # the share of studies in which an effect is found that is called detectable


@dataclass(frozen=True)
class Prospect:
    """The chances of a study; `noise` is that of earlier results, None where nothing is known of it."""

    spec: StudySpec
    noise: Noise | None = None

    @property
    def looks(self) -> tuple[int, ...]:
        """Numbers of pairs at which the verdicts are looked at: of replicates, or of seeds where a study tunes once."""
        return self.spec.replicates.looks if self.spec.replicated else (self.spec.confirm.seeds,)

    @property
    def comparisons(self) -> int:
        """Schedules that are compared with the baseline."""
        return len(self.spec.schedules) - 1

    @property
    def detectable(self) -> float | None:
        """The effect found in POWER of studies, in standard deviations of a pair's difference; None where none is."""
        if not self.comparisons:
            return None
        found = power.detectable(self.looks, self.comparisons, self.spec.question.alpha, POWER)
        return found if math.isfinite(found) else None

    def expected(self, effect: float) -> float:
        """The mean number of replicates until a schedule with an effect, in standard deviations, is decided."""
        rope = 0.0
        if self.noise is not None and self.noise.sd > 0:
            rope = replicates.rope_on_scale(self.spec.question.rope, self.spec.question.scale) / self.noise.sd
        return power.expected_replicates(self.looks, self.comparisons, self.spec.question.alpha, effect, rope)

    def runs(self, count: float) -> int:
        """Runs of all schedules in so many replicates."""
        return round(count * len(self.spec.schedules) * sum(stages.per_replicate(self.spec).values()))

    def lines(self) -> Iterator[str]:
        """The power in words; nothing where there is nothing to compare, or no verdict."""
        effect = self.detectable
        if effect is None:
            return
        unit = "replicate" if self.spec.replicated else "seed"
        about = "" if self.spec.replicated else " (between these configurations, not between schedules)"
        line = (
            f"power: would find an effect of {effect:.1f} standard deviations of a {unit}'s difference in {100 * POWER:.0f} % of "
            f"studies{about}"
        )
        if self.noise is None:
            yield f"{line}; --noise-from results/FOLDER says how much that is"
        else:
            yield (
                f"{line}: of {self.noise.shown(effect)}, by the spread of {self.noise.pairs} pairs in {self.noise.folder}"
            )

    def values(self) -> dict[str, Any]:
        """The same as plain JSON values; effects are None where no effect is found, or no noise is known."""
        effect, noise, found = self.detectable, self.noise, dict[str, Any]()
        found["power"] = {
            "share": POWER,
            "looks": list(self.looks),
            "unit": "replicate" if self.spec.replicated else "seed",
            "effect_in_standard_deviations": effect,
            "effect": None if effect is None or noise is None else noise.effect(effect),
        }
        if noise is not None:
            found["noise"] = {
                "from": str(noise.folder),
                "standard_deviation": noise.sd,
                "baseline_mean": noise.mean,
                "pairs": noise.pairs,
                "scale": self.spec.question.scale,
            }
        if self.spec.replicated and self.comparisons:
            found["expected_replicates"] = {
                "no_difference": self.expected(0.0),
                "detectable_effect": None if effect is None else self.expected(effect),
            }
        return found
