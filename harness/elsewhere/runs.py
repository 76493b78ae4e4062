"""From a table from elsewhere to one row per run, as the statistics take it; what speaks against it, in sentences."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from harness.elsewhere.question import Question, direction_of
from harness.elsewhere.table import Table, TableError, alike, is_finite, label, labels, listed, number, spoken, text
from harness.report import numbers, sentences
from harness.stats import paired

LEVELS = 50  # of a factor; more are compared with nothing by anyone
_LARGEST = 1e100  # no score is beyond it, and its square is still a number
_NAMED = 6  # pairs, runs or columns that a sentence names
_TAKEN = frozenset(
    {"run", "phase", "schedule", "repetition", "pair", "replicate", "tuning", "chosen", "status", "reason", "step"}
)

STATUS = ("State", "state", "status", "Status", "state_name")  # Weights & Biases, Optuna, MLflow
FINISHED = frozenset({"finished", "complete", "completed", "success", "succeeded", "successful", "done", "ok", "ended"})
RUNNING = frozenset({"running", "waiting", "scheduled", "pending", "queued", "preempting", "starting"})
LOST = frozenset(
    {"failed", "fail", "failure", "crashed", "crash", "killed", "pruned", "diverged", "error", "errored", "aborted"}
    | {"canceled", "cancelled", "timeout", "timed_out", "preempted", "interrupted", "oom", "nan", "stopped"}
)


@dataclass(frozen=True)
class Columns:
    """The columns of a table that a question names, as they stand there."""

    factor: str
    pair: tuple[str, ...]
    score: str
    replicate: str | None
    step: str | None
    status: str | None
    same: tuple[str, ...]

    @property
    def unit(self) -> str:
        """What a pair has in common, in a word."""
        return spoken(self.pair[0]) if len(self.pair) == 1 else "pair"

    @property
    def paired_by(self) -> str:
        """All that a pair has in common."""
        return sentences.listed([spoken(name) for name in self.pair])


@dataclass(frozen=True)
class Runs:
    """One row per run, and one per run and step of a table with several steps, with the columns that reports know.

    `score` is the column of the score in both. `replicates` are how many tunings there are, 0 where runs do not say of which they are;
    they are numbered from 0 by `replicate` and called as in the table by `tuning`. `levels` are in the order of the table, or of numbers, the baseline first.
    """

    runs: pd.DataFrame
    curves: pd.DataFrame
    score: str
    levels: list[str]
    baseline: str
    replicates: int
    columns: Columns
    direction: str
    warnings: list[str]
    facts: list[str]


def tidy(table: Table, question: Question) -> Runs:
    """The runs of a table; raises TableError, in one sentence, where it cannot be judged as asked."""
    return _Reader(table, question).runs()


class _Reader:
    """Reads a table once, from its columns to its runs, and collects what is to be said."""

    def __init__(self, table: Table, question: Question) -> None:
        self.table, self.question = table, question
        self.warnings: list[str] = []
        self.columns = self._columns()
        self.direction = self._direction()
        self.kept = self._selected()

    def runs(self) -> Runs:
        frame = self._runs_left()
        baseline = self._baseline(list(dict.fromkeys(frame["schedule"])))
        self._refuse_text(frame)
        score = f"{self.columns.score} (score)" if self.columns.score in _TAKEN else self.columns.score
        last, curves = self._last(frame)
        self._refuse_mixed(last)
        self._settle(last)
        found = list(dict.fromkeys(last["schedule"]))
        found = _ordered(found) if all(map(label, found)) else found
        levels = [baseline, *(name for name in found if name != baseline)]
        place, tunings = (
            {name: index for index, name in enumerate(_ordered(set(last[key])))} for key in ("repetition", "tuning")
        )
        self._pairs(last, levels)
        self._confounded(last)
        failed = last["reason"] != ""
        runs = pd.DataFrame(
            {
                "run": last["run"],
                "phase": "confirm",
                "schedule": last["schedule"],
                "repetition": last["repetition"].map(place).astype("int64"),
                "replicate": last["tuning"].map(tunings).astype("int64"),
                "tuning": last["tuning"],
                "pair": last["repetition"],
                "chosen": True,
                "status": np.where(failed, "diverged", "finished"),
                "reason": last["reason"],
                score: last["value"].where(~failed),
            }
        )
        curves = curves.assign(replicate=curves["tuning"].map(tunings).astype("int64"))
        curves = curves.rename(columns={"value": score, "repetition": "pair"})
        replicated = self.columns.replicate is not None
        return Runs(
            runs.reset_index(drop=True) if replicated else runs.reset_index(drop=True).drop(columns="tuning"),
            curves if replicated else curves.drop(columns="tuning"),
            score,
            levels,
            baseline,
            len(tunings) if replicated else 0,
            self.columns,
            self.direction,
            self.warnings,
            self._facts(last),
        )

    # Which columns and rows

    def _option(self, name: str) -> str:
        return f"{self.question.dashes}{name}"

    def _columns(self) -> Columns:
        asked, column = self.question, self.table.column
        found = Columns(
            factor=column(asked.factor, self._option("factor")),
            pair=tuple(column(name, self._option("pair")) for name in asked.pair),
            score=column(asked.score, self._option("score")),
            replicate=None if asked.replicate is None else column(asked.replicate, self._option("replicate")),
            step=None if asked.step is None else column(asked.step, self._option("step")),
            status=self._status(),
            same=tuple(column(name, self._option("same")) for name in asked.same),
        )
        named = [found.factor, *found.pair, found.score, *([found.step] if found.step else [])]
        named += [found.replicate] if found.replicate is not None and found.replicate not in found.pair else []
        if twice := [name for name in named if named.count(name) > 1]:
            raise TableError(
                f"{self.table.name}: column {twice[0]!r} is named for two things; allowed are different columns"
            )
        return found

    def _status(self) -> str | None:
        """The column that says how runs ended: the one named, or one that is called so and holds words for it."""
        if self.question.status is not None:
            return self.table.column(self.question.status, self._option("status")) if self.question.status else None
        taken = {self.question.factor, self.question.score, self.question.replicate, *self.question.pair}
        for name in STATUS:
            if name in self.table.frame and name not in taken:
                words = {_state(cell) for cell in set(self.table.texts(name))}
                if words & (FINISHED | RUNNING | LOST):
                    return name
        return None

    def _direction(self) -> str:
        better, known = self.question.better, direction_of(self.question.score)
        if known not in (None, better):
            self.warnings.append(
                f"{self.columns.score} is taken to be better when it is {better}; the metric of that name is better when it is {known}."
            )
        return better

    def _selected(self) -> pd.Series[bool]:
        """Which rows count."""
        kept = pd.Series(True, index=self.table.frame.index)
        for condition in self.question.where:
            cells = self.table.texts(self.table.column(condition.column, self._option("where")))
            found = cells.map(
                {cell: any(alike(cell, text(value)) for value in condition.values) for cell in set(cells)}
            )
            if not found.any() and condition.equal:
                raise TableError(
                    f"{self.table.name}: {self._option('where')} is '{condition.words}', but that column holds: "
                    f"{listed(sorted(set(cells)))}"
                )
            kept &= found.astype(bool) == condition.equal
        if not kept.any():
            words = " and ".join(condition.words for condition in self.question.where)
            raise TableError(
                f"{self.table.name}: {self._option('where')} '{words}' leaves no row; allowed are conditions that some row meets"
            )
        return kept

    # From rows to runs

    def _runs_left(self) -> pd.DataFrame:
        """The rows of runs that have ended: `row` (position), `schedule`, `tuning`, `repetition`, `run`, `cell`, `reason`, `step`."""
        columns, texts = self.columns, self.table.texts
        frame = pd.DataFrame({"row": np.arange(len(self.table.frame))})
        frame["schedule"] = texts(columns.factor)
        frame["tuning"] = "" if columns.replicate is None else texts(columns.replicate)
        keys = {f"key {place}": texts(name) for place, name in enumerate(columns.pair)}
        frame = frame.assign(**keys, cell=texts(columns.score), state="")
        if columns.status is not None:
            frame["state"] = texts(columns.status).map(_state)
        frame["step"] = "" if columns.step is None else texts(columns.step)
        frame = frame[self.kept]
        frame = frame[~self._running(frame)]
        for key, name, option in (
            ("schedule", columns.factor, "factor"),
            *([] if columns.replicate is None else [("tuning", columns.replicate, "replicate")]),
            *((key, name, "pair") for key, name in zip(keys, columns.pair, strict=True)),
        ):
            empty = frame[key] == ""
            if empty.any():
                raise TableError(
                    f"{self.table.name}: {self.table.row(int(frame.loc[empty, 'row'].iloc[0]))} has no {name!r} "
                    f"({self._option(option)}); allowed is a value in every row, so fill it in, or leave such rows out with "
                    f"{self._leave_out(name)}"
                )
            frame[key] = labels(frame[key])
        frame["repetition"] = frame[list(keys)].agg(", ".join, axis="columns") if len(keys) > 1 else frame["key 0"]
        tuning = "" if columns.replicate is None else ", replicate " + frame["tuning"]
        frame["run"] = frame["schedule"] + tuning + f", {columns.unit} " + frame["repetition"]
        frame["reason"] = frame["state"].where(frame["state"].isin(LOST), "")
        return frame

    def _leave_out(self, column: str) -> str:
        return f"--where '{column}!='" if self.question.dashes else f"frame[frame[{column!r}].notna()]"

    def _running(self, frame: pd.DataFrame) -> pd.Series[bool]:
        """Which rows are of runs, or replicates, that still run; refuses words that say nothing of how a run ended."""
        known = FINISHED | RUNNING | LOST
        unknown = (
            ~frame["state"].isin(known) if self.columns.status is not None else pd.Series(False, index=frame.index)
        )
        if unknown.any():
            first = frame[unknown].iloc[0]
            raise TableError(
                f"{self.table.name}: {self.table.row(int(first['row']))}, column {self.columns.status!r} is {first['state']!r}, but "
                f"allowed is how a run ended: {', '.join(sorted(FINISHED))}; {', '.join(sorted(LOST))}; or, still to end, "
                f"{', '.join(sorted(RUNNING))}; name another column with {self._option('status')}, or '' for none"
            )
        running, of = frame["state"].isin(RUNNING), "runs"
        if self.columns.replicate is not None:  # a replicate has ended when all of its runs have
            tuning = frame["tuning"].map(lambda cell: label(cell) or cell)
            running, of = tuning.isin(set(tuning[running])), "replicates with runs"
        if running.all() and len(frame):
            raise TableError(
                f"{self.table.name}: every {'run is' if of == 'runs' else 'replicate has a run'} still to end; allowed are runs that have "
                "ended"
            )
        if running.any():
            self.warnings.append(
                f"{numbers.count(int(running.sum()), 'row')} of {of} still to end {'is' if running.sum() == 1 else 'are'} left out: "
                "judged again when they have ended, they may change the verdicts."
            )
        return running

    def _baseline(self, levels: list[str]) -> str:
        """The level that is the baseline; refuses one level, too many, and a baseline that is none of them."""
        asked, factor = self.question.baseline, self.columns.factor
        found = [name for name in levels if alike(name, text(asked))]
        if not found:
            raise TableError(
                f"{self.table.name}: {self._option('baseline')} is {asked!r}, but column {factor!r} holds: {listed(levels)}"
            )
        if len(levels) == 1:
            raise TableError(
                f"{self.table.name}: column {factor!r} ({self._option('factor')}) holds {levels[0]!r} alone, but allowed are two "
                "levels or more: there is nothing to compare it with"
            )
        if len(levels) > LEVELS:
            raise TableError(
                f"{self.table.name}: column {factor!r} ({self._option('factor')}) holds {len(levels)} levels, but allowed are at "
                f"most {LEVELS}; choose some with {self._option('where')}"
            )
        return found[0]

    def _refuse_text(self, frame: pd.DataFrame) -> None:
        """Refuse cells of scores and steps that are no numbers."""
        for key, column in (("cell", self.columns.score), ("step", self.columns.step)):
            if column is None:
                continue
            may_miss = frame["cell"].eq("") if key == "step" else frame[key].eq("")
            finite_only = key == "step"
            sound = {cell: is_finite(cell) if finite_only else number(cell) is not None for cell in set(frame[key])}
            wrong = ~frame[key].map(sound).astype(bool) & ~may_miss
            if wrong.any():
                first = frame[wrong].iloc[0]
                raise TableError(
                    f"{self.table.name}: {self.table.row(int(first['row']))}, column {column!r} is {str(first[key])[:80]!r}, but allowed "
                    "is a number such as 1234.5, without separators of thousands"
                )
            if key == "cell" and self.question.scale == "relative":
                self._refuse_ratios(frame)

    def _refuse_ratios(self, frame: pd.DataFrame) -> None:
        wrong = frame["cell"].map(lambda cell: is_finite(cell) and float(cell) <= 0).astype(bool)
        if wrong.any():
            first = frame[wrong].iloc[0]
            raise TableError(
                f"{self.table.name}: {self.table.row(int(first['row']))}, column {self.columns.score!r} is {first['cell']!r}, but "
                f"{self._option('scale')} relative allows numbers above 0 alone: ratios of others say nothing"
            )

    def _last(self, frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
        """One row per run, of its last step with a score, with its number as `value`; and the curves."""
        frame = frame.assign(value=frame["cell"].map({cell: _value(cell) for cell in set(frame["cell"])}))
        keys = ["schedule", "tuning", "repetition"]
        curves = pd.DataFrame(columns=["run", "schedule", "tuning", "repetition", "step", "value"])
        if self.columns.step is None:
            self._refuse_twice(frame, keys)
            return frame, curves
        scored = frame[frame["cell"] != ""]
        frame = frame.assign(at=pd.to_numeric(scored["step"]).astype(float))
        scored = frame[frame["cell"] != ""]
        self._refuse_twice(scored, [*keys, "at"])
        ended = frame.groupby("run", sort=False)["reason"].last()  # how a run ended stands in its last row
        ordered = frame.sort_values("at", kind="stable", na_position="first")
        last = ordered.groupby("run", sort=False).tail(1).sort_values("row")
        last = last.assign(reason=last["run"].map(ended))
        sound = scored[np.isfinite(scored["value"])].sort_values(["row"], kind="stable")
        curves = sound.assign(step=sound["at"])[list(curves.columns)]
        self._refuse_nothing_scored(last)
        self._ends(last[last["reason"] == ""])
        return last, curves.sort_values(["run", "step"], kind="stable").reset_index(drop=True)

    def _refuse_nothing_scored(self, last: pd.DataFrame) -> None:
        if last["at"].isna().all():
            raise TableError(f"{self.table.name}: column {self.columns.score!r} holds no number at any step")

    def _refuse_twice(self, frame: pd.DataFrame, keys: list[str]) -> None:
        again = frame.duplicated(keys)
        if not again.any():
            return
        second = frame[again].iloc[0]
        first = frame[(frame[keys] == second[keys]).all(axis="columns")].iloc[0]
        at = f" at {self.columns.step} {second['at']:g}" if "at" in keys else ""
        of = f" of replicate {second['tuning']!r}" if second["tuning"] else ""
        more = "" if "at" in keys else f", or {self._option('step')} if rows are steps of a run"
        raise TableError(
            f"{self.table.name}: {self.table.row(int(first['row']))} and {self.table.row(int(second['row']))} are both "
            f"{second['schedule']!r} with {self.columns.paired_by} {second['repetition']!r}{of}{at}, but allowed is one; choose rows with "
            f"{self._option('where')}, or name a further {self._option('pair')} that tells them apart{more}"
        )

    def _ends(self, ended: pd.DataFrame) -> None:
        """Say where runs are judged at different steps."""
        steps = ended["at"].dropna()
        if steps.nunique() < 2:
            return
        short = ended[steps < steps.max()]
        self.warnings.append(
            f"Runs are judged at different steps, their last with a score: {numbers.count(len(short), 'run')} of {len(ended)} at "
            f"{short['at'].min():g} to {short['at'].max():g}, the others at {steps.max():g} ({_few(short['run'])}); a run that broke off "
            "needs a state that says so."
        )

    # What speaks against it

    def _settle(self, last: pd.DataFrame) -> None:
        """Count runs without a score as failed; refuse a level that has none though nothing says that it failed."""
        finite = np.isfinite(last["value"])
        bare = ~finite & (last["reason"] == "")
        for name, rows in last.groupby("schedule", sort=False):
            if (bare & (last["schedule"] == name)).sum() == len(rows):
                raise TableError(
                    f"{self.table.name}: no row of {self.columns.factor} {name!r} has a score in column {self.columns.score!r}, though none is "
                    "marked as failed; allowed is a score in every row of a run that finished"
                )
        cells = last["cell"].where(last["cell"] != "", "missing")
        last.loc[bare, "reason"] = f"{self.columns.score} is " + cells[bare]
        lost = last[last["reason"] != ""]
        if lost.empty:
            return
        kinds = Counter(last.loc[~bare & (last["reason"] != ""), "reason"])
        kinds |= {"without a score": int(bare.sum())} if bare.any() else {}
        each = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        by_level = Counter(lost["schedule"])
        where = ", ".join(f"{count} of {numbers.name(str(name))}" for name, count in by_level.items())
        counts = "counts as" if self.columns.replicate is None else "makes its replicate"
        self.warnings.append(
            f"{numbers.count(len(lost), 'run')} of {len(last)} did not finish ({each}): {where}. Each {counts} the worst outcome of its "
            f"{spoken(self.columns.factor)}."
        )

    def _refuse_mixed(self, last: pd.DataFrame) -> None:
        """Refuse a table in which a column differs that shall be the same for all runs."""
        for name in self.columns.same:
            cells = self.table.texts(name).iloc[last["row"]]
            called = labels(cells) if (cells != "").all() else cells
            if called.nunique() > 1:
                other = int(np.flatnonzero((called != called.iloc[0]).to_numpy())[0])
                rows = [self.table.row(int(last["row"].iloc[place])) for place in (0, other)]
                raise TableError(
                    f"{self.table.name}: column {name!r} ({self._option('same')}) is {cells.iloc[0]!r} in {rows[0]} and {cells.iloc[other]!r} in "
                    f"{rows[1]}, but allowed is one value: scores of different protocols cannot be compared; choose rows with "
                    f"{self._option('where')}"
                )

    def _pairs(self, last: pd.DataFrame, levels: list[str]) -> None:
        """Refuse a table without pairs, or with replicates that cannot be compared; say what has none, and what too few mean."""
        if self.columns.replicate is not None:
            self._refuse_unequal(last, levels)
            self._say_few([last["tuning"].nunique()], len(levels) - 1, "replicate")
            return
        by_level = {name: set(last.loc[last["schedule"] == name, "repetition"]) for name in levels}
        base, others = by_level[levels[0]], levels[1:]
        shared = {name: len(by_level[name] & base) for name in others}
        by, unit = self.columns.paired_by, self.columns.unit
        if not any(shared.values()):
            raise TableError(
                f"{self.table.name}: {self._option('pair')} is {by}, but no {unit} of {levels[0]!r} ({_few(sorted(base))}) is one of another "
                f"level ({_few(sorted(set().union(*(by_level[name] for name in others))))}); allowed are runs that share it"
            )
        for name in others:
            if not shared[name]:
                self.warnings.append(
                    f"{numbers.name(name)} and {numbers.name(levels[0])} share no {unit}: nothing can be said of {numbers.name(name)}."
                )
                continue
            sides = ((name, by_level[name] - base), (levels[0], base - by_level[name]))
            alone = [f"{numbers.name(who)} alone has {_few(_ordered(mine))}" for who, mine in sides if mine]
            if alone:
                self.warnings.append(
                    f"{numbers.name(name)} and {numbers.name(levels[0])} do not share every {unit}: {'; '.join(alone)}. What one of them "
                    "has alone is left out of their comparison."
                )
        self._say_few(shared.values(), len(others), "pair")

    def _refuse_unequal(self, last: pd.DataFrame, levels: list[str]) -> None:
        """Refuse replicates that lack a level, or in which another level has other pairs than the baseline."""
        column, option, unit = self.columns.replicate, self._option("replicate"), self.columns.unit
        pairs = {key: set(of) for key, of in last.groupby(["tuning", "schedule"])["repetition"]}
        for tuning in _ordered(set(last["tuning"])):
            base = pairs.get((tuning, levels[0]), set())
            for name in levels:
                mine = pairs.get((tuning, name), set())
                if mine == base and base:
                    continue
                held = f"no run of {name!r}"
                if mine:
                    held = f"{unit} {_few(_ordered(mine))} of {name!r} and {_few(_ordered(base))} of {levels[0]!r}"
                leave = f" with --where '{column}!={tuning}'" if self.question.dashes else ""
                raise TableError(
                    f"{self.table.name}: replicate {tuning!r} (column {column!r}, {option}) has {held}, but allowed is the same {unit} of "
                    f"every {spoken(self.columns.factor)}, since a replicate is a tuning of all of them; leave it out{leave}, or choose rows "
                    f"with {self._option('where')}"
                )

    def _say_few(self, counts: Iterable[int], comparisons: int, unit: str) -> None:
        needed = paired.seeds_needed(comparisons, self.question.alpha)
        few = sorted({count for count in counts if 0 < count < needed})
        if few:
            found = numbers.count(few[-1], unit)
            self.warnings.append(
                f"{found} cannot decide: signs of {found} flipped in every way give no p below {paired.smallest_p(few[-1]):.3g}, and a verdict "
                f"on {numbers.count(comparisons, 'comparison')} at a family-wise error rate of {100 * self.question.alpha:g} % needs "
                f"{numbers.count(needed, unit)}."
            )

    def _confounded(self, last: pd.DataFrame) -> None:
        """Name the columns that differ between levels, and not within them: a verdict may be theirs."""
        rows = self.table.frame.iloc[last["row"]]
        level = last["schedule"].to_numpy()
        if len(level) == len(set(level)):
            return
        used = {self.columns.factor, *self.columns.pair, self.columns.score, self.columns.status, self.columns.step}
        used |= {self.columns.replicate}
        found = []
        for place, name in enumerate(rows.columns):
            cells = rows.iloc[:, place].map(text)
            if name in used or cells.nunique() < 2:
                continue
            of_level = cells.groupby(level)
            values = of_level.first()
            if (of_level.nunique() == 1).all() and values[values != ""].nunique() > 1 and not _renamed(values):
                found.append(str(name))
        if found:
            verb, them = ("differs", "it") if len(found) == 1 else ("differ", "them")
            self.warnings.append(
                f"Confounded: {_few(found)} {verb} between levels of {spoken(self.columns.factor)}, and not within them: a verdict may "
                f"be about {them}."
            )

    def _facts(self, last: pd.DataFrame) -> list[str]:
        columns, total = self.columns, len(self.table.frame)
        told = [
            f"Table: {self.table.about}, {numbers.count(total, 'row')} and {numbers.count(self.table.frame.shape[1], 'column')}"
        ]
        named = [f"factor {columns.factor}", f"pair {' and '.join(columns.pair)}", f"score {columns.score}"]
        named += [
            f"{what} {name}"
            for what, name in (
                ("replicate", columns.replicate),
                ("step", columns.step),
                ("state of runs", columns.status),
            )
            if name
        ]
        told += [f"Columns: {', '.join(named)}"]
        if columns.replicate is not None:
            told += [
                f"Replicates: {last['tuning'].nunique()}, each a tuning whose score is the mean over its runs, judged once; whether that many "
                "were planned before any was seen no table says"
            ]
        if columns.status is None:
            told += ["No column says how runs ended: every row with a score counts as finished"]
        if self.question.where:
            words = ", ".join(condition.words for condition in self.question.where)
            told += [f"Rows chosen ({words}): {int(self.kept.sum())} of {total}"]
        if columns.step is not None:
            told += [f"Judged is the last {spoken(columns.step)} of each run that has a score"]
        for name in columns.same:
            told += [
                f"The same in all rows: {name} {text(self.table.frame[name].iloc[int(last['row'].iloc[0])]) or '(empty)'}"
            ]
        if not columns.same:
            told += [
                "No column was said to be the same for all runs, such as the number of images or the feature network of a score"
            ]
        return told


def _state(cell: str) -> str:
    """A word for how a run ended, as the tables of states have it: Optuna's frames say 'COMPLETE', its trials 'TrialState.COMPLETE'."""
    return cell.rpartition(".")[2].strip().lower()


def _value(cell: str) -> float:
    """The number of a sound cell; NaN of an empty one, and of one that is beyond all scores."""
    found = math.nan if cell == "" else number(cell)
    return found if found is not None and abs(found) <= _LARGEST else math.nan


def _renamed(values: pd.Series[str]) -> bool:
    """Whether a column's value of each level is that level's name, or holds it: a name of the same thing."""
    return all(str(name).lower() in value.lower() for name, value in values.items() if value)


def _ordered(found: Iterable[str]) -> list[str]:
    """Names in order, numbers as numbers."""
    return sorted(found, key=lambda name: (label(name) is None, float(name) if label(name) else 0.0, name))


def _few(names: Sequence[str] | pd.Series[str]) -> str:
    """The first of some names."""
    given = [numbers.name(str(name)) for name in names]
    more = f" and {len(given) - _NAMED} more" if len(given) > _NAMED else ""
    return f"{', '.join(given[:_NAMED])}{more}"
