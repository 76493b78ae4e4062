"""A study from its stored runs to its report: recover, train what is missing, write the tables, conclude."""

from __future__ import annotations

import sys
from contextlib import closing

from rich.console import Console

from harness import files
from harness.driver import (
    event_files,
    interrupts,
    pictures,
    preflight,
    preview,
    progress,
    restored,
    spool,
    study_json,
)
from harness.driver.code_version import commit
from harness.driver.engine import Display, Engine, Stopped
from harness.driver.folder import DATABASE, Folder, FolderError
from harness.driver.looks import Looks
from harness.driver.session import Options, Session, warn
from harness.driver.sharing import Sharing
from harness.driver.store import TrialStore
from harness.executors.executor import Executor, ask
from harness.executors.start import start
from harness.spec import StudySpec
from harness.worker.process import WorkerSetup


def conduct(spec: StudySpec, options: Options, console: Console, folder: Folder) -> None:
    """Train what is missing of a study and report it; raises KeyboardInterrupt, with a sentence, if it is stopped."""
    with interrupts.heard():
        opened = TrialStore(spec, options.database, primary=preflight.primary_score(spec))
    with closing(opened) as store:
        session = Session(spec, options, console, folder, store)
        _recover(session)
        _finish(session)
    if options.report:
        from harness import report

        report.build(folder.path)


def _recover(session: Session) -> None:
    """Count runs as stored that the database lacks: those that wait for it as files, and those that only tables hold."""
    folder, options = session.folder, session.options
    if options.storage is None and session.store.others:
        raise FolderError(
            f"{folder.path / DATABASE} holds the study '{session.store.others[0]}', not '{session.spec.name}'; bring the "
            "study's own database back, or choose another --output"
        )
    spool.adopt(folder, session.store)
    added = restored.adopt(folder, session.spec, session.store)
    session.store.recall(study_json.planned(folder.study()))
    if added:
        database = options.database_shown if options.storage else folder.path / DATABASE
        print(
            f"{database}: lacks {len(added)} runs that the tables hold; they are restored from there", file=sys.stderr
        )


def _finish(session: Session) -> None:
    """Train what is missing and write the tables."""
    folder = session.folder
    session.console.print(preview.plan_table(session.spec, session.store.records))
    if session.queue.ready or folder.study() is None or not folder.holds_runs():
        _train(session)
    else:
        session.console.print("All runs are stored already.")
        Sharing(session.spec, session.folder.work).clear()
        _take_over(session)
        session.write_tables()
        study_json.refresh(session)
    from harness.driver import dashboard  # draws with pandas and matplotlib's colours: not before training

    unsaved = dashboard.save(session.store.study, folder.path)
    if unsaved:
        print(unsaved, file=sys.stderr)


def _train(session: Session) -> None:
    """Have an executor train what is missing."""
    executor = _executor(session)
    session.console.print(executor.describe(), highlight=False)
    try:
        with interrupts.heard():
            _freeze(session, executor)
        _run_engine(session, executor)
        study_json.note_mixed_numerics(session)
    except Stopped as stopped:
        executor.close(at_once=True)
        raise KeyboardInterrupt(
            f"stopped: {len(session.store.records)} runs are stored, unfinished ones have checkpoints; go on with: "
            f"{session.options.again}"
        ) from stopped
    except BaseException:
        executor.close(at_once=True)
        raise
    executor.close(at_once=False)


def _executor(session: Session) -> Executor:
    """What the options name, not yet asked for anything."""
    folder = session.folder
    setup = WorkerSetup(
        session.spec, work=folder.work.absolute(), cache=folder.cache.absolute(), gpu=None, commit=commit()
    )
    return start(setup, session.options.worker_options, runs=preview.total(session.spec))


def _freeze(session: Session, executor: Executor) -> None:
    """Take folder and database and write the study as it runs, before the first run; refuse data or features that changed.

    All that can be found wrong is found before anything is written.
    """
    folder = session.folder
    facts = ask(executor, "summary", source=session.options.source)
    before = folder.study()
    stored = before if folder.holds_runs() else None
    study_json.refuse_other_material(folder, facts, stored, next(iter(session.store.records.values()), None))
    _take_over(session)
    if stored is None and before is not None and not study_json.goes_on(before, session.spec, facts):
        folder.vacate()
    study = study_json.content(session, facts, stored)
    noted = study_json.write(session, study, stored)
    files.write(folder.samples / "real.png", facts["real"])
    for note in study["data"].get("notes", ()):
        session.console.print(note, highlight=False, markup=False, soft_wrap=True)
    for warning in dict.fromkeys([*study["warnings"], *noted]):
        warn(warning, session.options)


def _take_over(session: Session) -> None:
    """Let database and folder be those of the study, with all that was stored elsewhere meanwhile."""
    spool.empty(session.folder, session.store)
    for picture in session.folder.samples.glob("*-r*.png"):
        pictures.link(session.folder, picture.name)
    board = session.options.tensorboard
    if board is not None:  # runs of earlier times, too
        event_files.write(board, session.store.records.values(), samples=session.folder.samples)


def _run_engine(session: Session, executor: Executor) -> None:
    """Train all that is missing, shown live in a terminal and line by line elsewhere."""
    looks = Looks(session.queue.confirmed) if session.spec.replicated else None
    tally = progress.Tally(session.spec, session.primary, executor.slots, session.store.records, looks=looks)
    with _on_screen(session, tally) as on_screen:
        display: Display = on_screen
        if session.options.tensorboard is not None:
            display = event_files.Recorder(on_screen, session.options.tensorboard, session.folder.samples)
        Engine(session, executor, display).conduct()


def _on_screen(session: Session, tally: progress.Tally) -> progress.PlainDisplay:
    """What shows the study where its output goes: a terminal, a notebook, or a log."""
    console = session.console
    if console.quiet or not (console.is_terminal or console.is_jupyter):
        return progress.PlainDisplay(tally, console)
    display = progress.CellDisplay if console.is_jupyter else progress.LiveDisplay
    return display(tally, console, session.folder.work)
