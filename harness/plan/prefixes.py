"""Runs that are the same up to a step: of equal seeds and settings, and tables that agree bit for bit up to it.

What a run is trained with at a step are the rates of all networks and what else the study schedules. So two runs whose tables
agree over their first steps are one run until then. A run under a rule has no table, and agrees with no other.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from harness import schedules
from harness.plan.design import Design
from harness.spec import StudySpec, resolved

Table = NDArray[np.uint32]

LEAST = 0.05  # of a run's steps: a shorter beginning is not worth its checkpoint
PATTERN = "fork-*.npz"  # the files of forks
_LAYOUT = 1  # of a checkpoint that another run begins from
_OF_TRAINING = ("seed", "model", "data", "network", "train", "evaluate", "code")  # keys that every run depends on
_PLACES = {"data": "data_dir", "evaluate": "weights"}  # where something lies, not what it is


@dataclass(frozen=True)
class Beginning:
    """The first `steps` steps of a run, which are those of the run of this name, too."""

    run: str
    steps: int


@dataclass(frozen=True)
class Forks:
    """What a run is told of the others: file names of the fork that it begins from, if any, and by step of those it leaves.

    A fork is a checkpoint at the step where another run departs from the one that left it.
    """

    begins: str = ""
    leaves: Mapping[int, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"begins": self.begins, "leaves": [[step, name] for step, name in self.leaves.items()]}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """What `to_json` wrote; raises KeyError, TypeError or ValueError for anything else."""
        return cls(str(values["begins"]), {int(step): str(name) for step, name in values["leaves"]})


def agreeing(first: Table, other: Table) -> int:
    """How many steps, from the first, two tables agree."""
    both = min(len(first), len(other))
    differs = (first[:both] != other[:both]).any(axis=1)
    return int(differs.argmax()) if differs.any() else both


def longest(tables: Sequence[Table]) -> list[tuple[int, int]]:
    """For each table the first of those before it that agrees with it longest, by index, and for how many steps.

    (0, 0) where none before it has the same first step. In each pass the first table of a set, whose tables agree up to a
    step, is compared with the others; those that leave it at the same step for the same row make the sets that come next.
    """
    found = [(0, 0)] * len(tables)
    sets = [list(range(len(tables)))]
    while sets:
        first, *others = sets.pop()
        leaving: dict[tuple[int, bytes], list[int]] = {}
        for place in others:
            steps = agreeing(tables[first], tables[place])
            if steps == len(tables[place]):
                found[place] = (first, steps)
                continue
            leaving.setdefault((steps, tables[place][steps].tobytes()), []).append(place)
        for (steps, _), places in leaving.items():
            found[places[0]] = (first, steps) if steps else (0, 0)
            sets.append(places)
    return found


@dataclass(frozen=True)
class Prefixes:
    """How far the runs of a study agree."""

    spec: StudySpec

    @property
    def worth(self) -> int:
        """The fewest steps that are worth a checkpoint."""
        return math.ceil(LEAST * self.spec.train.steps)

    def tabled(self, schedule: str) -> bool:
        """Whether the tables of a schedule's runs are known here, before they are trained."""
        networks, arm = self.spec.model.part.networks, self.spec.arm(schedule)
        unknown = any(schedules.is_unread(kind) or schedules.is_rule(kind) for kind in arm.kinds)
        return bool(networks) and not unknown

    def table(self, design: Design) -> Table:
        """What a run is trained with at every step, uint32 (steps, columns): the bits of its rates, then of its controls."""
        rates = design.rates(self.spec, self.spec.model.part.networks)
        columns = [*rates.values(), *design.controls(self.spec).values()]
        return np.stack(columns, axis=1).view(np.uint32)

    def group(self, design: Design) -> str:
        """A name for the seeds of a run and the model that it is trained with: no other run can agree with it."""
        model = self.spec.trained_with(design.schedule)
        optimizer = model.optimizer.model_dump(mode="json")
        return self._hash({"seeds": vars(design.seeds), "model": {**model._asdict(), "optimizer": optimizer}})[:12]

    def identity(self, design: Design, steps: int, table: Table | None = None) -> str:
        """SHA-256 (hex) of all that a run's first `steps` steps follow from, but for the machine; `table` is the run's own."""
        known = self.table(design) if table is None else table
        what = {"group": self.group(design), "steps": steps, "settings": self._settings, "layout": _LAYOUT}
        return self._hash(what, known[:steps].tobytes())

    @cached_property
    def _settings(self) -> dict[str, Any]:
        values = resolved(self.spec)
        kept = {key: values[key] for key in _OF_TRAINING if key in values}
        for key, place in _PLACES.items():
            kept[key] = {name: value for name, value in kept[key].items() if name != place}
        return kept

    @staticmethod
    def _hash(what: Mapping[str, Any], further: bytes = b"") -> str:
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode() + further).hexdigest()

    def beginnings(self, designs: Iterable[Design]) -> dict[str, Beginning]:
        """By name, the runs that begin as one before them does for long enough: as the one that does so longest."""
        groups: dict[str, list[Design]] = {}
        for design in designs:
            if self.tabled(design.schedule):
                groups.setdefault(self.group(design), []).append(design)
        found = {}
        for group in groups.values():
            if len(group) == 1:
                continue
            for design, (first, steps) in zip(group, longest([self.table(each) for each in group]), strict=True):
                if steps >= self.worth:
                    found[design.run] = Beginning(group[first].run, steps)
        return found
