"""The command `run_study` for a study that could be read: checks, dry run or training, and what the exit status says."""

from __future__ import annotations

import platform
import sys

from rich.console import Console

from harness import __version__
from harness.driver import conduct, dry_run, event_files, preflight, restored
from harness.driver import folder as folders
from harness.driver.code_version import commit
from harness.driver.database import AddressError, StorageError
from harness.driver.folder import Folder, FolderError
from harness.driver.noise import NoiseError
from harness.driver.session import Options, warn
from harness.executors import resources, start
from harness.executors.executor import InputFault, WorkerFault
from harness.kinds import KindError
from harness.spec import StudySpec

EXIT_FAILED, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 1, 2, 130


def run(spec: StudySpec, options: Options) -> int:
    """Conduct, resume or (with `dry_run`) estimate `spec`; return the exit status."""
    console = Console(quiet=options.quiet, stderr=options.json)  # with --json, standard output is JSON and nothing else
    folder = Folder(options.output)
    if options.verbose:
        console.print(_surroundings(options), highlight=False, markup=False)
    try:
        _check(spec, options, folder)
    except (preflight.CheckError, FolderError, event_files.TensorBoardFault) as error:
        print(error, file=sys.stderr)
        return EXIT_BAD_INPUT
    try:
        if options.dry_run:
            dry_run.dry_run(spec, options, console, folder)
            return 0
        with folders.lock(folder):
            return 0 if conduct.conduct(spec, options, console, folder) else EXIT_INTERRUPTED
    except KeyboardInterrupt:  # before or after training, whose engine answers Ctrl-C itself
        print(f"stopped: everything finished is stored; go on with: {options.command}", file=sys.stderr)
        return EXIT_INTERRUPTED
    except (FolderError, AddressError, InputFault, NoiseError) as error:
        print(error, file=sys.stderr)
        return EXIT_BAD_INPUT
    except (StorageError, WorkerFault) as error:
        print(error, file=sys.stderr)
        return EXIT_FAILED
    except OSError as error:
        print(_file_fault(error, folder), file=sys.stderr)
        return EXIT_FAILED


def _check(spec: StudySpec, options: Options, folder: Folder) -> None:
    """Raise what would be found wrong in training, as far as it can be known now; warn of an option without effect."""
    try:
        executor = start.part(options.worker_options)
    except KindError as error:
        raise preflight.CheckError(str(error)) from error
    try:
        preflight.check(spec, source=options.source, here=executor.here, output=options.output)
    except preflight.CheckError:  # of a study that is trained already, data and machine may be gone
        if options.dry_run or not restored.complete(folder, spec, preflight.primary_score(spec)):
            raise
    folders.check(folder, spec, source=options.source)
    if options.tensorboard is not None:
        event_files.check(options.tensorboard)
    if options.workers_per_gpu is not None and executor.here and not resources.gpus():
        warn("--workers-per-gpu changes nothing: no GPU is visible")


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


def _file_fault(error: OSError, folder: Folder) -> str:
    """A file that could not be written or read, in one sentence."""
    reason = (error.strerror or str(error)).lower()
    return (
        f"{error.filename or folder.path}: {reason}; everything finished is stored, and the same command goes on once "
        "this is fixed"
    )
