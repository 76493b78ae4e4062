"""`--dry-run`: the resolved study, its plan, what is known of data and score, and the remaining cost. Writes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from harness import command_line
from harness.driver import noise, preflight, preview, stored_runs, study_json
from harness.driver.code_version import commit
from harness.driver.folder import Folder
from harness.driver.looks import Looks
from harness.driver.prospect import Prospect
from harness.driver.queue import Queue
from harness.driver.session import Options, warn
from harness.executors import resources
from harness.executors.executor import ask
from harness.executors.resources import WorkerOptions
from harness.executors.start import start
from harness.spec import Planned, StudySpec, to_toml
from harness.spec.loading import Placed
from harness.worker.process import WorkerSetup


def dry_run(spec: StudySpec, options: Options, console: Console, folder: Folder) -> None:
    """Print all of it, as JSON where that is asked for; raises NoiseError where `noise_from` says nothing of the noise."""
    measured = None if options.noise_from is None else noise.measured(options.noise_from, spec)
    stored = stored_runs.runs(spec, folder, storage=options.storage)
    if not options.json:
        print(to_toml(spec))
        console.print(preview.plan_table(spec, stored))
    page = preview_of(spec, options, folder, stored, measured)
    if options.json:
        command_line.print_json(page.values(), indent=2)
    else:
        page.show(console)
    for warning in page.warnings:
        warn(warning, options)


def preview_of(
    spec: StudySpec, options: Options, folder: Folder, stored: Mapping[str, Placed], measured: noise.Noise | None
) -> preview.Preview:
    """What a worker here measures of the study, whose runs `stored` are there; `measured` is the noise of earlier results."""
    seconds, facts = _measured(spec, options)
    study_json.refuse_other_material(folder, facts, folder.study() if folder.holds_runs() else None)
    confirmed = any(run.phase == "confirm" for run in stored.values())
    planned = (study_json.planned(folder.study()) if confirmed else None) or Planned.of(spec)
    looks = _looks(spec, options, folder, planned) if spec.replicated else None
    runs = max(1, preview.remaining(spec, stored) if looks is None else looks.to_end)
    workers = resources.local_workers(spec, resources.machine(), options.worker_options, runs=runs)
    prospect = Prospect(spec, measured)
    return preview.Preview(spec, stored, facts, seconds, workers, prospect, looks, planned.passed_by(spec))


def _looks(spec: StudySpec, options: Options, folder: Folder, planned: Planned) -> Looks:
    """Where a replicated study stands, by its stored runs."""
    primary = preflight.primary_score(spec)
    outcomes = stored_runs.outcomes(spec, folder, storage=options.storage, primary=primary)
    looks = Looks(Queue(spec, outcomes, planned).confirmed)
    looks.count(stored_runs.runs(spec, folder, storage=options.storage).values())
    return looks


def _measured(spec: StudySpec, options: Options) -> tuple[dict[str, Any], dict[str, Any]]:
    """What one worker here says: how long things take, and what data, features and scores are."""
    setup = WorkerSetup(spec, work=None, cache=None, gpu=None, commit=commit())
    worker = start(setup, WorkerOptions(workers=1), runs=1)
    try:
        seconds = ask(worker, "probe", source=options.source)
        return seconds, ask(worker, "summary", source=options.source)
    finally:
        worker.close(at_once=True)
