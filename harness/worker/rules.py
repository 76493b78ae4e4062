"""The rules of a run: what each is shown, when it decides, and the factors that its networks are trained with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.models.model import Losses
from harness.schedules import Rule, Run, ScheduleError, Seen, State

_RULE = "rule"  # how names of a rule's arrays begin in a checkpoint


@dataclass
class Rules:
    """The rules of one run, by place, each with the networks that follow it and its factor.

    `rates` are those that factors multiply, float32 (steps,) by network; in place they become what was trained with. They
    are cut at decisions, so that no number depends on how steps are cut into chunks.
    """

    rules: Mapping[str, tuple[Rule, tuple[str, ...]]]
    rates: dict[str, NDArray[np.float32]]
    run: Run
    _states: dict[str, State] = field(init=False)
    _factors: dict[str, float] = field(init=False)
    _losses: dict[str, list[Losses]] = field(init=False)

    def __post_init__(self) -> None:
        """Before the first step."""
        self._states = {place: _arrays(rule.begin(self.run)) for place, (rule, _) in self.rules.items()}
        self._factors = dict.fromkeys(self.rules, 1.0)
        self._losses = {place: [] for place in self.rules}

    def until(self, step: int, target: int) -> int:
        """The last step, at most `target`, up to which training can go on from `step` before a rule decides."""
        return min([target, *(step + rule.every - step % rule.every for rule, _ in self.rules.values())])

    def apply(self, part: slice) -> None:
        """Multiply the rates of the steps in `part`, which are trained next, by the factors as they are."""
        for place, (_, followers) in self.rules.items():
            for network in followers:
                rates = self.rates[network][part].astype(np.float64) * self._factors[place]
                self.rates[network][part] = rates.astype(np.float32)

    def add(self, losses: Losses) -> None:
        """Take the losses of the steps that were trained."""
        for place, (rule, _) in self.rules.items():
            if rule.losses:
                self._losses[place].append({name: losses[name] for name in rule.losses})

    def decide(self, step: int, show: Callable[[int], tuple[Callable[[], Any], Callable[[], Any]]]) -> None:
        """Let the rules decide whose time it is after `step` steps.

        `show` gives, for a number of images, functions that compute features of generated and of real ones. Raises
        ScheduleError for a factor that no rate can be multiplied by.
        """
        for place, (rule, _) in self.rules.items():
            if step % rule.every or step == self.run.steps:
                continue
            generated, real = show(rule.images)
            seen = Seen(step, self._since(place), generated, real)
            state, factor = rule.decide(self._states[place], seen)
            if not 0.0 <= factor < np.inf:
                raise ScheduleError(
                    f"{rule.kind} decides on the factor {factor!r} at step {step}, but it must be at least 0 and finite"
                )
            self._states[place], self._factors[place], self._losses[place] = _arrays(state), float(factor), []

    def _since(self, place: str) -> Losses:
        """The losses of every step since a rule's last decision, float32 (k,) by name."""
        parts = self._losses[place]
        return {
            name: np.concatenate([np.zeros(0, np.float32), *(part[name] for part in parts)])
            for name in self.rules[place][0].losses
        }

    def state(self, step: int) -> dict[str, NDArray[Any]]:
        """Everything that `restore` needs after `step` steps: arrays by name."""
        found: dict[str, NDArray[Any]] = {}
        for index, place in enumerate(self.rules):
            named: dict[str, Any] = {"factor": self._factors[place]}
            named |= {f"state.{name}": value for name, value in self._states[place].items()}
            named |= {f"loss.{name}": value for name, value in self._since(place).items()}
            found |= {f"{_RULE}{index}.{name}": np.asarray(value) for name, value in named.items()}
        if self.rules and step:  # what the next point of curve and trace says of the last step
            found |= {f"{_RULE}.rate.{network}": rate[step - 1] for network, rate in self.rates.items()}
        return found

    def restore(self, stored: Mapping[str, NDArray[Any]], step: int) -> None:
        """Go on from what `state` gave; KeyError, with nothing changed, if it is of other rules."""
        begun = self.rules and step
        last = {network: stored[f"{_RULE}.rate.{network}"] for network in (self.rates if begun else ())}
        self._factors = {place: float(stored[f"{_RULE}{index}.factor"]) for index, place in enumerate(self.rules)}
        for index, place in enumerate(self.rules):
            begin = f"{_RULE}{index}."
            named = {name.removeprefix(begin): value for name, value in stored.items() if name.startswith(begin)}
            self._states[place] = _taken("state.", named)
            losses = _taken("loss.", named)
            self._losses[place] = [losses] if losses else []
        for network, rate in last.items():
            self.rates[network][step - 1] = rate


def _arrays(state: State) -> State:
    """A state as it comes back from a checkpoint, so that an interruption changes nothing."""
    return {name: np.asarray(value) for name, value in state.items()}


def _taken(prefix: str, named: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): value for name, value in named.items() if name.startswith(prefix)}
