"""The learning rates that the confirmed configurations were trained with, and which network they are of."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness import kinds, schedules
from harness.arms import Arm
from harness.report import numbers, sentences
from harness.report.analysis import Analysis
from harness.results.tables import ResultsError
from harness.results.trace import RATE

RATIO = "discriminator"  # the network whose rate may be a multiple of the others'


@dataclass(frozen=True)
class Rates:
    """By schedule the rate of every step, float32 (steps,), of the network whose rate the schedule sets.

    Where schedules differ in the networks that they are applied to, it is the first network's, and `others` holds by
    schedule those of networks with another course.
    """

    network: str  # empty where all networks have one rate
    by_schedule: dict[str, NDArray[np.float32]]
    note: str
    others: dict[str, list[NDArray[np.float32]]] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """What an axis calls it."""
        return f"{self.network}'s learning rate" if self.network and not self.others else "learning rate"


def of(analysis: Analysis) -> Rates:
    """The rates of the schedules that have confirmation runs, in the replicate with the median peak where there are several.

    They are the first network's (a GAN's generator), or that network's to which alone all schedules are applied. Raises
    ResultsError if a row of runs.csv holds parameters that make no schedule.
    """
    study = analysis.results.study
    arms = {label: study.arm(label) for label in study.schedules}
    networks = [name.removeprefix(RATE) for name in map(str, analysis.results.curves) if name.startswith(RATE)]
    scopes = {arm.applies_to for arm in arms.values()}
    alike = len(scopes) == 1 and not any(arm.networks for arm in arms.values())
    applies_to = scopes.pop() if alike else schedules.ALL
    network = networks[0] if applies_to == schedules.ALL else applies_to
    found, ratios = {}, {}
    others: dict[str, list[NDArray[np.float32]]] = {}
    for name, runs in analysis.confirmed.groupby("schedule", sort=False):
        label, row = str(name), _median(runs)
        tables, ratio = _tables(analysis, arms[label], row, networks)
        found[label], ratios[label] = tables[network], 1.0 if ratio is None else ratio
        if not alike:
            factors = {name: ratio if name == RATIO and ratio is not None else 1.0 for name in networks}
            expected = {name: tables[network] * factors[name] / factors[network] for name in networks}
            apart = [tables[name] for name in networks if not _same(tables[name], expected[name])]
            others |= {label: apart} if apart else {}
    one = applies_to == schedules.ALL and RATIO not in networks and not others
    note = _note(applies_to, networks, ratios) if alike else _note_of_mixed(networks, ratios)
    # Of a kind of the user's own it is not known, or a page would depend on whether its file was executed.
    if rules := [label for label in found if any(map(_is_rule_of_ours, arms[label].kinds))]:
        note = f"{note} {_note_of_rules(rules)}".lstrip()
    return Rates("" if one else network, found, note, others)


def _is_rule_of_ours(kind: str) -> bool:
    return not kinds.is_own(kind) and schedules.is_rule(kind)


def _median(runs: pd.DataFrame) -> dict[Hashable, Any]:
    """A schedule's first confirmation run in the replicate whose peak is the (lower) median one."""
    firsts = runs.drop_duplicates("replicate").sort_values("params_peak", kind="stable")
    return firsts.iloc[(len(firsts) - 1) // 2].to_dict()


def _same(rates: NDArray[np.float32], expected: NDArray[np.float32]) -> bool:
    """Whether rates are alike but for rounding."""
    return bool(np.allclose(rates, expected, rtol=1e-5, atol=1e-6 * float(expected.max())))


def _tables(
    analysis: Analysis, arm: Arm, row: Mapping[Hashable, Any], networks: list[str]
) -> tuple[dict[str, NDArray[np.float32]], float | None]:
    """The rates of a run by network, and what the discriminator's are multiplied by, if anything."""
    values = {
        str(name).removeprefix("params_"): float(value)
        for name, value in row.items()
        if str(name).startswith("params_") and value == value
    }
    ratio = values.get("discriminator_ratio")
    # A page is made without executing a study's own code; a rule's rates are of its run alone.
    if any(kinds.is_own(kind) or schedules.is_rule(kind) for kind in arm.kinds):
        return {network: _stored(analysis, row, network) for network in networks}, ratio
    ratios = {} if ratio is None else {RATIO: ratio}
    try:
        return arm.rates(values, int(row["steps"]), networks=networks, ratios=ratios), ratio
    except (schedules.ScheduleError, KeyError) as error:
        said = f"has no parameter {error}" if isinstance(error, KeyError) else str(error)
        path = analysis.results.path / "runs.csv"
        raise ResultsError(f"{path}: run '{row['run']}' {said}; restore it from a copy") from error


def _stored(analysis: Analysis, row: Mapping[Hashable, Any], network: str) -> NDArray[np.float32]:
    """The rates of a run, float32 (steps,), between the steps at which its trace holds them."""
    points = analysis.results.traces[analysis.results.traces["run"] == row["run"]]
    if points.empty:
        points = analysis.results.curves[analysis.results.curves["run"] == row["run"]]
    steps = np.arange(1, int(row["steps"]) + 1)
    rates: NDArray[np.float32] = np.interp(steps, points["step"], points[f"rate_{network}"]).astype(np.float32)
    return rates


def _note_of_mixed(networks: list[str], ratios: dict[str, float]) -> str:
    """Which lines are whose, where schedules differ in the networks that they are applied to."""
    others = " and ".join(f"the {name}" for name in networks[1:])
    said = f"Schedules differ in the networks that follow them: whole lines are the {networks[0]}'s rates"
    said += f", dotted ones those of {others} where they take another course."
    return said if all(ratio == 1.0 for ratio in ratios.values()) else f"{said} {_multiples(ratios)}"


def _note_of_rules(labels: list[str]) -> str:
    follow = "follows a rule" if len(labels) == 1 else "follow a rule"
    return (
        f"{sentences.listed(labels)} {follow}, so that each run has rates of its own: those of the first confirmation run are "
        "shown, between the steps of its trace."
    )


def _multiples(ratios: dict[str, float]) -> str:
    each = ", ".join(f"{numbers.number(ratio)} ({numbers.name(label)})" for label, ratio in ratios.items())
    return f"The discriminator's rate was a multiple of it: {each}."


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
    return _multiples(ratios)
