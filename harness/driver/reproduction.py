"""What `reproduce` does: takes runs of a results folder, trains them again from their designs, and compares."""

from __future__ import annotations

import json
import math
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import Future, as_completed
from dataclasses import asdict, dataclass
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
from harness.results import Results, ResultsError, agreement, frames, load, numerics
from harness.results.agreement import VERDICTS, Agreement
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


class Irreproducible(ValueError):
    """These results cannot be trained again here; the message says why and what to do."""


def run(request: Request) -> int:
    """Train and compare; return the exit status, which says how well the numbers agree."""
    try:
        results = load(request.results)
        spec = _spec(request)
        chosen = choose(results, request)
        preflight.check(spec, source=str(request.results / "study.toml"))
        designs = [redesign(spec, row, source=request.results) for row in chosen.to_dict("records")]
    except (ResultsError, SpecError, preflight.CheckError, Irreproducible) as error:
        print(error, file=sys.stderr)
        return EXIT_BAD_INPUT
    console = Console(quiet=request.quiet, stderr=request.json)
    try:
        with tempfile.TemporaryDirectory() as cache:
            return _reproduce(request, results, spec, designs, console, Path(cache))
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
    spec = load_spec(request.results / "study.toml")
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
    places = np.unique(np.linspace(0, len(runs) - 1, min(count, len(runs))).round().astype(int))
    return runs.iloc[places]


def redesign(spec: StudySpec, row: Mapping[Any, Any], *, source: Path) -> Design:
    """The design of a row of runs.csv; raises Irreproducible if its seeds do not follow from the study file."""
    params = {
        name.removeprefix("params_"): float(value)
        for name, value in row.items()
        if name.startswith("params_") and not math.isnan(value)
    }
    made = design(
        spec,
        phase=row["phase"],
        schedule=row["schedule"],
        point=int(row["point"]),
        repetition=int(row["repetition"]),
        params=params,
    )
    for role, seed in vars(made.seeds).items():
        if int(row[f"seed_{role}"]) != seed:
            raise Irreproducible(
                f"{source / 'runs.csv'}: run {row['run']} has seed_{role} {int(row[f'seed_{role}'])}, but study.toml "
                f"gives {seed}; the two files are not of one study"
            )
    return made


def _reproduce(
    request: Request, results: Results, spec: StudySpec, designs: list[Design], console: Console, cache: Path
) -> int:
    setup = WorkerSetup(spec, work=None, cache=cache, gpu=None, commit=commit())
    executor = start(setup, WorkerOptions(request.workers), runs=len(designs))
    try:
        facts = ask(executor, "facts", source=str(request.results))
        _same_material(results, facts)
        for line in differences(environment(results, designs), facts["environment"]):
            console.print(line, highlight=False, markup=False, soft_wrap=True)
        found = _train(executor, designs, results, console, verbose=request.verbose)
    finally:
        executor.close(at_once=True)
    return _conclude(found, request, console)


def _same_material(results: Results, facts: dict[str, Any]) -> None:
    """Raise Irreproducible if data or feature network are not those of the stored runs."""
    for what, key in (("data", "fingerprint"), ("features", "sha256")):
        stored, here = results.study[what][key], facts[what][key]
        if stored != here:
            raise Irreproducible(
                f"{results.path}: {what} here have {key} {here[:12]}…, but the stored runs used {stored[:12]}…; "
                "bring the same files, by --data-dir or evaluate.weights"
            )


def environment(results: Results, designs: list[Design]) -> dict[str, Any]:
    """What study.json says of machine and packages, with the numerics of these runs where their rows name one set."""
    rows = results.runs[results.runs["run"].isin([each.run for each in designs])]
    named = rows["numerics"].dropna().unique()
    stored: dict[str, Any] = results.study["environment"]
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


def _train(
    executor: Executor, designs: list[Design], results: Results, console: Console, *, verbose: bool
) -> list[Agreement]:
    """Train all designs, printing each run's comparison as it ends; raises WorkerFault for one that fails."""
    waiting, running = list(reversed(designs)), dict[Future[RunOutcome], Design]()
    found: list[Agreement] = []
    while waiting or running:
        while waiting and len(running) < executor.slots:
            each = waiting.pop()
            running[executor.submit(each)] = each
        done = next(as_completed(running))
        each, ended = running.pop(done), done.result()
        if ended.record is None:
            raise WorkerFault(f"{each.run}: {ended.error or 'stopped'}")
        rows, curve = frames([ended.record], phases=PHASES, schedules=[each.schedule])
        fresh = rows.fillna({"reason": ""}).iloc[0].to_dict()
        stored = results.runs.set_index("run", drop=False).loc[each.run].to_dict()
        compared = agreement.compare(
            (stored, results.curves[results.curves["run"] == each.run]), (fresh, curve), seeds=_seeds(results, each)
        )
        _print(each.run, compared, console, verbose=verbose)
        found += compared
    return found


def _seeds(results: Results, each: Design) -> pd.DataFrame:
    """Curves of the schedule's fresh-seed runs, but for the run itself: what another seed alone changes."""
    runs = results.runs
    mine = (runs["schedule"] == each.schedule) & (runs["phase"] == "confirm") & runs["chosen"]
    mine &= runs["run"] != each.run
    return results.curves[results.curves["run"].isin(runs.loc[mine, "run"])]


def _print(run: str, compared: list[Agreement], console: Console, *, verbose: bool) -> None:
    console.print(f"{run}: {counts(compared)}", highlight=False, markup=False, soft_wrap=True)
    for each in compared:
        if verbose or each.verdict != VERDICTS[0]:
            line = f"  step {each.step} {each.name}: {each.stored} stored, {each.found} found: {each.verdict}"
            console.print(line, highlight=False, markup=False, soft_wrap=True)


def counts(compared: list[Agreement]) -> str:
    """In words: how many numbers, and how many of each verdict."""
    parts = [f"{count} {name}" for name in VERDICTS if (count := sum(each.verdict == name for each in compared))]
    return f"{len(compared)} numbers, {', '.join(parts)}"


def _conclude(found: list[Agreement], request: Request, console: Console) -> int:
    verdict = agreement.worst(each.verdict for each in found)
    runs = len({each.run for each in found})
    if request.json:
        summary = {"results": str(request.results), "runs": runs, "verdict": verdict}
        command_line.print_json({**summary, "numbers": [asdict(each) for each in found]}, indent=1)
    else:
        print(f"{request.results}: {runs} runs trained again, {counts(found)}: {verdict}")
    return EXIT[verdict]
