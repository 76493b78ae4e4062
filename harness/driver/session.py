"""One study being conducted: what it is, how it was asked for, and where its trials, tables and checkpoints are."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from rich.console import Console

from harness import command_line
from harness.driver.database import sqlite_url, without_password
from harness.driver.folder import Folder
from harness.driver.queue import Queue
from harness.driver.store import TrialStore
from harness.executors.resources import WorkerOptions
from harness.plan.design import PHASES, Design
from harness.results import tables
from harness.results.record import RunRecord
from harness.spec import StudySpec

# The command's options as `harness.Study` has them; a sentence that names one names the other there.
PARAMETERS = {
    f"--{name}": name.replace("-", "_")
    for name in ("output", "workers", "workers-per-gpu", "executor", "cluster", "storage", "tensorboard", "noise-from")
} | {"--allow-code": "allow_code=True"}


@dataclass(frozen=True)
class Options:
    """Where and how to run; never what the experiment is."""

    source: str
    output: Path
    dry_run: bool = False
    workers: int | None = None
    workers_per_gpu: int | None = None
    executor: str = "local"  # NAME or NAME:ADDRESS
    storage: str | None = None
    report: bool = True
    quiet: bool = False
    json: bool = False
    verbose: bool = False
    tensorboard: Path | None = None
    allow_code: bool = False
    noise_from: Path | None = None
    fail_if_undecided: bool = False
    in_python: bool = False  # asked for by harness.Study: the process is its caller's, not the study's alone
    of_keywords: bool = False  # built in Python: the study has no file but the one in its results folder

    @property
    def worker_options(self) -> WorkerOptions:
        """What they say of workers."""
        name, _, address = self.executor.partition(":")
        return WorkerOptions(self.workers, self.workers_per_gpu, name, address)

    @property
    def command(self) -> str:
        """The command that resumes the study."""
        words = ["python", "-m", "harness.run_study"]
        if self.of_keywords:
            words.append(str(self.output / "study.toml"))
        elif not self.source.startswith("built-in"):
            words.append(self.source)
        if self.output.parts[:1] != ("results",):
            words += ["--output", str(self.output)]
        if self.allow_code:
            words.append("--allow-code")
        return shlex.join(words)

    @property
    def again(self) -> str:
        """What goes on with the study: the command, or the call."""
        return f"run(output={str(self.output)!r}) again" if self.in_python else self.command

    def in_words(self, sentences: str) -> str:
        """Sentences of the command in the words of whoever asked: options as the parameters that they are in Python."""
        return command_line.in_parameters(sentences, PARAMETERS) if self.in_python else sentences

    @property
    def database(self) -> str:
        """The address of the database that holds the study."""
        return self.storage or sqlite_url(self.output)

    @property
    def database_shown(self) -> str:
        """The same for messages: without its password."""
        return without_password(self.database)


@dataclass(frozen=True, eq=False)
class Session:
    """A study, the options it was asked for with, and its results folder and trials, both open to this driver alone."""

    spec: StudySpec
    options: Options
    console: Console
    folder: Folder
    store: TrialStore

    @property
    def primary(self) -> str:
        """Full name of the score the verdicts rest on."""
        return self.store.primary

    @cached_property
    def queue(self) -> Queue:
        """The runs that are left, after those stored when it is first asked for."""
        return Queue.after(self.spec, self.store.records.values(), primary=self.primary, planned=self.store.planned)

    def write_tables(self) -> None:
        """Write runs.csv, curves.csv and traces.csv from the stored records."""
        chosen = self.queue.chosen
        records = [
            record.marked(
                record.phase not in ("confirm", "variance")
                or chosen.get((record.schedule, record.replicate)) == record.point
            )
            for record in self.store.records.values()
        ]
        tables.write(self.folder.path, records, phases=PHASES, schedules=list(self.spec.schedules))

    def failed(self, design: Design, reason: str, attempts: int) -> RunRecord:
        """The record of a run that failed for good."""
        study = self.folder.study()
        assert study is not None, "study.json is written before the first run"
        return RunRecord.failed(design.to_json() | {"run": design.run}, reason=reason, attempts=attempts, study=study)


def warn(message: str, options: Options) -> None:
    """Say something that is to be heeded, also where the output is quiet."""
    print(f"warning: {options.in_words(message)}", file=sys.stderr)
