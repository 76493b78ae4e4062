"""What `--dry-run` says: images, their floor, what the score makes of damaged ones, remaining runs, time and disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from rich.console import Console
from rich.table import Table

from harness import command_line
from harness.driver import cautions, preflight, progress
from harness.driver.looks import Looks
from harness.driver.prospect import Prospect
from harness.metrics import sanity
from harness.plan import shares, stages
from harness.seeds import SETS
from harness.spec import StudySpec, resolved
from harness.spec.loading import Placed

# Bytes, measured on committed studies: a run's record, in database and tables, without its curve; a score of a point of
# the curve; page, figures and tables of a study.
_RECORD_BYTES, _SCORE_BYTES, _REPORT_BYTES = 12_000, 160, 4_000_000
_SCORES = 10  # of a point and of the weights that are scored


@dataclass(frozen=True)
class Preview:
    """What a study would cost and what is known of it; `facts` and `probe` are a worker's answers.

    `looks` is of a replicated study: where it stands. `notes` are warnings besides the cautions.
    """

    spec: StudySpec
    stored: Mapping[str, Placed]
    facts: Mapping[str, Any]
    probe: Mapping[str, float]
    workers: int
    prospect: Prospect
    looks: Looks | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def remaining(self) -> int:
        """Planned runs that are not stored; of configurations that a grown study no longer confirms, none count.

        Of a replicated study the most: a schedule that a look decides is trained no further.
        """
        return remaining(self.spec, self.stored) if self.looks is None else self.looks.to_end

    @property
    def seconds_per_run(self) -> float:
        """How long a run takes with its evaluations, and with the images that rules look at, on average over schedules."""
        spec = self.spec
        shown = sum(map(spec.images_shown, spec.schedules)) / len(spec.schedules)
        scored = spec.evaluate.generated * (1 + len(spec.train.averages))  # in one evaluation
        evaluations = spec.evaluate.points + shown / scored
        steps = sum(map(spec.steps, spec.schedules)) / len(spec.schedules)
        return steps * self.probe["step"] + evaluations * self.probe["evaluation"]

    @property
    def seconds(self) -> float:
        """Seconds until all is done; of a replicated study at most."""
        further = SETS * self._evaluation_runs * self.probe["evaluation"] / self.workers
        return self.seconds_of(self.remaining) + further

    @property
    def _evaluation_runs(self) -> int:
        """Runs that are left whose final weights are scored with further sets of latents."""
        variance = self.spec.variance
        if variance is None:
            return 0
        planned = sum(variance.runs("evaluation") for label in self.spec.schedules if variance.of(label))
        return max(planned - sum(run.source == "evaluation" for run in self.stored.values()), 0)

    def seconds_of(self, runs: int) -> float:
        """Seconds that so many runs take, a planned part of which begins as others do."""
        of_run = self.seconds_per_run * (1 - self._saved)
        return self.probe["set_up"] + runs * of_run / self.workers if runs else 0.0

    @cached_property
    def shared(self) -> Mapping[str, float]:
        """By phase, the share of its steps that are those of earlier runs and are not trained again."""
        return shares.expected(self.spec)

    @property
    def _saved(self) -> float:
        """The share of the steps of all planned runs."""
        return self._shared_steps / sum(self._steps.values())

    @property
    def _shared_steps(self) -> float:
        """How many of all planned runs' steps are not trained again."""
        return sum(share * self._steps[phase] for phase, share in self.shared.items())

    @property
    def _steps(self) -> Mapping[str, int]:
        """The steps of all planned runs by phase."""
        sizes, steps = stages.size(self.spec), self.spec.steps
        return {phase: sum(count * steps(label) for label, count in of.items()) for phase, of in sizes.items()}

    @property
    def disk(self) -> float:
        """Bytes that the results folder will take in the end, roughly, with what workers need meanwhile."""
        spec, dimensions = self.spec, int(self.facts["features"]["dimensions"])
        weights = 1 + len(spec.train.averages)
        per_run = 2 * self.probe["grid"] + _RECORD_BYTES + _SCORE_BYTES * weights * _SCORES * spec.evaluate.points
        kept = sum(
            min(int(self.facts["data"][part]), max(spec.evaluate.generated, 5000)) for part in ("train", "held_out")
        )
        reference = 4 * kept * dimensions + 2 * 8 * dimensions**2
        return total(spec) * per_run + self.workers * self.probe["checkpoint"] + reference + _REPORT_BYTES

    @property
    def warnings(self) -> list[str]:
        """The cautions that apply."""
        noise = self.prospect.noise
        caution = [noise.caution] if noise is not None and noise.caution else []
        return [*cautions.of(self.spec, self.facts), *self.notes, *caution]

    def values(self) -> dict[str, Any]:
        """Everything as plain JSON values."""
        data, features = self.facts["data"], self.facts["features"]
        found = {
            "study": self.spec.name,
            "spec": resolved(self.spec),
            "published": self.spec.published.said,
            "runs": total(self.spec),
            "stored": len(self.stored),
            "remaining": self.remaining,
            "workers": self.workers,
            "seconds_per_step": self.probe["step"],
            "seconds_per_evaluation": self.probe["evaluation"],
            "seconds_set_up": self.probe["set_up"],
            "seconds_per_run": self.seconds_per_run,
            "seconds": self.seconds,
            "shared_steps": round(self._shared_steps),
            **self._first_look(),
            **self.prospect.values(),
            "disk_bytes": round(self.disk),
            "data": data,
            "features": features,
            "floor": self.facts["floor"],
            "sanity": self.facts["sanity"],
            "warnings": self.warnings,
        }
        return command_line.versioned(found)

    def _first_look(self) -> dict[str, Any]:
        """What the next look of a replicated study costs, the first where none is taken."""
        if self.looks is None:
            return {}
        return {"runs_to_next_look": self.looks.to_next, "seconds_to_next_look": self.seconds_of(self.looks.to_next)}

    def show(self, console: Console) -> None:
        """Print all but the warnings."""

        def say(line: str) -> None:
            console.print(line, highlight=False, markup=False, soft_wrap=True)

        for line in (*self._about_publication(), *self._about_data()):
            say(line)
        if self.facts["sanity"]:
            say(
                f"\nwhat {self._score} makes of real images, damaged and not, against other real ones (means over "
                f"{sanity.PARTITIONS} random halves):"
            )
            console.print(sanity_table(self.facts["sanity"]))
        for line in self._about_cost():
            say(line)

    @property
    def _score(self) -> str:
        return str(preflight.primary(self.spec).raw)

    def _about_publication(self) -> Iterator[str]:
        """The words of [published]."""
        said = self.spec.published.said
        if said:
            yield "\nwhat is published about this setting:"
        for key, value in said.items():
            yield f"  {key.replace('_', ' ')}: {value}"

    def _about_data(self) -> Iterator[str]:
        """How many images there are, and what their own score is."""
        data, evaluate = self.facts["data"], self.spec.evaluate
        shape = "x".join(map(str, data["shape"]))
        yield f"\nimages: {data['train']} for training, {data['held_out']} held out, {shape} ({data['name']})"
        yield from data.get("notes", ())
        other = "held_out" if evaluate.reference == "train" else "train"
        images = min(data[other], evaluate.generated)
        yield f"floor: {self._score} {self.facts['floor'][self._score]:.3g}, of {images} real images ({other})"

    def _about_cost(self) -> Iterator[str]:
        """What remains to be trained, how long that takes, and how much disk."""
        runs, probe = total(self.spec), self.probe
        upto = "" if len(set(map(self.spec.steps, self.spec.schedules))) == 1 else "up to "
        steps = f"{upto}{self.spec.train.steps} steps: {1000 * probe['step']:.2f} ms per step"
        if not self.remaining:
            yield f"\nall {len(self.stored) if self.looks else runs} runs are stored already; a run has {steps}"
            return
        which = f"{self.remaining} of {runs} runs remain, of" if self.stored else f"{self.remaining} runs of"
        most = "" if self.looks is None else "at most "
        averages = len(self.spec.train.averages)
        scored = "raw and averaged" if averages == 1 else f"raw and {averages} averages"
        yield (
            f"\n{most}{which} {steps}, {probe['evaluation']:.2f} s per evaluation ({scored}), {probe['set_up']:.0f} s to "
            f"set up a worker; {progress.duration(self.seconds_per_run)} per run, {most or 'about '}"
            f"{progress.duration(self.seconds)} with {self.workers} workers on this machine as it is now"
        )
        yield from self._about_sharing()
        if self.looks is not None:
            yield from self._about_looks(self.looks)
        yield from self.prospect.lines()
        yield (
            f"disk: very roughly {self.disk / 1e6:.0f} MB in all, of which a checkpoint per worker "
            f"({probe['checkpoint'] / 1e6:.1f} MB) goes again"
        )

    def _about_sharing(self) -> Iterator[str]:
        """What is saved where runs begin alike."""
        if not self.shared:
            return
        shares = ", ".join(f"{100 * share:.0f} % of the steps of {phase}" for phase, share in self.shared.items())
        saved = self._saved * self.remaining * self.seconds_per_run / self.workers
        yield (
            f"trained once for several runs: {shares}, which saves about {progress.duration(saved)}, counted above; more where "
            "schedules are confirmed with equal rates"
        )

    def _about_looks(self, looks: Looks) -> Iterator[str]:
        """The least and the expected cost of a replicated study."""
        runs = looks.to_next
        which = "next" if self.stored else "first"
        if runs < self.remaining:
            yield f"at least {runs} runs, to the {which} look: {progress.duration(self.seconds_of(runs))}"
        effect = self.prospect.detectable
        if effect is None or len(self.prospect.looks) == 1 or self.stored:
            return
        for words, size in (("there is no difference", 0.0), ("the effect is one that this plan finds", effect)):
            replicates = self.prospect.expected(size)
            runs = self.prospect.runs(replicates)
            yield (
                f"expected where {words}: about {replicates:.0f} replicates of each schedule, {runs} runs, "
                f"{progress.duration(self.seconds_of(runs))}"
            )


def total(spec: StudySpec) -> int:
    """All runs of the plan."""
    return sum(sum(group.values()) for group in stages.size(spec).values())


def remaining(spec: StudySpec, stored: Mapping[str, Placed]) -> int:
    """Planned runs that are not stored."""
    done = Counter((run.phase, run.schedule) for run in stored.values())
    if spec.search.allocation == "adaptive":  # which schedules the search takes is known at its end only
        searches = sum(count for (phase, _), count in done.items() if phase == "search")
        done = Counter({key: count for key, count in done.items() if key[0] != "search"})
        searched = min(searches, spec.search.trials * len(spec.schedules))
    else:
        searched = 0
    sizes = stages.size(spec)
    kept = sum(min(done[phase, label], count) for phase, counts in sizes.items() for label, count in counts.items())
    return total(spec) - searched - kept


def plan_table(spec: StudySpec, stored: Mapping[str, Placed]) -> Table:
    """Planned runs by schedule and phase, with how many are stored where any is."""
    most = ", at most" if spec.replicated else ""
    table = Table(box=None, pad_edge=False, title=f"{spec.name}: planned runs{most} (stored)", title_justify="left")
    table.add_column("schedule")
    sizes = stages.size(spec)
    for phase in sizes:
        table.add_column(phase, justify="right")
    done = Counter((run.phase, run.schedule) for run in stored.values())
    for label in spec.schedules:
        cells = [f"{sizes[phase][label]}" + (f" ({done[phase, label]})" if stored else "") for phase in sizes]
        table.add_row(label, *cells)
    return table


def sanity_table(rows: Iterable[Mapping[str, Any]]) -> Table:
    """What a score makes of damaged real images, one row per damage."""
    table = Table(box=None, pad_edge=False)
    table.add_column("damage")
    for name in ("images", "damaged", "undamaged"):
        table.add_column(name, justify="right")
    table.add_column("seen")
    for row in rows:
        numbers = (f"{row['images']}", f"{row['value']:.3g}", f"{row['floor']:.3g}")
        table.add_row(row["damage"], *numbers, "yes" if row["seen"] else "NO")
    return table
