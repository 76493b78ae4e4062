"""Train a committed study's runs again: `python -m harness.reproduce RESULTS` says, number by number, what agrees."""

# PYTHON_ARGCOMPLETE_OK: the shell may ask this module for completions
from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from harness import command_line
from harness.version import __version__

EPILOG = """\
examples:
  python -m harness.reproduce results/digits                 three runs, spread over the study
  python -m harness.reproduce results/digits --runs all

exit status: 0 every number is identical; 3 the worst is within rounding (1e-4 relative, as on another processor);
4 within seed spread (no farther apart than two seeds of that configuration are in 19 of 20 pairs); 5 different;
1 a run could not be trained; 2 the results cannot be reproduced here (nothing was trained); 130 interrupted.
Only the machine class that made the results (processor model, thread count, package versions) can give identical numbers.
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    options = argparse.ArgumentParser(
        prog="python -m harness.reproduce",
        description="Train a committed study's runs again, and say, number by number, what agrees.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_argument(
        "results", type=Path, metavar="RESULTS", help="results folder of a study, or an archive of one"
    )
    options.add_argument(
        "--runs",
        default="3",
        metavar="K",
        help="how many runs, spread evenly over runs.csv, or 'all' (default 3)",
    )
    options.add_argument("--run", action="append", metavar="NAME", help="this run (again for more); instead of --runs")
    options.add_argument("--data-dir", type=Path, metavar="DIR", help="where the data set's files lie on this machine")
    options.add_argument(
        "--workers", type=command_line.whole_number, metavar="N", help="local worker processes (default: as run_study)"
    )
    options.add_argument(
        "--allow-code",
        action="store_true",
        help="execute the Python files in RESULTS/code, which may do all that you may",
    )
    output = options.add_mutually_exclusive_group()
    output.add_argument("--quiet", action="store_true", help="print errors and the last line only")
    output.add_argument("--verbose", action="store_true", help="print every number, not only those that moved")
    options.add_argument("--json", action="store_true", help="print every number as JSON at the end")
    options.add_argument("--version", action="version", version=f"harness {__version__}")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    options = command_line.parse(parser(), arguments)
    from harness.driver import reproduction

    return reproduction.run(
        reproduction.Request(
            results=options.results,
            runs=options.runs,
            names=tuple(options.run or ()),
            data_dir=options.data_dir,
            workers=options.workers,
            quiet=options.quiet,
            verbose=options.verbose,
            allow_code=options.allow_code,
            json=options.json,
        )
    )


if __name__ == "__main__":
    sys.exit(main())
