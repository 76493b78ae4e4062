"""The main job: `python -m harness.run_study [STUDY.toml]` plans, trains, stores, resumes and reports a study."""

# PYTHON_ARGCOMPLETE_OK: the shell may ask this module for completions
from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from harness import command_line
from harness.version import __version__

EXIT_BAD_INPUT = 2

EPILOG = """\
examples:
  python -m harness.run_study                          the built-in quick study, on handwritten digits
  python -m harness.run_study studies/mine.toml        your study; the same command again resumes it
  python -m harness.run_study studies/mine.toml --dry-run

exit status: 0 done; 1 the study could not go on; 2 the input cannot be run (nothing was written); 3 done, but with
--fail-if-undecided a verdict is missing; 130 interrupted (everything finished is stored; the same command resumes).
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    options = argparse.ArgumentParser(
        prog="python -m harness.run_study",
        description="Compare learning-rate schedules for image generators: search, confirm on fresh seeds, report.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_argument(
        "study", nargs="?", type=Path, metavar="STUDY.toml", help="study file, or 'quick', the built-in study (default)"
    )
    options.add_argument(
        "--output", type=Path, metavar="DIR", help="results folder of this study (default: results/NAME)"
    )
    options.add_argument("--dry-run", action="store_true", help="print study, plan and estimated cost, then stop")
    options.add_argument(
        "--noise-from",
        type=Path,
        metavar="DIR",
        help="with --dry-run: results folder, or that of a short pilot, whose noise says how large an effect would be found",
    )
    options.add_argument(
        "--workers",
        type=command_line.whole_number,
        metavar="N",
        help="local worker processes (default: as this machine allows)",
    )
    options.add_argument(
        "--workers-per-gpu",
        type=command_line.whole_number,
        metavar="K",
        help="workers that share a GPU (default: 1 to 4, more for small images)",
    )
    where = options.add_mutually_exclusive_group()
    where.add_argument(
        "--executor",
        metavar="NAME[:ADDRESS]",
        default="local",
        help="where runs are trained: local (default), ray, or one of an installed package (see --list)",
    )
    where.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="train on a Ray cluster: auto, HOST:PORT or ray://HOST:PORT (extra 'cluster')",
    )
    options.add_argument("--storage", metavar="URL", help="Optuna storage (default: SQLite in the results folder)")
    options.add_argument(
        "--allow-code",
        action="store_true",
        help="execute the Python files that the study names: your own code, which may do all that you may",
    )
    options.add_argument("--no-report", action="store_true", help="write the tables only")
    options.add_argument(
        "--tensorboard",
        type=Path,
        metavar="DIR",
        help="also write TensorBoard event files, one folder per run, into DIR",
    )
    output = options.add_mutually_exclusive_group()
    output.add_argument("--quiet", action="store_true", help="print errors and the final table only")
    output.add_argument(
        "--verbose", action="store_true", help="first print version, machine, and where everything goes"
    )
    options.add_argument(
        "--fail-if-undecided",
        action="store_true",
        help="exit with status 3 unless every schedule is better, worse or equivalent in the end",
    )
    options.add_argument("--json", action="store_true", help="print a machine-readable summary at the end")
    options.add_argument(
        "--list",
        action="store_true",
        help="list studies, and every part a study file may name with its settings, then stop",
    )
    options.add_argument("--schema", action="store_true", help="print the JSON schema of study files, then stop")
    options.add_argument("--version", action="version", version=f"harness {__version__}")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    options = command_line.parse(parser(), arguments)
    from harness import spec as specs

    if options.list:
        from harness.driver import listing

        listing.print_list()
        return 0
    if options.schema:
        command_line.print_json(specs.schema(), indent=2)
        return 0
    if options.noise_from is not None and not options.dry_run:
        print(f"--noise-from is {options.noise_from}, which nothing reads without --dry-run", file=sys.stderr)
        return EXIT_BAD_INPUT
    if options.fail_if_undecided and options.dry_run:
        print("--fail-if-undecided is set, but a --dry-run gives no verdict", file=sys.stderr)
        return EXIT_BAD_INPUT
    try:
        spec, source = specs.named(options.study, allow_code=options.allow_code)
    except specs.SpecError as error:
        print(error, file=sys.stderr)
        return EXIT_BAD_INPUT
    from harness.driver import command
    from harness.driver.session import Options

    return command.run(
        spec,
        Options(
            source=source,
            output=options.output or Path("results") / spec.name,
            dry_run=options.dry_run,
            workers=options.workers,
            workers_per_gpu=options.workers_per_gpu,
            executor=options.executor if options.cluster is None else f"ray:{options.cluster}",
            storage=options.storage,
            report=not options.no_report,
            quiet=options.quiet,
            json=options.json,
            verbose=options.verbose,
            tensorboard=options.tensorboard,
            allow_code=options.allow_code,
            noise_from=options.noise_from,
            fail_if_undecided=options.fail_if_undecided,
        ),
    )


if __name__ == "__main__":
    sys.exit(main())
