"""The learning rates that the confirmed configurations were trained with, and which network they are of."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import kinds, schedules
from harness.report import numbers
from harness.report.analysis import Analysis
from harness.results.tables import ResultsError
from harness.results.trace import RATE


@dataclass(frozen=True)
class Rates:
    """By schedule the rate of every step, float32 (steps,), of the network whose rate the schedule sets."""

    network: str  # empty where all networks have one rate
    by_schedule: dict[str, NDArray[np.float32]]
    note: str

    @property
    def label(self) -> str:
        """What an axis calls it."""
        return f"{self.network}'s learning rate" if self.network else "learning rate"


def of(analysis: Analysis) -> Rates:
    """The rates of the schedules that have confirmation runs.

    They are the first network's (a GAN's generator), or that network's to which alone the schedule is applied. Raises
    ResultsError if a row of runs.csv holds parameters that make no schedule.
    """
    applies_to = analysis.results.study.spec.train.applies_to
    networks = [name.removeprefix(RATE) for name in map(str, analysis.results.curves) if name.startswith(RATE)]
    network = networks[0] if applies_to == schedules.ALL else applies_to
    found, ratios = {}, {}
    for row in analysis.confirmed.drop_duplicates("schedule").to_dict("records"):
        values = {
            str(name).removeprefix("params_"): float(value)
            for name, value in row.items()
            if str(name).startswith("params_") and value == value
        }
        label, ratio = str(row["schedule"]), values.get("discriminator_ratio")
        if kinds.is_own(str(row["kind"])):  # a page is made without executing a study's own code
            found[label], ratios[label] = _stored(analysis, row, network), 1.0 if ratio is None else ratio
            continue
        try:
            schedule = schedules.of(str(row["kind"]), values)
            tables = schedules.by_network(
                schedule,
                int(row["steps"]),
                networks=networks,
                ratios={} if ratio is None else {"discriminator": ratio},
                applies_to=applies_to,
            )
        except (schedules.ScheduleError, KeyError) as error:
            said = f"has no parameter {error}" if isinstance(error, KeyError) else str(error)
            path = analysis.results.path / "runs.csv"
            raise ResultsError(f"{path}: run '{row['run']}' {said}; restore it from a copy") from error
        found[label], ratios[label] = tables[network], 1.0 if ratio is None else ratio
    one = applies_to == schedules.ALL and "discriminator" not in networks
    return Rates("" if one else network, found, _note(applies_to, networks, ratios))


def _stored(analysis: Analysis, row: Mapping[Hashable, Any], network: str) -> NDArray[np.float32]:
    """The rates of a run, float32 (steps,), between the steps at which its trace holds them."""
    points = analysis.results.traces[analysis.results.traces["run"] == row["run"]]
    if points.empty:
        points = analysis.results.curves[analysis.results.curves["run"] == row["run"]]
    steps = np.arange(1, int(row["steps"]) + 1)
    rates: NDArray[np.float32] = np.interp(steps, points["step"], points[f"rate_{network}"]).astype(np.float32)
    return rates


def _note(applies_to: str, networks: list[str], ratios: dict[str, float]) -> str:
    """What the other networks' rates were meanwhile; empty where there is one network."""
    others = [f"the {name}" for name in networks if name != applies_to]
    if applies_to != schedules.ALL:
        kept = f"; {' and '.join(others)} kept {'its' if len(others) == 1 else 'their'} peak rate" if others else ""
        return f"The schedule was applied to the {applies_to} alone{kept}."
    if "discriminator" not in networks:
        return f"It was that of {' and '.join(networks)} alike." if networks[1:] else ""
    if all(ratio == 1.0 for ratio in ratios.values()):
        return "The discriminator's rate was the same."
    each = ", ".join(f"{numbers.number(ratio)} ({numbers.name(label)})" for label, ratio in ratios.items())
    return f"The discriminator's rate was a multiple of it: {each}."
