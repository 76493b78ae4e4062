"""`--dry-run`: the resolved study, its plan, what is known of data and score, and the remaining cost. Writes nothing."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from harness import command_line
from harness.driver import preview, stored_runs, study_json
from harness.driver.code_version import commit
from harness.driver.folder import Folder
from harness.driver.session import Options, warn
from harness.executors import resources
from harness.executors.executor import ask
from harness.executors.resources import WorkerOptions
from harness.executors.start import start
from harness.spec import StudySpec, to_toml
from harness.worker.process import WorkerSetup


def dry_run(spec: StudySpec, options: Options, console: Console, folder: Folder) -> None:
    """Print all of it, as JSON where that is asked for."""
    stored = stored_runs.runs(spec, folder, storage=options.storage)
    if not options.json:
        print(to_toml(spec))
        console.print(preview.plan_table(spec, stored))
    seconds, facts = _measured(spec, options)
    study_json.refuse_other_material(folder, facts, folder.study() if folder.holds_runs() else None)
    runs = max(1, preview.remaining(spec, stored))
    workers = resources.local_workers(spec, resources.machine(), options.worker_options, runs=runs)
    page = preview.Preview(spec, stored, facts, seconds, workers)
    if options.json:
        command_line.print_json(page.values(), indent=2)
    else:
        page.show(console)
    for warning in page.warnings:
        warn(warning)


def _measured(spec: StudySpec, options: Options) -> tuple[dict[str, Any], dict[str, Any]]:
    """What one worker here says: how long things take, and what data, features and scores are."""
    setup = WorkerSetup(spec, work=None, cache=None, gpu=None, commit=commit())
    worker = start(setup, WorkerOptions(workers=1), runs=1)
    try:
        seconds = ask(worker, "probe", source=options.source)
        return seconds, ask(worker, "summary", source=options.source)
    finally:
        worker.close(at_once=True)
