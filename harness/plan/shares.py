"""How much of a study's steps its runs have in common, as far as its plan tells before the first run."""

from __future__ import annotations

from harness.plan import stages
from harness.plan.confirmed import Confirmed
from harness.plan.prefixes import Prefixes
from harness.spec import Planned, StudySpec

_LOOKED_AT = 500  # known runs from which the others' share is estimated


def expected(spec: StudySpec) -> dict[str, float]:
    """By phase, the share of its steps that are those of an earlier run, as far as the study's first stage tells.

    Which configurations are confirmed is not known before a search, so that theirs counts as 0; a search's is estimated
    from its first runs. Runs that score the end of another again share all of its steps.
    """
    if not spec.safety.share:
        return {}
    wave = next(stages.waves(spec, Confirmed(spec, {}, Planned.of(spec))))
    known = [design for sequence in wave for design in next(sequence, [])]
    looked_at = sorted(known, key=lambda each: (each.replicate or 0, each.repetition))[:_LOOKED_AT]
    found = {}
    if looked_at:
        shared = sum(beginning.steps for beginning in Prefixes(spec).beginnings(looked_at).values())
        found[looked_at[0].phase] = shared / sum(spec.steps(each.schedule) for each in looked_at)
    if spec.variance is not None:
        runs = sum(map(spec.variance.runs, spec.variance.sources))
        found["variance"] = spec.variance.runs("evaluation") / runs
    return {phase: share for phase, share in found.items() if share}
