"""What is asked of a table: which columns are what, which rows count, and how verdicts are taken."""

from __future__ import annotations

import dataclasses
import math
import re
import shlex
from dataclasses import dataclass
from typing import Literal

from harness.elsewhere.table import TableError
from harness.metrics import metric
from harness.stats.replicates import SCALES

DIRECTIONS = ("lower", "higher")


@dataclass(frozen=True)
class Condition:
    """Which rows count: those whose cell in `column` is one of `values`, or, unless `equal`, none of them."""

    column: str
    values: tuple[str, ...]
    equal: bool = True

    @property
    def words(self) -> str:
        """As it is given on the command line."""
        return f"{self.column}{'=' if self.equal else '!='}{' or '.join(self.values)}"


@dataclass(frozen=True, kw_only=True)
class Question:
    """The columns of a table, and the question, whose `rope`, `alpha` and `scale` are those of a study file.

    `direction` None: as the score's name says, if it is one of ours. `status` None: a column of that name, if there is one; ''
    for none. `step` names the column of steps of a table with several rows per run. `replicate` names the column that says which
    tuning a run is of, where the whole tuning was repeated; it may be one of `pair`. `same` are columns that must not differ
    between rows. `dashes` is what messages put before the name of an option.
    """

    factor: str
    pair: tuple[str, ...]
    score: str
    baseline: str
    direction: str | None = None
    replicate: str | None = None
    step: str | None = None
    status: str | None = None
    where: tuple[Condition, ...] = ()
    same: tuple[str, ...] = ()
    rope: float = 0.0
    alpha: float = 0.05
    scale: Literal["absolute", "relative"] = "absolute"
    title: str = ""
    dashes: str = ""

    def __post_init__(self) -> None:
        """Refuse what no table can answer."""
        if not self.pair:
            raise TableError(
                f"{self.dashes}pair is empty, but allowed is a column, or several, that runs to compare share"
            )
        columns = (self.factor, *self.pair, self.score)
        if twice := [name for name in columns if columns.count(name) > 1]:
            raise TableError(
                f"{self.dashes}factor, {self.dashes}pair and {self.dashes}score name {twice[0]!r} more than once; allowed are "
                "different columns"
            )
        if self.replicate in (self.factor, self.score):
            raise TableError(
                f"{self.dashes}replicate is {self.replicate!r}, which is {self.dashes}factor or {self.dashes}score, too; allowed is the "
                "column that says which tuning a run is of"
            )
        if self.direction not in (None, *DIRECTIONS):
            raise TableError(f"direction is {self.direction!r}, but allowed is 'lower' or 'higher'")
        if self.scale not in SCALES:
            raise TableError(f"{self.dashes}scale is {self.scale!r}, but allowed is 'absolute' or 'relative'")
        if not 0 < self.alpha < 0.5:
            raise TableError(f"{self.dashes}alpha is {self.alpha:g}, but allowed is a number above 0 and below 0.5")
        if not 0 <= self.rope < math.inf:
            raise TableError(f"{self.dashes}rope is {self.rope:g}, but allowed is a finite number from 0")

    @property
    def better(self) -> str:
        """'lower' or 'higher'; raises TableError where neither the question nor the score's name says it."""
        if self.direction is not None:
            return self.direction
        found = direction_of(self.score)
        if found is None:
            if self.dashes:
                ask = "give --lower-is-better or --higher-is-better"
            else:
                ask = "give direction='lower' or direction='higher'"
            raise TableError(
                f"{self.dashes}score is {self.score!r}, and whether lower or higher is better is known of {', '.join(_known())} alone; {ask}"
            )
        return found


def _known() -> dict[str, str]:
    """The direction of each metric of ours that has one."""
    return {name: part.direction for name, part in metric.declared().items() if part.direction in DIRECTIONS}


def direction_of(score: str) -> str | None:
    """Which way a score is better whose name holds the name of one metric of ours; None if none, or several that differ.

    >>> direction_of("metrics.fid"), direction_of("eval/FID50k_full"), direction_of("loss")
    ('lower', 'lower', None)
    """
    text = score.lower()
    ways = {way for name, way in _known().items() if re.search(rf"(?<![a-z]){name}(?![a-z])", text)}
    return ways.pop() if len(ways) == 1 else None


def call(question: Question) -> str:
    """The call in Python that asks the same of a DataFrame."""
    given: dict[str, object] = {"factor": question.factor}
    given["pair"] = question.pair[0] if len(question.pair) == 1 else list(question.pair)
    given |= {"score": question.score, "baseline": question.baseline}
    given |= {"where": {each.column: list(each.values) for each in question.where}} if question.where else {}
    for field in dataclasses.fields(question):
        value = getattr(question, field.name)
        if field.name not in (*given, "where", "dashes") and value != field.default:
            given[field.name] = list(value) if isinstance(value, tuple) else value
    return f"harness.compare(runs, {', '.join(f'{name}={value!r}' for name, value in given.items())})"


def command(source: str, question: Question) -> str:
    """The command line that asks the same of the file `source`."""
    words = ["harness", "compare", source, "--factor", question.factor]
    words += [word for name in question.pair for word in ("--pair", name)]
    words += ["--score", question.score, "--baseline", question.baseline]
    words += [] if question.direction is None else [f"--{question.direction}-is-better"]
    for option, given in (
        ("--replicate", question.replicate),
        ("--step", question.step),
        ("--status", question.status),
    ):
        words += [] if given is None else [option, given]
    for condition in question.where:
        sign = "=" if condition.equal else "!="
        words += [word for value in condition.values for word in ("--where", f"{condition.column}{sign}{value}")]
    words += [word for name in question.same for word in ("--same", name)]
    words += ["--rope", f"{question.rope:g}"] if question.rope else []
    words += ["--alpha", f"{question.alpha:g}"] if question.alpha != Question.alpha else []
    words += ["--scale", question.scale] if question.scale != Question.scale else []
    words += ["--title", question.title] if question.title else []
    return shlex.join(words)
