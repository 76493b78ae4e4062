"""What `run_study` does with a study that could be read: checks, plan, training, tables, report."""

from __future__ import annotations

import platform
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness import __version__, command_line, data, schedules
from harness.driver import (
    cautions,
    event_files,
    folder,
    interrupts,
    numerics,
    preflight,
    preview,
    progress,
    restored,
    spool,
    stored_runs,
)
from harness.driver.database import AddressError, StorageError, sqlite_url, without_password
from harness.driver.engine import Display, Engine, Queue, Stopped, outcome, show
from harness.driver.folder import Folder, FolderError
from harness.driver.store import TrialStore
from harness.executors import resources
from harness.executors.executor import Executor, InputFault, WorkerFault, ask
from harness.executors.local import LocalExecutor
from harness.plan import stages
from harness.plan.design import PHASES, Design
from harness.results import tables
from harness.results.record import RunRecord
from harness.spec import SpecError, StudySpec, builtin, digest, load, refused_changes, resolved, to_toml, validate
from harness.worker.process import WorkerSetup

EXIT_FAILED, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 1, 2, 130


@dataclass(frozen=True)
class Options:
    """Where and how to run; never what the experiment is."""

    source: str
    output: Path
    dry_run: bool = False
    workers: int | None = None
    workers_per_gpu: int | None = None
    cluster: str | None = None
    storage: str | None = None
    report: bool = True
    quiet: bool = False
    json: bool = False
    verbose: bool = False
    tensorboard: Path | None = None


def run(spec: StudySpec, options: Options) -> int:
    """Conduct, resume or (with `dry_run`) estimate `spec`; return the exit status."""
    console = Console(quiet=options.quiet, stderr=options.json)  # with --json, standard output is JSON and nothing else
    results = Folder(options.output)
    if options.verbose:
        console.print(_surroundings(options), highlight=False, markup=False)
    try:
        _check(spec, options, results)
        folder.check(results, spec, source=options.source)
        if options.tensorboard is not None:
            event_files.check(options.tensorboard)
    except (preflight.CheckError, FolderError, event_files.TensorBoardFault) as error:
        print(error, file=sys.stderr)
        return EXIT_BAD_INPUT
    if options.workers_per_gpu is not None and options.cluster is None and not resources.gpus():
        print("warning: --workers-per-gpu changes nothing: no GPU is visible", file=sys.stderr)
    try:
        if options.dry_run:
            _dry_run(spec, options, console, results)
            return 0
        with folder.lock(results):
            return _conduct(spec, options, console, results)
    except KeyboardInterrupt:  # before or after training, whose engine answers Ctrl-C itself
        print(f"stopped: everything finished is stored; go on with: {_command(options)}", file=sys.stderr)
        return EXIT_INTERRUPTED
    except (FolderError, AddressError, InputFault) as error:
        print(error, file=sys.stderr)
        return EXIT_BAD_INPUT
    except (StorageError, WorkerFault) as error:
        print(error, file=sys.stderr)
        return EXIT_FAILED
    except OSError as error:
        place = error.filename or results.path
        print(
            f"{place}: {(error.strerror or str(error)).lower()}; everything finished is stored, "
            "and the same command goes on once this is mended",
            file=sys.stderr,
        )
        return EXIT_FAILED


def _check(spec: StudySpec, options: Options, results: Folder) -> None:
    """Raise CheckError for what would be found wrong in training, unless all is trained: data may be gone by then."""
    try:
        preflight.check(spec, source=options.source, here=options.cluster is None, output=options.output)
    except preflight.CheckError:
        if options.dry_run or not restored.complete(results, spec, preflight.primary_score(spec)):
            raise


def _surroundings(options: Options) -> str:
    """What a report of a fault needs: version, commit, machine, and where everything goes."""
    storage = without_password(options.storage) if options.storage else sqlite_url(options.output)
    return "\n".join(
        (
            f"harness {__version__} ({commit()}), Python {platform.python_version()}, {platform.platform()}",
            f"{resources.cores()} cores, {len(resources.gpus())} GPUs",
            f"study: {options.source}",
            f"results: {options.output.resolve()}",
            f"storage: {storage}",
        )
    )


def _conduct(spec: StudySpec, options: Options, console: Console, results: Folder) -> int:
    primary = preflight.primary_score(spec)
    with interrupts.heard():
        opened = TrialStore(spec, options.storage or sqlite_url(results.path), primary=primary)
    with closing(opened) as store:
        if options.storage is None and store.others:
            raise FolderError(
                f"{results.path / folder.DATABASE} holds the study '{store.others[0]}', not '{spec.name}'; bring the "
                "study's own database back, or choose another --output"
            )
        spool.adopt(results.work, store)
        added = restored.adopt(results, spec, store)
        if added:
            place = without_password(options.storage) if options.storage else results.path / folder.DATABASE
            print(
                f"{place}: lacks {len(added)} runs that the tables hold; they are restored from there", file=sys.stderr
            )
        ended = _finish(spec, options, console, results, store, primary)
    return ended if ended is not None else _conclude(spec, options, results)


def _finish(
    spec: StudySpec, options: Options, console: Console, results: Folder, store: TrialStore, primary: str
) -> int | None:
    """Train what is missing and write the tables; return the exit status if the study was stopped before its end."""
    outcomes = {run: outcome(record, primary) for run, record in store.records.items()}
    remaining = Queue(spec, outcomes).ready
    _print_plan(spec, console, stored=store.records)
    if remaining or results.study() is None or not results.holds_runs():
        executor, said = _executor(spec, options, results)
        console.print(said, highlight=False)
        try:
            with interrupts.heard():
                _freeze(spec, options, results, executor, store)
            _train(spec, options, console, results, store, executor, primary)
            _note_mixed(results, store)
        except Stopped:
            executor.close(at_once=True)
            stored = len(store.records)
            print(
                f"stopped: {stored} runs are stored, unfinished ones have checkpoints; go on with: {_command(options)}",
                file=sys.stderr,
            )
            return EXIT_INTERRUPTED
        except BaseException:
            executor.close(at_once=True)
            raise
        executor.close(at_once=False)
    else:
        console.print("All runs are stored already.")
        _claim(options, results, store)
        _write_tables(spec, results, store, outcomes)
        _freeze_words(spec, options, results, store)
    from harness.driver import dashboard

    unsaved = dashboard.save(store.study, results.path)
    if unsaved:
        print(unsaved, file=sys.stderr)
    return None


def _claim(options: Options, results: Folder, store: TrialStore) -> None:
    """Let database and folder be those of the study, with all that was stored elsewhere meanwhile."""
    spool.empty(results.work, store)
    for picture in results.samples.glob("*-r*.png"):
        show(results, picture.name)
    if options.tensorboard is not None:  # runs of earlier times, too
        event_files.write(options.tensorboard, store.records.values(), samples=results.samples)


def _train(
    spec: StudySpec,
    options: Options,
    console: Console,
    results: Folder,
    store: TrialStore,
    executor: Executor,
    primary: str,
) -> None:
    tally = progress.Tally(spec, primary, executor.slots, dict(store.records))
    shown = (
        progress.LiveDisplay(tally, console, results.work)
        if console.is_terminal and not console.quiet
        else progress.PlainDisplay(tally, console)
    )
    with shown:
        told: Display = shown
        if options.tensorboard is not None:
            told = event_files.Recorder(shown, options.tensorboard, results.samples)
        engine = Engine(spec, results, store, executor, told, primary, _failed(results))
        engine.conduct()


def _executor(spec: StudySpec, options: Options, results: Folder) -> tuple[Executor, str]:
    """The executor that the options name, and a line that says what it is."""
    setup = WorkerSetup(spec, work=results.work.absolute(), cache=results.cache.absolute(), gpu=None, commit=commit())
    runs = sum(sum(group.values()) for group in stages.size(spec).values())
    if options.cluster is not None:
        return _cluster(setup, options, options.cluster, runs=runs)
    here = resources.machine()
    workers = options.workers or resources.local_workers(spec, here, workers_per_gpu=options.workers_per_gpu, runs=runs)
    return LocalExecutor(setup, workers=workers, gpus=here.gpus), resources.describe(spec, here, workers=workers)


def _cluster(setup: WorkerSetup, options: Options, address: str, *, runs: int) -> tuple[Executor, str]:
    try:
        from harness.executors.ray_cluster import RayExecutor
    except ModuleNotFoundError as error:
        raise WorkerFault(
            f"--cluster needs Ray, which is not installed; install the extra 'cluster' (missing: {error.name})"
        ) from error
    executor = RayExecutor(
        setup,
        address=address,
        runs=runs,
        workers=options.workers,
        workers_per_gpu=options.workers_per_gpu or resources.packed(setup.spec),
    )
    return executor, executor.describe()


def _freeze(spec: StudySpec, options: Options, results: Folder, executor: Executor, store: TrialStore) -> None:
    """Claim the folder and write the study as it runs, before the first run; refuse data or features that changed.

    All that can be found wrong is found before anything is written.
    """
    facts = ask(executor, "summary", source=options.source)
    before = results.study()
    stored = before if results.holds_runs() else None
    _refuse_other_material(results, facts, stored, next(iter(store.records.values()), None))
    _claim(options, results, store)
    if stored is None and before is not None and not _goes_on(before, spec, facts):
        results.vacate()
    study = _study_json(spec, options, facts, stored)
    noted = _write_study(results, study, stored, store)
    tables.write_bytes(results.path / "study.toml", to_toml(spec).encode())
    tables.write_bytes(results.samples / "real.png", facts["real"])
    _announce(study, noted, options)


def _goes_on(before: dict[str, Any], spec: StudySpec, facts: dict[str, Any]) -> bool:
    """Whether what was begun under the study.json `before` is part of `spec` too."""
    try:
        changes = refused_changes(validate(before["spec"], source="study.json"), spec, ())
    except SpecError:
        return False
    same = all(before[what][key] == facts[what][key] for what, key in (("data", "fingerprint"), ("features", "sha256")))
    return same and not changes


def _write_study(results: Folder, study: dict[str, Any], stored: dict[str, Any] | None, store: TrialStore) -> list[str]:
    """Write study.json, with a warning where its runs differ in what moves scores; return that warning if it is new."""
    study, warnings = numerics.noted(study, stored, store.records.values())
    tables.write_study(results.path, study)
    return warnings


def _note_mixed(results: Folder, store: TrialStore) -> None:
    """The same warning for workers that differ among themselves, as machines of a cluster may."""
    stored = results.study()
    if stored is not None and numerics.noted(stored, stored, store.records.values())[1]:
        for warning in _write_study(results, stored, stored, store):
            print(f"warning: {warning}", file=sys.stderr)


def _freeze_words(spec: StudySpec, options: Options, results: Folder, store: TrialStore) -> None:
    """Bring title, question text and sizes up to date where no run is left to be trained."""
    stored = results.study()
    if stored is not None and stored["sha256"] != digest(spec):
        _write_study(results, _study_json(spec, options, stored, stored), stored, store)
        tables.write_bytes(results.path / "study.toml", to_toml(spec).encode())


def _study_json(
    spec: StudySpec, options: Options, facts: dict[str, Any], stored: dict[str, Any] | None
) -> dict[str, Any]:
    primary = preflight.primary_score(spec)
    return {
        "schema": tables.SCHEMA,
        "harness": __version__,
        "name": spec.name,
        "title": spec.headline,
        "question": {
            "text": spec.question.text,
            "baseline": spec.question.baseline,
            "score": primary.removesuffix("_ema"),
            "weights": spec.question.weights,
            "rope": spec.question.rope,
            "alpha": spec.question.alpha,
        },
        "spec": resolved(spec),
        "sha256": digest(spec),
        "schedules": list(spec.schedules),
        "kinds": {label: schedule.kind for label, schedule in spec.schedules.items()},
        "phases": {
            "search": {
                "trials": spec.search.trials,
                "sampler": spec.search.sampler,
                "allocation": spec.search.allocation,
            },
            "select": {"top": spec.select.top, "seeds": spec.select.seeds},
            "confirm": {"seeds": spec.confirm.seeds},
        },
        "space": {name: limits.model_dump() for name, limits in spec.shared_space().items()},
        "own_space": {
            label: {name: limits.model_dump() for name, limits in spec.own_space(label).items()}
            for label in spec.schedules
            if spec.own_space(label)
        },
        "primary": primary,
        **{key: facts[key] for key in ("scores", "floor", "data", "features", "environment")},
        **({"sanity": facts["sanity"]} if "sanity" in facts else {}),  # of no study of an earlier version
        "warnings": cautions.of(spec, facts),
        "command": _command(options),
        "created": stored["created"] if stored else datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _announce(study: Mapping[str, Any], noted: Sequence[str], options: Options) -> None:
    """Say, before training begins, what was found in the data, and (also where quiet) what is to be heeded."""
    if not options.quiet:
        for note in study["data"].get("notes", ()):
            print(note, file=sys.stderr if options.json else sys.stdout)
    for warning in [*study["warnings"], *noted]:
        print(f"warning: {warning}", file=sys.stderr)


def _command(options: Options) -> str:
    words = ["python", "-m", "harness.run_study"]
    if not options.source.startswith("built-in"):
        words.append(options.source)
    if options.output.parts[:1] != ("results",):
        words += ["--output", str(options.output)]
    return shlex.join(words)


def _failed(results: Folder) -> Callable[[Design, str, int], RunRecord]:
    """A function that makes the record of a run that failed for good."""

    def record(design: Design, reason: str, attempts: int) -> RunRecord:
        stored = results.study()
        assert stored is not None, "study.json is written before the first run"
        return RunRecord.failed(
            design.to_json() | {"run": design.run},
            reason=reason,
            attempts=attempts,
            study=stored,
        )

    return record


def _write_tables(spec: StudySpec, results: Folder, store: TrialStore, outcomes: dict[str, Any]) -> None:
    chosen = Queue(spec, outcomes).chosen
    records = [
        record.marked(record.phase != "confirm" or chosen.get(record.schedule) == record.point)
        for record in store.records.values()
    ]
    tables.write(results.path, records, phases=PHASES, schedules=list(spec.schedules))


def _conclude(spec: StudySpec, options: Options, results: Folder) -> int:
    """Make the report and print the small table."""
    from harness import report

    made = report.build(results.path) if options.report else None
    summary = report.headline(results.path)
    if options.json:
        command_line.print_json(summary, indent=2)
        return 0
    console = Console()
    console.print(report.terminal_table(results.path))
    console.print(summary["sentence"], highlight=False, markup=False)
    for warning in summary["warnings"]:
        console.print(f"warning: {warning}", highlight=False, markup=False)
    if made is not None:
        console.print(f"Report: {made}", highlight=False, markup=False)
    return 0


def _print_plan(spec: StudySpec, console: Console, *, stored: Mapping[str, preview.Placed]) -> None:
    console.print(preview.plan_table(spec, stored))


def _dry_run(spec: StudySpec, options: Options, console: Console, results: Folder) -> None:
    """Print the resolved study, the plan, what is known of data and score, and the remaining cost; writes nothing."""
    found = stored_runs.runs(spec, results, storage=options.storage)
    if not options.json:
        print(to_toml(spec))
        _print_plan(spec, console, stored=found)
    setup = WorkerSetup(spec, work=None, cache=None, gpu=0 if resources.gpus() else None, commit=commit())
    executor = LocalExecutor(setup, workers=1, gpus=len(resources.gpus()))
    try:
        seconds = ask(executor, "probe", source=options.source)
        facts = ask(executor, "summary", source=options.source)
    finally:
        executor.close(at_once=True)
    _refuse_other_material(results, facts, results.study() if results.holds_runs() else None)
    runs = max(1, preview.remaining(spec, found))
    workers = options.workers or resources.local_workers(
        spec, resources.machine(), workers_per_gpu=options.workers_per_gpu, runs=runs
    )
    seen = preview.Preview(spec, found, facts, seconds, workers)
    if options.json:
        command_line.print_json(seen.values(), indent=2)
    else:
        seen.show(console)
    for warning in seen.warnings:
        print(f"warning: {warning}", file=sys.stderr)


def _refuse_other_material(
    results: Folder, facts: Mapping[str, Any], stored: Mapping[str, Any] | None, a_run: RunRecord | None = None
) -> None:
    """Raise FolderError if data or features are not those of the study.json `stored`, or without one of a stored run.

    A folder is lost sooner than a shared database, whose runs know as well what they used.
    """
    for what, key in (("data", "fingerprint"), ("features", "sha256")):
        used = stored[what][key] if stored else getattr(a_run, f"{what}_{key}", facts[what][key])
        if used != facts[what][key]:
            raise FolderError(
                f"{results.path}: {what} '{facts[what]['name']}' have {key} {facts[what][key][:12]}…, but the stored "
                f"runs used {used[:12]}…; bring back the same files, or choose another --output"
            )


def print_list() -> None:
    """Print studies, data sets, networks, schedules and feature networks with a line each."""
    console = Console()
    for title, entries in (
        ("studies (STUDY.toml; none: the built-in one)", _studies(Path("studies"))),
        ("data sets (data.name)", data.DATA_SETS),
        ("networks (network.name)", preflight.NETWORKS),
        ("schedules (kind)", {kind: schedules.shape_help(kind) for kind in schedules.SHAPES}),
        ("feature networks (evaluate.features)", preflight.FEATURES),
    ):
        table = Table(box=None, title=title, title_justify="left", show_header=False, pad_edge=False)
        for name, line in entries.items():
            table.add_row(Text(f"  {name}"), Text(line))
        console.print(table)


def _studies(place: Path) -> dict[str, str]:
    """The built-in study and the study files in `place`, each with its title; a faulty file with its first fault."""
    found = {"built-in 'quick'": builtin().headline}
    for path in sorted(place.glob("*.toml")):
        try:
            found[str(path)] = load(path).headline
        except SpecError as error:
            found[str(path)] = f"cannot be run: {str(error).splitlines()[0]}"
    return found


def commit() -> str:
    """The commit of the code that runs, with '+' if files were changed since; 'release' outside a checkout."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return f"release {__version__}"
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"],
            cwd=root,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return found.stdout.strip()
