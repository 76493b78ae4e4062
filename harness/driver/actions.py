"""What can be asked of a study: a check, a dry run, the run itself. Commands and `harness.Study` call these alike.

Each raises StudyError for what cannot be used as it is, StudyFailed where the study cannot go on, and KeyboardInterrupt
where it was stopped, each with the sentence that the command prints.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from harness.driver import conduct, dry_run, event_files, noise, preflight, restored, stored_runs
from harness.driver import folder as folders
from harness.driver.code_version import commit
from harness.driver.database import AddressError, StorageError
from harness.driver.folder import Folder, FolderError
from harness.driver.noise import NoiseError
from harness.driver.preview import Preview
from harness.driver.session import Options, warn
from harness.executors import resources, start
from harness.executors.executor import InputFault, WorkerFault
from harness.kinds import KindError
from harness.spec import StudyError, StudySpec
from harness.version import __version__


class StudyFailed(RuntimeError):
    """A study could not go on; the message says why. Everything finished is stored."""


def check(spec: StudySpec, options: Options) -> None:
    """Raise what would be found wrong in training, as far as it can be known now; warn of an option without effect."""
    with faults(options):
        folder = Folder(options.output)
        executor = start.part(options.worker_options)
        try:
            preflight.check(spec, source=options.source, here=executor.here, output=options.output)
        except preflight.CheckError:  # of a study that is trained already, data and machine may be gone
            if options.dry_run or not restored.complete(folder, spec, preflight.primary_score(spec)):
                raise
        folders.check(folder, spec, source=options.source)
        if options.tensorboard is not None:
            event_files.check(options.tensorboard)
        if options.workers_per_gpu is not None and executor.here and not resources.gpus():
            warn("--workers-per-gpu changes nothing: no GPU is visible", options)


def preview(spec: StudySpec, options: Options) -> Preview:
    """What the study would cost here and what is known of it, after `check`. Writes nothing."""
    with faults(options):
        folder = Folder(options.output)
        measured = None if options.noise_from is None else noise.measured(options.noise_from, spec)
        stored = stored_runs.runs(spec, folder, storage=options.storage)
        return dry_run.preview_of(spec, options, folder, stored, measured)


def print_preview(spec: StudySpec, options: Options, console: Console) -> None:
    """The same, printed as it becomes known."""
    with faults(options):
        dry_run.dry_run(spec, options, console, Folder(options.output))


def run(spec: StudySpec, options: Options, console: Console) -> None:
    """Train what is missing of a study, write its tables and, where `options` ask for it, its report; after `check`."""
    with faults(options):
        folder = Folder(options.output)
        with folders.lock(folder):
            conduct.conduct(spec, options, console, folder)


def print_surroundings(options: Options, console: Console) -> None:
    """Print, where `options` ask for it, what a report of a fault needs: version, machine, and where everything goes."""
    if options.verbose:
        console.print(_surroundings(options), highlight=False, markup=False)


@contextmanager
def faults(options: Options) -> Iterator[None]:
    """Raise whatever is raised within as one of the three exceptions of this module, in the words of whoever asked."""
    try:
        yield
    except (preflight.CheckError, FolderError, event_files.TensorBoardFault, KindError) as error:
        raise StudyError(options.in_words(str(error))) from error
    except (AddressError, InputFault, NoiseError) as error:
        raise StudyError(options.in_words(str(error))) from error
    except (StorageError, WorkerFault) as error:
        raise StudyFailed(options.in_words(str(error))) from error
    except OSError as error:
        raise StudyFailed(_file_fault(error, options)) from error
    except KeyboardInterrupt as stopped:
        if stopped.args:
            raise
        raise KeyboardInterrupt(f"stopped: everything finished is stored; go on with: {options.again}") from stopped


def _file_fault(error: OSError, options: Options) -> str:
    """A file that could not be written or read, in one sentence."""
    reason = (error.strerror or str(error)).lower()
    same = "call" if options.in_python else "command"
    return (
        f"{error.filename or options.output}: {reason}; everything finished is stored, and the same {same} goes on once "
        "this is fixed"
    )


def _surroundings(options: Options) -> str:
    """What a report of a fault needs: version, commit, machine, and where everything goes."""
    return "\n".join(
        (
            f"harness {__version__} ({commit()}), Python {platform.python_version()}, {platform.platform()}",
            f"{resources.cores()} cores, {len(resources.gpus())} GPUs",
            f"study: {options.source}",
            f"results: {options.output.resolve()}",
            f"storage: {options.database_shown}",
        )
    )
