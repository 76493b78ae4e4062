"""What `reproduce` does: takes runs of a results folder, trains them again from their designs, and compares."""

from __future__ import annotations

import json
import math
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import Future, as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console

from harness import command_line
from harness.driver import preflight
from harness.driver.code_version import commit
from harness.driver.command import EXIT_BAD_INPUT, EXIT_FAILED, EXIT_INTERRUPTED
from harness.executors.executor import Executor, InputFault, WorkerFault, ask
from harness.executors.resources import WorkerOptions
from harness.executors.start import start
from harness.plan.design import PHASES, Design, design
from harness.results import Results, ResultsError, agreement, archive, frames, load, numerics
from harness.results.agreement import VERDICTS, Agreement
from harness.results.record import RunRecord
from harness.spec import SpecError, StudySpec
from harness.spec import load as load_spec
from harness.worker.process import RunOutcome, WorkerSetup

EXIT = dict(zip(VERDICTS, (0, 3, 4, 5), strict=True))


@dataclass(frozen=True)
class Request:
    """Which runs to train again, and where."""

    results: Path
    runs: str = "3"
    names: tuple[str, ...] = ()
    data_dir: Path | None = None
    workers: int | None = None
    quiet: bool = False
    verbose: bool = False
    json: bool = False
    allow_code: bool = False


@dataclass(frozen=True)
class Rerun:
    """Runs of a results folder that are to be trained again, and where what comes of it is printed."""

    request: Request
    results: Results
    spec: StudySpec
    designs: list[Design]
    console: Console

    def say(self, line: str) -> None:
        """Print a line unless the output is quiet."""
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)


class Irreproducible(ValueError):
    """These results cannot be trained again here; the message says why and what to do."""


def run(request: Request) -> int:
    """Train and compare; return the exit status, which says how well the numbers agree."""
    try:
        with archive.opened(request.results) as folder:
            return _run(replace(request, results=folder), named=request.results)
    except ResultsError as error:
        print(error, file=sys.stderr)
        return EXIT_BAD_INPUT


def _run(request: Request, *, named: Path) -> int:
    """As `run`, of a folder; output calls it `named`."""
    try:
        results = load(request.results)
        spec = _spec(request)
        chosen = choose(results, request)
        preflight.check(spec, source=str(request.results / "study.toml"))
        designs = [redesign(spec, row, source=request.results) for row in chosen.to_dict("records")]
    except (SpecError, preflight.CheckError, Irreproducible) as error:
        print(error, file=sys.stderr)
        return EXIT_BAD_INPUT
    rerun = Rerun(request, results, spec, designs, Console(quiet=request.quiet, stderr=request.json))
    try:
        return _conclude(_reproduce(rerun), named, as_json=request.json)
    except (Irreproducible, InputFault) as error:
        print(error, file=sys.stderr)
        return EXIT_BAD_INPUT
    except WorkerFault as error:
        print(error, file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        print("stopped: nothing was written; the same command starts again", file=sys.stderr)
        return EXIT_INTERRUPTED


def _spec(request: Request) -> StudySpec:
    """The study as it ran, with the data where they lie on this machine."""
    spec = load_spec(request.results / "study.toml", allow_code=request.allow_code)
    if request.data_dir is None:
        return spec
    return spec.model_copy(update={"data": spec.data.model_copy(update={"data_dir": request.data_dir})})


def choose(results: Results, request: Request) -> pd.DataFrame:
    """The rows of runs.csv to train again; a run that failed has no numbers and is not among those picked."""
    runs = results.runs
    if request.names:
        unknown = sorted(set(request.names) - set(runs["run"]))
        if unknown:
            raise Irreproducible(f"--run is {unknown[0]!r}, which {results.path / 'runs.csv'} does not list")
        picked = runs[runs["run"].isin(request.names)]
        if (picked["status"] == "failed").any():
            failed = picked.loc[picked["status"] == "failed", "run"].iloc[0]
            raise Irreproducible(f"--run is {failed!r}, which failed and left no numbers")
        return picked
    runs = runs[runs["status"] != "failed"]
    if request.runs == "all":
        return runs
    count = int(request.runs) if request.runs.isdigit() else 0
    if count < 1:
        raise Irreproducible(f"--runs is {request.runs!r}, but allowed is a whole number from 1, or 'all'")
    rows = np.unique(np.linspace(0, len(runs) - 1, min(count, len(runs))).round().astype(int))
    return runs.iloc[rows]


def redesign(spec: StudySpec, row: Mapping[Any, Any], *, source: Path) -> Design:
    """The design of a row of runs.csv; raises Irreproducible if its seeds do not follow from the study file."""
    params = {
        name.removeprefix("params_"): float(value)
        for name, value in row.items()
        if name.startswith("params_") and not math.isnan(value)
    }
    again = design(
        spec,
        phase=row["phase"],
        schedule=row["schedule"],
        point=int(row["point"]),
        repetition=int(row["repetition"]),
        params=params,
        replicate=int(row["replicate"]) if spec.replicated else None,
        source=row["source"],
    )
    for role, seed in vars(again.seeds).items():
        if int(row[f"seed_{role}"]) != seed:
            raise Irreproducible(
                f"{source / 'runs.csv'}: run {row['run']} has seed_{role} {int(row[f'seed_{role}'])}, but study.toml "
                f"gives {seed}; the two files are not of one study"
            )
    return again


def _reproduce(rerun: Rerun) -> list[Agreement]:
    """Train the runs again; return how each of their numbers agrees."""
    with tempfile.TemporaryDirectory() as cache:
        setup = WorkerSetup(rerun.spec, work=None, cache=Path(cache), gpu=None, commit=commit())
        executor = start(setup, WorkerOptions(rerun.request.workers), runs=len(rerun.designs))
        try:
            facts = ask(executor, "facts", source=str(rerun.request.results))
            _same_material(rerun.results, facts)
            for line in differences(environment(rerun.results, rerun.designs), facts["environment"]):
                rerun.say(line)
            return _train(rerun, executor)
        finally:
            executor.close(at_once=True)


def _same_material(results: Results, facts: dict[str, Any]) -> None:
    """Raise Irreproducible if data or feature network are not those of the stored runs."""
    study = results.study
    for what, key, stored in (
        ("data", "fingerprint", study.data.fingerprint),
        ("features", "sha256", study.features.sha256),
    ):
        here = facts[what][key]
        if stored != here:
            raise Irreproducible(
                f"{results.path}: {what} here have {key} {here[:12]}…, but the stored runs used {stored[:12]}…; "
                "bring the same files, by --data-dir or evaluate.weights"
            )


def environment(results: Results, designs: list[Design]) -> dict[str, Any]:
    """What study.json says of machine and packages, with the numerics of these runs where their rows name one set."""
    rows = results.runs[results.runs["run"].isin([each.run for each in designs])]
    named = rows["numerics"].dropna().unique()
    stored = results.study.environment.model_dump()
    return {**stored, "numerics": json.loads(named[0])} if len(named) == 1 else stored


def differences(stored: dict[str, Any], here: dict[str, Any]) -> list[str]:
    """Lines that say in what the machine and packages differ from those that made the results."""
    lines = [
        f"{name} was {stored.get(name)}, here {here[name]}"
        for name in ("cpu", "device", "python", "commit")
        if stored.get(name) != here[name]
    ]
    lines += numerics.differences(stored.get("numerics", {}), here["numerics"])
    before = stored.get("versions", {})
    return lines + [
        f"{name} was {before.get(name)}, here {version}"
        for name, version in here["versions"].items()
        if before.get(name) != version
    ]


def _train(rerun: Rerun, executor: Executor) -> list[Agreement]:
    """Train all designs, printing each run's comparison as it ends; raises WorkerFault for one that fails."""
    waiting, running = list(reversed(rerun.designs)), dict[Future[RunOutcome], Design]()
    compared: list[Agreement] = []
    while waiting or running:
        while waiting and len(running) < executor.slots:
            design = waiting.pop()
            running[executor.submit(design)] = design
        ended = next(as_completed(running))
        design, outcome = running.pop(ended), ended.result()
        if outcome.record is None:
            raise WorkerFault(f"{design.run}: {outcome.error or 'stopped'}")
        of_run = _compare(rerun.results, design, outcome.record)
        _print(rerun, design.run, of_run)
        compared += of_run
    return compared


def _compare(results: Results, design: Design, record: RunRecord) -> list[Agreement]:
    """Every number of a stored run beside that of the run trained again."""
    rows, curve = frames([record], phases=PHASES, schedules=[design.schedule])
    fresh = rows.fillna({"reason": ""}).iloc[0].to_dict()
    stored = results.runs.set_index("run", drop=False).loc[design.run].to_dict()
    stored_curve = results.curves[results.curves["run"] == design.run]
    return agreement.compare((stored, stored_curve), (fresh, curve), seeds=_seeds(results, design))


def _seeds(results: Results, design: Design) -> pd.DataFrame:
    """Curves of the schedule's fresh-seed runs, but for the run itself: what another seed alone changes."""
    runs = results.runs
    others = (runs["schedule"] == design.schedule) & (runs["phase"] == "confirm") & runs["chosen"]
    others &= runs["run"] != design.run
    return results.curves[results.curves["run"].isin(runs.loc[others, "run"])]


def _print(rerun: Rerun, run: str, compared: list[Agreement]) -> None:
    rerun.say(f"{run}: {counts(compared)}")
    for number in compared:
        if rerun.request.verbose or number.verdict != VERDICTS[0]:
            rerun.say(
                f"  step {number.step} {number.name}: {number.stored} stored, {number.found} found: {number.verdict}"
            )


def counts(compared: list[Agreement]) -> str:
    """In words: how many numbers, and how many of each verdict."""
    parts = [f"{count} {name}" for name in VERDICTS if (count := sum(each.verdict == name for each in compared))]
    return f"{len(compared)} numbers, {', '.join(parts)}"


def _conclude(compared: list[Agreement], named: Path, *, as_json: bool) -> int:
    """Print what came of it; return the exit status."""
    verdict = agreement.worst(number.verdict for number in compared)
    runs = len({number.run for number in compared})
    if as_json:
        summary = {"results": str(named), "runs": runs, "verdict": verdict}
        found = command_line.versioned({**summary, "numbers": [_values(number) for number in compared]})
        command_line.print_json(found, indent=1)
    else:
        print(f"{named}: {runs} runs trained again, {counts(compared)}: {verdict}")
    return EXIT[verdict]


def _values(number: Agreement) -> dict[str, Any]:
    """A number as plain JSON values: None for what is no number."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in asdict(number).items()
    }
