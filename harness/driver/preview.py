"""What `--dry-run` says: images, what the score sees of damaged ones, floor, remaining runs with their cost, disk need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from rich.console import Console
from rich.table import Table

from harness.driver import cautions, preflight, progress
from harness.metrics import sanity
from harness.plan import stages
from harness.plan.design import PHASES
from harness.spec import StudySpec, resolved

# Bytes, measured on committed studies: a run's record, in database and tables, without its curve; a score of a point of
# the curve; page, figures and tables of a study.
_A_RECORD, _A_SCORE, _A_REPORT = 12_000, 160, 4_000_000
_SCORES = 20  # of a point: ten of the raw and ten of the averaged generator


class Placed(Protocol):
    """Where in the plan a run belongs."""

    @property
    def phase(self) -> str: ...
    @property
    def schedule(self) -> str: ...


@dataclass(frozen=True)
class Preview:
    """What a study would cost and what is known of it; `facts` and `probe` are a worker's answers."""

    spec: StudySpec
    stored: Mapping[str, Placed]
    facts: Mapping[str, Any]
    probe: Mapping[str, float]
    workers: int

    @property
    def remaining(self) -> int:
        """Planned runs that are not stored; of configurations that a grown study no longer confirms, none count."""
        return remaining(self.spec, self.stored)

    @property
    def a_run(self) -> float:
        """Seconds of a run."""
        spec = self.spec
        return spec.train.steps * self.probe["step"] + spec.evaluate.points * self.probe["evaluation"]

    @property
    def seconds(self) -> float:
        """Seconds until all is done."""
        return self.probe["set_up"] + self.remaining * self.a_run / self.workers if self.remaining else 0.0

    @property
    def disk(self) -> float:
        """Bytes that the results folder will take in the end, roughly, with what workers need meanwhile."""
        spec, dimensions = self.spec, int(self.facts["features"]["dimensions"])
        a_run = 2 * self.probe["grid"] + _A_RECORD + _A_SCORE * _SCORES * spec.evaluate.points
        kept = sum(
            min(int(self.facts["data"][part]), max(spec.evaluate.generated, 5000)) for part in ("train", "held_out")
        )
        reference = 4 * kept * dimensions + 2 * 8 * dimensions**2
        return total(spec) * a_run + self.workers * self.probe["checkpoint"] + reference + _A_REPORT

    @property
    def warnings(self) -> list[str]:
        """The cautions that apply."""
        return cautions.of(self.spec, self.facts)

    def values(self) -> dict[str, Any]:
        """Everything as plain JSON values."""
        data, features = self.facts["data"], self.facts["features"]
        return {
            "study": self.spec.name,
            "spec": resolved(self.spec),
            "runs": total(self.spec),
            "stored": len(self.stored),
            "remaining": self.remaining,
            "workers": self.workers,
            "seconds_per_step": self.probe["step"],
            "seconds_per_evaluation": self.probe["evaluation"],
            "seconds_set_up": self.probe["set_up"],
            "seconds_per_run": self.a_run,
            "seconds": self.seconds,
            "disk_bytes": round(self.disk),
            "data": data,
            "features": features,
            "floor": self.facts["floor"],
            "sanity": self.facts["sanity"],
            "warnings": self.warnings,
        }

    def show(self, console: Console) -> None:
        """Print all but the warnings."""
        spec, data = self.spec, self.facts["data"]
        score = str(preflight.primary(spec).raw)
        console.print(
            f"\nimages: {data['train']} for training, {data['held_out']} held out, {'x'.join(map(str, data['shape']))} "
            f"({data['name']})",
            *data.get("notes", ()),
            sep="\n",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
        other = "held_out" if spec.evaluate.reference == "train" else "train"
        console.print(
            f"floor: {score} {self.facts['floor'][score]:.3g}, of {min(data[other], spec.evaluate.generated)} real images "
            f"({other})",
            highlight=False,
            soft_wrap=True,
        )
        if self.facts["sanity"]:
            console.print(
                f"\nwhat {score} makes of real images, damaged and not, against other real ones (means over "
                f"{sanity.PARTITIONS} random halves):",
                highlight=False,
                soft_wrap=True,
            )
            console.print(sanity_table(self.facts["sanity"]))
        steps = f"{spec.train.steps} steps: {1000 * self.probe['step']:.2f} ms per step"
        if not self.remaining:
            console.print(f"\nall {total(spec)} runs are stored already; a run has {steps}", highlight=False)
            return
        which = f"{self.remaining} of {total(spec)} runs remain, of" if self.stored else f"{self.remaining} runs of"
        console.print(
            f"\n{which} {steps}, {self.probe['evaluation']:.2f} s per evaluation (raw and averaged), "
            f"{self.probe['set_up']:.0f} s to set up a worker; {progress.duration(self.a_run)} a run, about "
            f"{progress.duration(self.seconds)} with {self.workers} workers on this machine as it is now",
            highlight=False,
            soft_wrap=True,
        )
        console.print(
            f"disk: very roughly {self.disk / 1e6:.0f} MB in all, of which a checkpoint per worker "
            f"({self.probe['checkpoint'] / 1e6:.1f} MB) goes again",
            highlight=False,
            soft_wrap=True,
        )


def total(spec: StudySpec) -> int:
    """All runs of the plan."""
    return sum(sum(group.values()) for group in stages.size(spec).values())


def remaining(spec: StudySpec, stored: Mapping[str, Placed]) -> int:
    """Planned runs that are not stored."""
    done = Counter((each.phase, each.schedule) for each in stored.values())
    if spec.search.allocation == "adaptive":  # which schedules the search takes is known at its end only
        found = sum(count for (phase, _), count in done.items() if phase == "search")
        done = Counter({key: count for key, count in done.items() if key[0] != "search"})
        searched = min(found, spec.search.trials * len(spec.schedules))
    else:
        searched = 0
    sizes = stages.size(spec)
    kept = sum(min(done[phase, label], sizes[phase][label]) for phase in PHASES for label in spec.schedules)
    return total(spec) - searched - kept


def plan_table(spec: StudySpec, stored: Mapping[str, Placed]) -> Table:
    """Planned runs by schedule and phase, with how many are stored where any is."""
    table = Table(box=None, pad_edge=False, title=f"{spec.name}: planned runs (stored)", title_justify="left")
    table.add_column("schedule")
    sizes = stages.size(spec)
    for phase in PHASES:
        table.add_column(phase, justify="right")
    done = Counter((each.phase, each.schedule) for each in stored.values())
    for label in spec.schedules:
        cells = [f"{sizes[phase][label]}" + (f" ({done[phase, label]})" if stored else "") for phase in PHASES]
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
